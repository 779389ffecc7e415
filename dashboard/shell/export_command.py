"""``driftline export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dashboard.shell import reading
from driftline.errors import BadInput
from driftline.terminal import echo

if TYPE_CHECKING:
    from dashboard.client import Client
    from dashboard.shell.exports import Export
    from driftline.settings import Settings

KINDS = ("windows", "drift", "metrics", "incidents")
FORMATS = ("csv", "parquet", "arrow")
PATIENCE_S = 60.0  # for a page, once the API has answered


@click.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--model", help="The model; needed if there are several.")
@click.option("--version", help="Its version; by default the live one, of incidents all.")
@click.option(
    "--feature", "features", multiple=True, help="Of drift: a feature; repeatable, default all."
)
@click.option("--from", "start", help="First event time, UTC: 2013-05-01, 2013-05-01T06:00:00Z.")
@click.option("--until", "end", help="Event time to stop before, UTC.")
@click.option(
    "--format",
    "file_format",
    type=click.Choice(FORMATS),
    help="By default that of the name of --output, or csv. arrow: an IPC stream.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write or overwrite; by default standard output.",
)
@reading.api_option
@click.pass_obj
def export(
    settings: Settings, /, kind: str, file_format: str | None, output: Path | None, **given: Any
) -> None:
    """Write findings of a model version as a table: CSV, Parquet or Arrow.

    \b
      windows    a row for each window: rows, metrics, score and errors
      drift      a row for each feature and window: distances, limits, verdict
      metrics    a row for each window with labels: each metric with its interval
      incidents  a row for each incident that was open in the range

    Rows are in order of event time. Fields of objects are columns with dotted names, such as
    window.start; lists are left out. It reads the API.
    """  # noqa: D301 - click wants the character, it keeps the lines as they are
    from dashboard.shell.exports import exported

    chosen = file_format or _format_of(output)
    api = reading.client(settings, given.pop("api"))
    api.health()  # a wrong address is told at once; a page may take longer
    api.http.timeout = PATIENCE_S
    rows, content = exported(api, kind, _export(api, kind, given), chosen)
    _write(output, content, chosen)
    if output is not None:
        echo(f"wrote {rows:,} rows to {output}")


def _export(api: Client, kind: str, given: dict[str, Any]) -> Export:
    from dashboard.shell.exports import Export

    if given["features"] and kind != "drift":
        raise click.UsageError(f"--feature applies to drift, not to {kind}")
    model = reading.one_version(api, given["model"], given["version"])
    start, end = _moment(given["start"]), _moment(given["end"])
    return Export(model, given["features"], start, end, given["version"] is None)


def _moment(text: str | None) -> str | None:
    from consumers.messages.times import rfc3339
    from producers.contract.times import parse_time_ms

    return None if text is None else rfc3339(parse_time_ms(text))


def _format_of(output: Path | None) -> str:
    if output is None:
        return "csv"
    suffix = output.suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise BadInput(f"the name of {output} tells no format: add --format csv, parquet or arrow")
    return suffix


def _write(output: Path | None, content: bytes, file_format: str) -> None:
    if output is not None:
        try:
            output.write_bytes(content)
        except OSError as error:
            raise BadInput(f"{output} cannot be written: {error.strerror}") from error
    elif not sys.stdout.isatty():
        click.echo(content, nl=False)
    elif file_format == "csv":
        echo(content.decode())
    else:
        raise BadInput(f"{file_format} is not for a terminal: name a file with --output")
