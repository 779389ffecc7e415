"""``driftline status`` and ``driftline top``."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from dashboard.shell import reading
from driftline.exit_codes import DONE, FOUND, TROUBLE, exit_codes
from driftline.terminal import echo, echo_json

if TYPE_CHECKING:
    from dashboard.client import Client
    from driftline.settings import Settings

CODES = {
    DONE: "nothing critical is open, and all roles work",
    TROUBLE: "the API cannot be read, or a role is missing, silent or in trouble",
    FOUND: "something critical is open",
}
_model = click.option("--model", help="Only this model.")
_version = click.option("--version", help="Only this version, also if it is retired.")


@click.command(epilog=exit_codes(CODES))
@_model
@_version
@click.option("--json", "as_json", is_flag=True, help="Print it as one JSON document.")
@reading.api_option
@click.pass_context
def status(
    context: click.Context, model: str | None, version: str | None, as_json: bool, api: str | None
) -> None:
    """Show what is open, how fresh it is, and who lags.

    A line for each model version that is not retired, the worst first, with its open incidents;
    then the workers: those that are silent, in trouble or behind. It reads the API.
    """
    from dashboard.shell.overview import document, lines

    found = reading.overview(reading.client(context.obj, api), model, version)
    if as_json:
        echo_json(document(found))
    else:
        echo("\n".join(lines(found)))
    context.exit(found.exit_code)


@click.command()
@_model
@_version
@click.option(
    "--every",
    type=click.FloatRange(0.5),
    default=2.0,
    show_default=True,
    help="Seconds between two readings.",
)
@reading.api_option
@click.pass_obj
def top(
    settings: Settings, model: str | None, version: str | None, every: float, api: str | None
) -> None:
    """Show what `driftline status` shows, again and again until Ctrl-C."""
    client = reading.client(settings, api)
    with suppress(KeyboardInterrupt):
        while True:
            text = _screen(client, model, version)
            click.clear()
            echo(f"{time.strftime('%H:%M:%S')}  Ctrl-C ends\n\n{text}")
            time.sleep(every)


def _screen(client: Client, model: str | None, version: str | None) -> str:
    """An API that does not answer is told and asked again: it may be restarting."""
    from dashboard.client import ApiProblem
    from dashboard.shell.overview import lines

    try:
        return "\n".join(lines(reading.overview(client, model, version)))
    except ApiProblem as problem:
        return str(problem)
