"""The options that several commands share, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from producers.registration.rows_file import Columns
    from producers.simulation.sending import Pacing

F = TypeVar("F", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)
ABOVE_ZERO = click.FloatRange(0, min_open=True)


def _together(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorated(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    from producers.contract.records import is_name

    if not is_name(value):
        raise click.BadParameter(f"{value!r} is not 1 to 100 letters, digits, '.', '_' or '-'")
    return value


any_model = _together(
    click.option("--model", required=True, callback=_name, help="Name of the model."),
    click.option("--version", required=True, callback=_name, help="Its version."),
)
flight_model = _together(
    click.option("--model", default="flight-delay", show_default=True, callback=_name),
    click.option("--version", default="1", show_default=True, callback=_name),
)
publish = click.option("--publish/--no-publish", default=True, help="Send the profile to Kafka.")

column_names = _together(
    click.option("--time", required=True, help="Column: event time, RFC 3339 or milliseconds."),
    click.option("--score", required=True, help="Column: P(positive), 0 to 1."),
    click.option("--prediction", help="Column: predicted class; by default from --threshold."),
    click.option("--label", help="Column: the truth, two values; may be missing in some rows."),
    click.option("--label-time", help="Column: when the truth became known."),
    click.option("--id", help="Column: unique name of the row."),
    click.option("--categorical", default="", help="Columns, with commas: numbers that are names."),
    click.option("--ignore", default="", help="Columns, with commas, that are no features."),
    click.option("--positive", help="The value that means 1, where it is not 1 or true."),
    click.option("--timezone", help="Of times without an offset: UTC, Europe/Paris, …"),
    click.option(
        "--threshold",
        type=click.FloatRange(0, 1),
        default=0.5,
        show_default=True,
        help="A score at or above it predicts 1.",
    ),
)
pacing = _together(
    click.option("--speed", type=ABOVE_ZERO, help="Seconds of event time per second."),
    click.option("--rate", type=ABOVE_ZERO, help="Records per second. Default: no limit."),
    click.option(
        "--finish",
        is_flag=True,
        help="At the end send one far-ahead record to every partition of both topics: windows close"
        " when event time has passed them everywhere, so without it the last ones of a replay stay"
        " open.",
    ),
    click.option("--finish-after", default="60d", show_default=True, help="How far ahead that is."),
)


def columns_of(given: dict[str, Any]) -> Columns:
    """Takes its own options out of ``given``. Raises ``InvalidFile`` or ``InvalidPlan``."""
    from monitor.plan import duration_ms
    from producers.registration.rows_file import Columns

    delay = given.pop("label_delay", None)
    plain = ("time", "score", "prediction", "label", "label_time", "id", "positive", "timezone")
    return Columns(
        **{name: given.pop(name) for name in (*plain, "threshold")},
        categorical=_listed(given.pop("categorical")),
        ignore=_listed(given.pop("ignore")),
        label_delay_ms=None if delay is None else duration_ms(delay),
    )


def pacing_of(given: dict[str, Any]) -> Pacing:
    """Takes its own options out of ``given``. Raises ``InvalidPlan`` for a duration."""
    from monitor.plan import duration_ms
    from producers.simulation.sending import Pacing

    speed, rate = given.pop("speed"), given.pop("rate")
    if speed is not None and rate is not None:
        raise click.UsageError("--speed and --rate exclude each other")
    finish, after_ms = given.pop("finish"), duration_ms(given.pop("finish_after"))
    return Pacing(speed, rate, after_ms if finish else None)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
