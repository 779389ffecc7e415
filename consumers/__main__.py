"""``python -m consumers ROLE --slot N``: one member of one role, in this process."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

import click

from consumers.processes.worker import ROLES, run_worker
from driftline import logs
from driftline.errors import BadInput, Trouble
from driftline.settings import load_settings


@click.command()
@click.argument("role", type=click.Choice(ROLES))
@click.option(
    "--slot", type=click.IntRange(0), default=0, show_default=True, help="Which member of the role."
)
@click.option("--config", type=click.Path(path_type=Path), help="Configuration file.")
@click.option("--log-level", default="INFO", show_default=True)
@click.option("--log-format", type=click.Choice(logs.FORMATS), default="text", show_default=True)
@click.option("--gapless", is_flag=True, help="For the embedded broker: a gap in offsets is fatal.")
def main(role: str, slot: int, config: Path | None, gapless: bool, **logged: str) -> None:
    """Run one member of ROLE until SIGTERM or Ctrl-C."""
    logs.set_up(logged["log_level"], logged["log_format"], role=role, slot=slot)
    stop = Stop()
    try:
        settings = load_settings(config)
        logs.hide(settings.secrets())
        run_worker(settings, role, slot, stop, gapless=gapless)
    except (BadInput, Trouble) as error:
        logging.error("%s", error)
        sys.exit(1)


class Stop:
    """True once a signal asked to stop; the batch under way is finished first."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def _ask(self, *_: object) -> None:
        self._asked = True


if __name__ == "__main__":
    main()
