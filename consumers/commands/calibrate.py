"""``driftline calibrate``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from consumers.commands.pipeline import COLUMNS, NEEDED
from driftline.errors import BadInput
from driftline.terminal import echo
from producers.commands import options

if TYPE_CHECKING:
    from consumers.batch.calibrate_history import HistorySource
    from driftline.settings import Settings

RECOMMENDED = "driftline.recommended.toml"
TOPIC_COLUMNS = (
    "task",
    "categorical",
    "numeric",
    "ignore",
)  # options about columns that --topic takes, too


@click.command()
@click.option(
    "--data", type=options.PATH, help="Your own scored rows; by default the bundled flights."
)
@click.option("--topic", is_flag=True, help="The predictions of the model that are in Kafka now.")
@options.flight_model
@click.option("--from", "start", help="Event time, UTC; by default the beginning, or 2013-03-01.")
@click.option("--until", "end", help="Up to this moment; by default the end, or 2013-04-01.")
@options.column_names
@click.option("--splits", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--delay-splits",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Number of splits in which delays are measured.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random splits.")
@click.option(
    "--all-models", is_flag=True, help="Recommend for all models, not for this one alone."
)
@click.option(
    "--output",
    type=options.PATH,
    default=Path("calibration.json"),
    show_default=True,
    help=f"JSON file of all figures; {RECOMMENDED} is written beside it.",
)
@click.pass_context
def calibrate(context: click.Context, /, output: Path, all_models: bool, **given: Any) -> None:
    """Replay your own history to measure false alarms and detection delays.

    The history is cut into days, or, if it is shorter than eight days, into blocks as long as a
    window. In each of --splits, a random half of the blocks is the reference. The others,
    concatenated in time order, are monitored under the configured rule. Nothing has changed between
    the two, so every incident of a feature or the score is a false alarm. For comparison, the
    report also shows always alarming, never alarming, and p < 0.05 for each feature and window.

    Then each numeric feature (the first 20) is shifted by 0.25, 0.5 and 1 standard deviation from
    a random moment on, and the delay until an incident opens is measured.

    If the rate may exceed drift.false_alarms, the smallest drift.min_effect at which it fits is
    recommended. Needs no labels, and Kafka only with --topic.
    """
    source = _source(context, context.obj, given)
    recommended = output.with_name(RECOMMENDED)
    _check(output, recommended, context.find_root().params["config"])
    _calibrate(context.obj, source, given, (output, recommended), all_models)


def _calibrate(
    settings: Settings,
    source: HistorySource,
    given: Mapping[str, Any],
    files: tuple[Path, Path],
    all_models: bool,
) -> None:
    from consumers.batch.calibrate import CalibrationRequest
    from consumers.batch.calibrate import calibrate as run
    from consumers.batch.calibrate_report import document, fragment, lines

    names = ("model", "version", "splits", "delay_splits", "seed")
    request = CalibrationRequest(**{name: given[name] for name in names})
    _progress("reading the history")
    scored = source.read(settings, request.model, request.version)
    found = run(settings.plan(request.model), scored, request, _progress)
    echo("\n".join(lines(found)))
    text = fragment(found, everywhere=all_models)
    _write(files[0], json.dumps(document(found), indent=1, allow_nan=False) + "\n")
    _write(files[1], text)
    echo(f"\n{text}\nsaved {files[0]} and {files[1]}")


for _option in calibrate.params:
    if _option.name in NEEDED:  # they are required only with --data
        _option.required = False


def _source(context: click.Context, settings: Settings, given: dict[str, Any]) -> HistorySource:
    from consumers.batch.calibrate_history import FileHistory, FlightsHistory, TopicHistory
    from producers.contract.times import parse_time_ms
    from producers.registration.task_choice import task_named

    chosen = {
        name
        for name in ("model", *COLUMNS)
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    from_ms, until_ms = (
        None if given[name] is None else parse_time_ms(given[name]) for name in ("start", "end")
    )
    if given["data"] is not None:
        if given["topic"]:
            raise click.UsageError("--data and --topic exclude each other")
        if missing := [f"--{name}" for name in ("model", *NEEDED) if name not in chosen]:
            raise click.UsageError(f"--data needs {' and '.join(missing)} too")
        return FileHistory(
            given["data"], options.columns_of(settings, dict(given)), from_ms, until_ms
        )
    for name in sorted(chosen - {"model"} - set(TOPIC_COLUMNS if given["topic"] else ())):
        raise click.UsageError(f"--{name.replace('_', '-')} needs a file: add --data")
    if given["topic"]:
        # A topic has no columns to name, so those of the task without any are asked for.
        columns = options.columns_of(settings, {**given, "task": "features"})
        task = None if given["task"] is None else task_named(given["task"])
        return TopicHistory(columns, from_ms, until_ms, task)
    return FlightsHistory(from_ms, until_ms)


def _check(output: Path, recommended: Path, config: Path | None) -> None:
    """Refuse outputs that cannot be written, before the calibration runs."""
    if config is not None and config.resolve() == recommended.resolve():
        raise BadInput(
            f"{recommended} is the configuration in use, and would be overwritten by the new"
            " recommendation: copy it into driftline.toml, or choose another directory by --output"
        )
    if output.suffix == ".toml":
        raise BadInput(f"--output is a JSON file: {output} would overwrite a configuration")
    if not output.parent.is_dir():
        raise BadInput(f"there is no directory {output.parent} to write {output.name} to")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}") from error


def _progress(text: str) -> None:
    echo(text, err=True)
