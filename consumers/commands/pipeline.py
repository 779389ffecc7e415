"""``driftline pipeline``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from driftline.errors import BadInput
from producers.commands import options
from producers.commands.evaluate import flights, simulation_of

if TYPE_CHECKING:
    from consumers.batch.inputs import Flights, RowsFile
    from consumers.batch.pipeline import Step
    from driftline.settings import Settings

DRIFTED = 3  # exit code: an incident opened
NEEDED = ("time", "score")  # columns that a file of one's own must have
COLUMNS = (
    *NEEDED,
    *("prediction", "label", "label_time", "id", "positive", "threshold"),
    *("categorical", "ignore", "timezone"),
)


@click.command()
@click.option("--data", type=options.PATH, help="Your own scored rows; by default the flights.")
@click.option(
    "--reference",
    type=options.PATH,
    help="Scored rows to compare with; by default what lies before --from, else the older half.",
)
@options.flight_model
@flights
@options.column_names
@click.option(
    "--output",
    type=options.PATH,
    default=Path("driftline-report"),
    show_default=True,
    help="Directory of the reports.",
)
@click.option("--skip-training", is_flag=True, help="Take the reference that is saved in --output.")
@click.option("--verbose", is_flag=True, help="Print the key figures of each step.")
@click.pass_context
def pipeline(
    context: click.Context, /, output: Path, skip_training: bool, verbose: bool, **given: Any
) -> None:
    """Train, evaluate, look for drift, judge performance, decide: all at once, without Kafka.

    Works on the bundled flights, or on a file of rows that your own model has scored. Writes a JSON
    file for each step and summary.html, and ends with 0 if no incident opened, with 3 if one did.
    """
    from consumers.batch.inputs import prepared
    from consumers.batch.pipeline import opened
    from consumers.batch.pipeline import pipeline as steps_of

    settings: Settings = context.obj
    source = _source(context, given)
    if not skip_training:
        _make(output)
    inputs = prepared(settings, source, output, skip_training=skip_training)
    steps = _told(steps_of(settings.plan(source.name[0]), inputs), output, verbose)
    _write_summary(output, steps)
    click.echo(f"reports in {output}: open {output / 'summary.html'}")
    context.exit(DRIFTED if opened({step.name: step.document for step in steps}) else 0)


for _option in pipeline.params:
    if _option.name in NEEDED:  # only where there is a file
        _option.required = False


def _source(context: click.Context, given: dict[str, Any]) -> Flights | RowsFile:
    from consumers.batch.inputs import Flights

    asked = {
        name
        for name in ("model", "reference", *COLUMNS)
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if given["data"] is not None:
        return _rows_file(given, asked)
    for name in sorted(asked - {"model"}):
        raise click.UsageError(f"--{name.replace('_', '-')} is about a file: name it in --data")
    return Flights(simulation_of(given))


def _rows_file(given: dict[str, Any], asked: set[str]) -> RowsFile:
    from consumers.batch.inputs import RowsFile

    if missing := [f"--{name}" for name in ("model", *NEEDED) if name not in asked]:
        raise click.UsageError(f"--data needs {' and '.join(missing)} too")
    if given["scenarios"]:
        raise click.UsageError(
            "--scenario disturbs the flights, which are scored afterwards; the scores of a file"
            " stay what they are, so it cannot be disturbed"
        )
    return RowsFile(
        path=given["data"],
        columns=options.columns_of(dict(given)),
        name=(given["model"], given["version"]),
        reference=given["reference"],
        from_ms=_moment(given["start"]),
        until_ms=_moment(given["end"]),
    )


def _moment(text: str | None) -> int | None:
    from producers.contract.times import parse_time_ms

    return None if text is None else parse_time_ms(text)


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the reports cannot be written to {output}: {error.strerror}") from error


def _told(steps: Iterable[Step], output: Path, verbose: bool) -> list[Step]:
    """Every step, saved and printed as soon as it is done."""
    told = []
    for step in steps:
        _write(output / f"{step.name}.json", step.document)
        click.echo(f"{step.name:14} {step.sentence}")
        if verbose:
            click.echo(textwrap.indent("\n".join(step.details), " " * 15))
        told.append(step)
    return told


def _write_summary(output: Path, steps: Iterable[Step]) -> None:
    from consumers.batch.report_html import summary_html

    told = list(steps)
    page = summary_html(
        {step.name: step.document for step in told}, {step.name: step.sentence for step in told}
    )
    (output / "summary.html").write_text(page, encoding="utf-8")


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
