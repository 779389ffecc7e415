"""``driftline pipeline``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from driftline.errors import BadInput
from driftline.exit_codes import DONE, FOUND, exit_codes
from driftline.terminal import echo
from producers.commands import options
from producers.commands.evaluate import flights, simulation_of

if TYPE_CHECKING:
    from consumers.batch.inputs import Flights, RowsFile
    from consumers.batch.steps.step import PipelineStep
    from driftline.settings import Settings

NEEDED = ("time",)  # columns that a file of one's own must have
COLUMNS = (
    *NEEDED,
    *("task", "score", "prediction", "label", "label_time", "id", "positive", "threshold"),
    *("categorical", "numeric", "ignore", "na", "timezone"),
)

CODES = {DONE: "no incident opened", FOUND: "an incident opened: drift or degradation"}


@click.command(epilog=exit_codes(CODES))
@click.option(
    "--data",
    type=options.PATH,
    help="File of your own scored rows; by default the bundled flights.",
)
@click.option(
    "--reference",
    type=options.PATH,
    help="File of scored rows for the reference; by default the rows of --data before --from, or"
    " their older half.",
)
@options.flight_model
@flights
@options.column_names
@click.option(
    "--output",
    type=options.PATH,
    default=Path("driftline-report"),
    show_default=True,
    help="Directory to write the reports to.",
)
@click.option("--skip-training", is_flag=True, help="Use the reference saved in --output.")
@click.option("--verbose", is_flag=True, help="Print the key figures of each step.")
@click.pass_context
def pipeline(
    context: click.Context, /, output: Path, skip_training: bool, verbose: bool, **given: Any
) -> None:
    """Train, evaluate, test for drift and decide about retraining in one run, without Kafka.

    The rows are the bundled flights, or a file of rows that your own model has scored. Each step
    writes a JSON file, and summary.html shows all of them.
    """
    from consumers.batch.inputs import prepared
    from consumers.batch.pipeline import opened_incidents
    from consumers.batch.pipeline import pipeline as run_pipeline

    settings: Settings = context.obj
    source = _source(context, settings, given)
    if not skip_training:
        _make_directory(output)
    inputs = prepared(settings, source, output, skip_training=skip_training)
    for warning in inputs.warnings:
        echo(f"warning: {warning}", err=True)
    steps = _saved_and_printed(run_pipeline(settings.plan(source.name[0]), inputs), output, verbose)
    _write_summary(output, steps)
    echo(f"reports in {output}: open {output / 'summary.html'}")
    documents = {step.name: step.document for step in steps}
    context.exit(FOUND if opened_incidents(documents) else DONE)


for _option in pipeline.params:
    if _option.name in NEEDED:  # only where there is a file
        _option.required = False


def _source(
    context: click.Context, settings: Settings, given: dict[str, Any]
) -> Flights | RowsFile:
    from consumers.batch.inputs import Flights

    asked = {
        name
        for name in ("model", "reference", *COLUMNS)
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if given["data"] is not None:
        return _rows_file(settings, given, asked)
    for name in sorted(asked - {"model"}):
        raise click.UsageError(
            f"--{name.replace('_', '-')} applies to a file of rows: give the file with --data"
        )
    return Flights(simulation_of(given))


def _rows_file(settings: Settings, given: dict[str, Any], asked: set[str]) -> RowsFile:
    from consumers.batch.inputs import RowsFile

    if missing := [f"--{name}" for name in ("model", *NEEDED) if name not in asked]:
        raise click.UsageError(f"--data needs {' and '.join(missing)} too")
    if given["scenarios"]:
        raise click.UsageError(
            "--scenario applies to the bundled flights only: it changes rows before they are"
            " scored, and the rows of --data are scored already"
        )
    return RowsFile(
        path=given["data"],
        columns=options.columns_of(settings, dict(given)),
        name=(given["model"], given["version"]),
        reference=given["reference"],
        from_ms=_moment(given["start"]),
        until_ms=_moment(given["end"]),
    )


def _moment(text: str | None) -> int | None:
    from producers.contract.times import parse_time_ms

    return None if text is None else parse_time_ms(text)


def _make_directory(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the reports cannot be written to {output}: {error.strerror}") from error


def _saved_and_printed(
    steps: Iterable[PipelineStep], output: Path, verbose: bool
) -> list[PipelineStep]:
    """The steps, each saved and printed as soon as it is done."""
    done = []
    for step in steps:
        _write(output / f"{step.name}.json", step.document)
        echo(f"{step.name:14} {step.sentence}")
        if verbose and step.details:
            echo(textwrap.indent("\n".join(step.details), " " * 15))
        done.append(step)
    return done


def _write_summary(output: Path, steps: Sequence[PipelineStep]) -> None:
    from consumers.batch.report_html import summary_html

    page = summary_html(
        {step.name: step.document for step in steps}, {step.name: step.sentence for step in steps}
    )
    (output / "summary.html").write_text(page, encoding="utf-8")


def _write(path: Path, document: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
