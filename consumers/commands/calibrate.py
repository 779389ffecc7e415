"""``driftline calibrate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from consumers.commands.pipeline import COLUMNS, NEEDED
from driftline.errors import BadInput
from producers.commands import options

if TYPE_CHECKING:
    from consumers.batch.calibrate import Source
    from driftline.settings import Settings

RECOMMENDED = "driftline.recommended.toml"
OF_TOPIC = ("categorical", "ignore")  # that make sense without a file


@click.command()
@click.option("--data", type=options.PATH, help="Your own scored rows; by default the flights.")
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
    help="In how many of them delays are measured.",
)
@click.option("--seed", default=0, show_default=True, help="Of what is drawn at random.")
@click.option("--all-models", is_flag=True, help="Recommend for [drift], not for this model alone.")
@click.option(
    "--output",
    type=options.PATH,
    default=Path("calibration.json"),
    show_default=True,
    help=f"JSON file of all figures; {RECOMMENDED} is written beside it.",
)
@click.pass_context
def calibrate(context: click.Context, /, output: Path, all_models: bool, **given: Any) -> None:
    """Replay your own history, and say how often the rule would have been wrong, how soon right.

    The history is cut into days, or, if it is shorter than eight, into blocks as long as a window.
    In each of --splits, half of the blocks, drawn at random, are the reference and the others, in
    time order side by side, are watched under the configured rule: nothing has changed between the
    two, so every incident of a feature or the score is a false alarm. Beside that rate stand those
    of always alarming, of never alarming, and of p < 0.05 for each feature and window.

    Then each numeric feature (the first 20) is shifted by 0.25, 0.5 and 1 standard deviation from
    a random moment on, and the delay until an incident opens is measured.

    If the rate may exceed drift.false_alarms, the smallest drift.min_effect at which it fits is
    recommended. Needs no Kafka without --topic, and no labels.
    """
    from consumers.batch.calibrate import Wanted, calibrated
    from consumers.batch.calibrate_report import document, fragment, lines

    settings: Settings = context.obj
    model, version = given["model"], given["version"]
    source, wanted = (
        _source(context, given),
        Wanted(
            model=model,
            version=version,
            splits=given["splits"],
            delay_splits=given["delay_splits"],
            seed=given["seed"],
        ),
    )
    recommended = output.with_name(RECOMMENDED)
    _check(output, recommended, context.find_root().params["config"])
    _tell("reading the history")
    scored = source.read(settings, model, version)
    found = calibrated(settings.plan(model), scored, wanted, _tell)
    click.echo("\n".join(lines(found)))
    text = fragment(found, everywhere=all_models)
    _write(output, json.dumps(document(found), indent=1, allow_nan=False) + "\n")
    _write(recommended, text)
    click.echo(f"\n{text}\nsaved {output} and {recommended}")


for _option in calibrate.params:
    if _option.name in NEEDED:  # only where there is a file
        _option.required = False


def _source(context: click.Context, given: dict[str, Any]) -> Source:
    from consumers.batch.calibrate import FileHistory, FlightsHistory, TopicHistory
    from producers.contract.times import parse_time_ms

    asked = {
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
        if missing := [f"--{name}" for name in ("model", *NEEDED) if name not in asked]:
            raise click.UsageError(f"--data needs {' and '.join(missing)} too")
        return FileHistory(given["data"], options.columns_of(dict(given)), from_ms, until_ms)
    for name in sorted(asked - {"model"} - set(OF_TOPIC if given["topic"] else ())):
        raise click.UsageError(f"--{name.replace('_', '-')} is about a file: name it in --data")
    if given["topic"]:
        columns = options.columns_of(dict(given))
        return TopicHistory(columns.categorical, columns.ignore, from_ms, until_ms)
    return FlightsHistory(from_ms, until_ms)


def _check(output: Path, recommended: Path, config: Path | None) -> None:
    """Before half a minute is spent on what then cannot be written."""
    if config is not None and config.resolve() == recommended.resolve():
        raise BadInput(
            f"{recommended} is the configuration in use, and would be overwritten by what is"
            " recommended next: copy it into driftline.toml, or choose another place by --output"
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


def _tell(what: str) -> None:
    click.echo(what, err=True)
