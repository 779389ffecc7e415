"""Options that several commands share, and the objects built from their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from driftline.terminal import echo
from producers.example.names import EXAMPLES

if TYPE_CHECKING:
    from driftline.settings import Settings
    from monitor.counts.task import Task
    from producers.contract.version_info import VersionInfo
    from producers.registration.columns import Columns
    from producers.simulation.sending import Pacing

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
_INFO = ("owner", "description", "runbook", "tags")
ABOVE_ZERO = click.FloatRange(0, min_open=True)


def _combined(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorated(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    from producers.contract.names import is_name

    if not is_name(value):
        raise click.BadParameter(
            f"{value!r} is not a valid name: expected 1 to 100 letters, digits, '.', '_' or '-'"
        )
    return value


any_model = _combined(
    click.option("--model", required=True, callback=_name, help="Name of the model."),
    click.option("--version", required=True, callback=_name, help="Version of the model."),
)
_first_version = click.option(
    "--version",
    default="1",
    show_default=True,
    callback=_name,
    help="Version of the model.",
)
flight_model = _combined(
    click.option(
        "--model",
        default="flight-delay",
        show_default=True,
        callback=_name,
        help="Name of the model.",
    ),
    _first_version,
)


def _example_model(context: click.Context, option: click.Parameter, value: str | None) -> str:
    task = EXAMPLES[context.params["task"]]
    return task.model if value is None else _name(context, option, value)


example_model = _combined(
    click.option(
        "--task",
        type=click.Choice(list(EXAMPLES)),
        default="binary",
        show_default=True,
        is_eager=True,
        help="What it predicts of a flight: whether it is late, how many minutes, or whether it is"
        " early, on time, late or cancelled.",
    ),
    click.option(
        "--model",
        callback=_example_model,
        help="Name of the model; by default that of the example: "
        + ", ".join(f"{example.model} ({task})" for task, example in EXAMPLES.items())
        + ".",
    ),
    _first_version,
)
version_info = _combined(
    click.option("--owner", help="Who is responsible for the model: a team or a person."),
    click.option("--description", help="What the model does, in one line."),
    click.option("--runbook", help="Link to a page that says what to do about alerts."),
    click.option(
        "--tag", "tags", multiple=True, metavar="NAME=VALUE", help="A tag; can be repeated."
    ),
)
publish = click.option("--publish/--no-publish", default=True, help="Publish the profile to Kafka.")

column_names = _combined(
    click.option(
        "--time", required=True, help="Column of event times, RFC 3339 or milliseconds since 1970."
    ),
    click.option(
        "--task",
        help="What the model does: binary, multiclass, regression or features (only features, or a"
        " score without labels). By default binary with --score, multiclass with --scores or"
        " predictions that are texts, regression with --prediction alone, features with neither.",
    ),
    click.option("--score", help="Column of scores: of a binary model, P(positive class), 0 to 1."),
    click.option(
        "--scores",
        metavar="PATTERN",
        help="Of several classes: the columns with the probability of each, with * for the class,"
        " such as 'p_*'; or one column of structs.",
    ),
    click.option(
        "--prediction",
        help="Column of predicted numbers, or of predicted classes; classes are by default score >="
        " --threshold.",
    ),
    click.option(
        "--label", help="Column of labels, classes or numbers; it may be empty in some rows."
    ),
    click.option("--label-time", help="Column of times at which the labels became known."),
    click.option("--id", help="Column of unique row ids; by default ids by the rows' content."),
    click.option(
        "--categorical",
        multiple=True,
        metavar="COLUMN",
        help="Column of categories, whatever it looks like. Can be repeated; several columns with"
        " commas, unless a column has that very name.",
    ),
    click.option(
        "--numeric",
        multiple=True,
        metavar="COLUMN",
        help="Column of numbers, whatever it looks like; other values count as a wrong type.",
    ),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Column that is not a feature."),
    click.option(
        "--na",
        multiple=True,
        metavar="TEXT",
        help="Text of a CSV file that means a missing value, such as NA. Can be repeated. By"
        " default only empty fields are missing.",
    ),
    click.option("--positive", help="Label value of the positive class, if not 1 or true."),
    click.option(
        "--timezone",
        help="Time zone of times without a UTC offset: UTC, Europe/Paris, … A time that occurs"
        " twice when clocks are set back is the first of the two; one that is skipped when they"
        " are set forward is read as if they had not been set yet.",
    ),
    click.option(
        "--threshold",
        type=click.FloatRange(0, 1),
        help="Scores at or above it predict the positive class; by default 0.5, or the threshold"
        " that fits the column of --prediction.",
    ),
)
pacing = _combined(
    click.option(
        "--format",
        type=click.Choice(["json", "arrow"]),
        default="json",
        show_default=True,
        help="One record a message as JSON, or up to 1,000 as Arrow. With --speed or --rate a"
        " record waits for others at most a second.",
    ),
    click.option(
        "--speed", type=ABOVE_ZERO, help="Seconds of event time per second. Default: no limit."
    ),
    click.option("--rate", type=ABOVE_ZERO, help="Records per second. Default: no limit."),
    click.option(
        "--finish",
        is_flag=True,
        help="At the end, send a record with a later time to every partition of both topics. A"
        " window closes when event time has passed its end in all partitions, so without this the"
        " last windows stay open.",
    ),
    click.option(
        "--finish-after", default="60d", show_default=True, help="How much later those records are."
    ),
    click.option(
        "--resume",
        type=click.IntRange(0),
        default=0,
        metavar="N",
        help="Do not send the first N records, which an interrupted run has sent: it prints N."
        " All other options must be the same.",
    ),
)


def columns_of(settings: Settings, given: dict[str, Any]) -> Columns:
    """Removes its options from ``given``, except the model, whose times must be plausible.

    Says which task was inferred. Raises ``BadInput`` or ``InvalidPlan``.
    """
    from driftline.clock import wall_clock_ms
    from monitor.plan import duration_ms
    from producers.registration.columns import Columns

    task, inferred = _task_of(given)
    delay, time = given.pop("label_delay", None), settings.plan(given["model"]).time
    skew_ms = time.max_clock_skew_ms
    lists = ("numeric", "categorical", "ignore")
    plain = ("time", "score", "prediction", "scores", "label", "label_time", "id", "positive")
    return Columns(
        **{name: given.pop(name) for name in (*plain, *lists, "timezone", "threshold")},
        missing=given.pop("na"),
        label_delay_ms=None if delay is None else duration_ms(delay),
        task=task,
        inferred=inferred,
        earliest_ms=time.earliest_ms,
        latest_ms=None if skew_ms is None else wall_clock_ms() + skew_ms,
    )


def _task_of(given: dict[str, Any]) -> tuple[Task, bool]:
    """Removes the option. Returns the task, and whether it was inferred."""
    from monitor.tasks.registry import DEFAULT
    from monitor.tasks.regression import REGRESSION
    from producers.registration.task_choice import inferred_task, task_named

    named = given.pop("task")
    if named is not None:
        return task_named(named), False
    task = inferred_task(given["score"], given["prediction"], given["label"], given["scores"])
    if task.name != DEFAULT:
        unless = ", unless predictions are texts" if task.name == REGRESSION.name else ""
        said = f"task: {task.name}, by the columns that are named{unless} (--task says it)"
        echo(said, err=True)
    return task, True


def info_of(given: dict[str, Any]) -> VersionInfo:
    """Removes its options from ``given``. Raises ``BadInput``."""
    from producers.contract.version_info import given_info

    return given_info(**{name: given.pop(name) for name in _INFO})


def pacing_of(given: dict[str, Any]) -> Pacing:
    """Removes its options from ``given``. Raises ``InvalidPlan`` for an invalid duration."""
    from monitor.plan import duration_ms
    from producers.simulation.sending import Pacing

    speed, rate = given.pop("speed"), given.pop("rate")
    if speed is not None and rate is not None:
        raise click.UsageError("--speed and --rate cannot be combined")
    finish, after_ms = given.pop("finish"), duration_ms(given.pop("finish_after"))
    arrow = given.pop("format") == "arrow"
    return Pacing(speed, rate, after_ms if finish else None, given.pop("resume"), arrow)
