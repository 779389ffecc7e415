"""``python -m consumers ROLE --slot N``: one worker of one role, in this process."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from consumers.processes.stop_signal import StopSignal
from consumers.processes.worker import ALL_ROLES, run_worker
from driftline import logs
from driftline.errors import BadInput, Trouble
from driftline.settings import load_settings


@click.command()
@click.argument("role", type=click.Choice(ALL_ROLES))
@click.option(
    "--slot", type=click.IntRange(0), default=0, show_default=True, help="The number of the worker."
)
@click.option("--config", type=click.Path(path_type=Path), help="Configuration file.")
@click.option("--log-level", default="INFO", show_default=True)
@click.option("--log-format", type=click.Choice(logs.FORMATS), default="text", show_default=True)
@click.option("--gapless", is_flag=True, help="For the embedded broker: a gap in offsets is fatal.")
def main(role: str, slot: int, config: Path | None, gapless: bool, **log_options: str) -> None:
    """Run one worker of ROLE until SIGTERM or Ctrl-C."""
    logs.set_up(log_options["log_level"], log_options["log_format"], role=role, slot=slot)
    stopped = StopSignal()
    try:
        settings = load_settings(config)
        logs.hide(settings.secrets())
        run_worker(settings, role, slot, stopped, gapless=gapless)
    except (BadInput, Trouble) as error:
        logging.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
