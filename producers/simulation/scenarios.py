"""Known disturbances: what happens to the rows of a simulation from a given event time on.

Each is written ``name:argument=value,…`` and does one thing; several are applied one after the
other. What a scenario draws at random depends on the seed, on its place among the scenarios and on
the row, not on the stretch of time that is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftline.errors import BadInput
from monitor.plan import duration_ms
from producers.contract.times import parse_time_ms
from producers.example.history import History


class InvalidScenario(BadInput):
    """A disturbance that cannot be made. The message says what there is instead."""


class Scenario(Protocol):
    def apply(self, history: History, rng: np.random.Generator) -> History: ...


@dataclass(frozen=True, slots=True)
class Span:
    """Event time from ``from_ms`` on, up to and without ``until_ms``."""

    from_ms: float = -math.inf
    until_ms: float = math.inf

    def rows(self, history: History) -> NDArray[np.bool_]:
        return (history.time_ms >= self.from_ms) & (history.time_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class Shift:
    """Adds to a numeric feature."""

    span: Span
    feature: str
    by: float

    def apply(self, history: History, _: np.random.Generator) -> History:
        values = _numbers(history, self.feature)
        return _changed(history, self.feature, self.span.rows(history), values + self.by)


@dataclass(frozen=True, slots=True)
class Scale:
    """Multiplies a numeric feature."""

    span: Span
    feature: str
    by: float

    def apply(self, history: History, _: np.random.Generator) -> History:
        values = _numbers(history, self.feature)
        return _changed(history, self.feature, self.span.rows(history), values * self.by)


@dataclass(frozen=True, slots=True)
class Drift:
    """Adds to a numeric feature, little by little: all of ``by`` once ``over`` has passed."""

    span: Span
    feature: str
    by: float
    over_ms: int

    def __post_init__(self) -> None:
        if math.isinf(self.span.from_ms):
            raise InvalidScenario("scenario drift needs from: the moment at which it begins")

    def apply(self, history: History, _: np.random.Generator) -> History:
        values = _numbers(history, self.feature)
        come = np.clip((history.time_ms - self.span.from_ms) / self.over_ms, 0.0, 1.0)
        return _changed(history, self.feature, self.span.rows(history), values + self.by * come)


@dataclass(frozen=True, slots=True)
class Takeover:
    """One category takes over a share of the rows, whatever they held."""

    span: Span
    feature: str
    value: str
    share: float

    def apply(self, history: History, rng: np.random.Generator) -> History:
        if _values(history, self.feature).dtype != object:
            raise InvalidScenario(
                f"feature {self.feature!r} is numeric: no category can take it over"
            )
        taken = self.span.rows(history) & (rng.random(len(history)) < self.share)
        values = np.full(len(history), self.value, dtype=object)
        return _changed(history, self.feature, taken, values)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A sensor that repeats one reading: ``at``, or else the last one before it got stuck."""

    span: Span
    feature: str
    at: float | None = None

    def apply(self, history: History, _: np.random.Generator) -> History:
        reading = self._last(history) if self.at is None else self.at
        values = _numbers(history, self.feature)
        rows = self.span.rows(history)
        return _changed(history, self.feature, rows, np.full_like(values, reading))

    def _last(self, history: History) -> float:
        values = _numbers(history, self.feature)
        before = values[(history.time_ms < self.span.from_ms) & ~np.isnan(values)]
        if not before.size or math.isinf(self.span.from_ms):
            raise InvalidScenario(
                f"feature {self.feature!r} has no reading to be stuck at: say when with from=, or"
                " at which with at="
            )
        return float(before[-1])


@dataclass(frozen=True, slots=True)
class Missing:
    """Loses a share of a feature's values."""

    span: Span
    feature: str
    share: float

    def apply(self, history: History, rng: np.random.Generator) -> History:
        values = _values(history, self.feature)
        nothing = None if values.dtype == object else np.nan
        lost = self.span.rows(history) & (rng.random(len(history)) < self.share)
        return _changed(history, self.feature, lost, np.full(len(history), nothing, values.dtype))


@dataclass(frozen=True, slots=True)
class Drop:
    """Loses a share of the rows: traffic that does not come."""

    span: Span
    share: float

    def apply(self, history: History, rng: np.random.Generator) -> History:
        lost = self.span.rows(history) & (rng.random(len(history)) < self.share)
        return kept(history, ~lost)


@dataclass(frozen=True, slots=True)
class Malformed:
    """Breaks the records of a share of the predictions: the rows are as they were."""

    span: Span
    share: float

    def apply(self, history: History, _: np.random.Generator) -> History:
        return history

    def ids(self, history: History, rng: np.random.Generator) -> frozenset[str]:
        broken = self.span.rows(history) & (rng.random(len(history)) < self.share)
        return frozenset(history.ids[broken].tolist())


@dataclass(frozen=True, slots=True)
class Flip:
    """Turns a share of the labels round."""

    span: Span
    share: float

    def apply(self, history: History, rng: np.random.Generator) -> History:
        turned = self.span.rows(history) & (rng.random(len(history)) < self.share)
        return replace(history, label=np.where(turned, 1 - history.label, history.label))


KINDS: Mapping[str, type[Any]] = {
    "drift": Drift,
    "drop": Drop,
    "flip": Flip,
    "malformed": Malformed,
    "missing": Missing,
    "scale": Scale,
    "shift": Shift,
    "stuck": Stuck,
    "takeover": Takeover,
}


def parse_scenario(text: str) -> Scenario:
    """From ``"shift:feature=dep_delay,by=5,from=2013-05-01"``. Raises ``InvalidScenario``."""
    name, _, rest = text.partition(":")
    if name not in KINDS:
        raise InvalidScenario(f"unknown scenario {name!r}: there are {', '.join(KINDS)}")
    return _made(name, _arguments(name, rest))


def apply_scenarios(history: History, scenarios: Sequence[Scenario], seed: int) -> History:
    """Raises ``InvalidScenario`` for a feature that is not there, or is not numeric."""
    for place, scenario in enumerate(scenarios):
        history = scenario.apply(history, np.random.default_rng([seed, place]))
    return history


def malformed_ids(history: History, scenarios: Sequence[Scenario], seed: int) -> frozenset[str]:
    """Of the rows, before any scenario, whose predictions are to be sent broken."""
    return frozenset().union(
        *(
            scenario.ids(history, np.random.default_rng([seed, place]))
            for place, scenario in enumerate(scenarios)
            if isinstance(scenario, Malformed)
        )
    )


def kept(history: History, rows: NDArray[np.bool_]) -> History:
    """Those of its rows; shape (n,)."""
    return History(
        history.ids[rows],
        history.time_ms[rows],
        {name: values[rows] for name, values in history.features.items()},
        history.label[rows],
        history.label_time_ms[rows],
    )


def _share(text: str) -> float:
    share = _number(text)
    if not 0 < share <= 1:
        raise ValueError("a share is above 0 and at most 1")
    return share


def _stretch(text: str) -> int:
    stretch_ms = duration_ms(text)
    if not stretch_ms:
        raise ValueError("a stretch of time is longer than zero")
    return stretch_ms


def _name(text: str) -> str:
    if not text:
        raise ValueError("expected a name")
    return text


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected a number")
    return number


_READ: Mapping[str, Callable[[str], Any]] = {
    "feature": _name,
    "value": _name,
    "by": _number,
    "at": _number,
    "over": _stretch,
    "share": _share,
    "from": parse_time_ms,
    "until": parse_time_ms,
}


def _arguments(name: str, text: str) -> dict[str, Any]:
    taken = [*_fields(name), "from", "until"]
    read: dict[str, Any] = {}
    for argument in filter(None, text.split(",")):
        key, _, value = argument.partition("=")
        if key not in taken:
            raise InvalidScenario(f"scenario {name} knows no {key!r}: it takes {', '.join(taken)}")
        try:
            read[key] = _READ[key](value)
        except ValueError as error:
            raise InvalidScenario(f"scenario {name}: {key}={value!r}: {error}") from error
    return read


def _made(name: str, arguments: dict[str, Any]) -> Scenario:
    own = _fields(name)
    missing = [
        argument
        for argument, field in own.items()
        if argument not in arguments and field.default is MISSING
    ]
    if missing:
        raise InvalidScenario(f"scenario {name} needs {', '.join(missing)}")
    span = Span(arguments.pop("from", -math.inf), arguments.pop("until", math.inf))
    own_values = {own[argument].name: value for argument, value in arguments.items()}
    scenario: Scenario = KINDS[name](span=span, **own_values)
    return scenario


def _fields(name: str) -> dict[str, Field[Any]]:
    """What a scenario takes besides its span, by the argument: a field without its unit."""
    return {
        field.name.removesuffix("_ms"): field
        for field in fields(KINDS[name])
        if field.name != "span"
    }


def _values(history: History, feature: str) -> NDArray[Any]:
    if feature not in history.features:
        there = ", ".join(history.features)
        raise InvalidScenario(f"there is no feature {feature!r}: there are {there}")
    return history.features[feature]


def _numbers(history: History, feature: str) -> NDArray[np.float64]:
    values = _values(history, feature)
    if values.dtype == object:
        raise InvalidScenario(
            f"feature {feature!r} is not numeric: it can only be lost or taken over"
        )
    return values


def _changed(
    history: History, feature: str, rows: NDArray[np.bool_], values: NDArray[Any]
) -> History:
    changed = np.where(rows, values, history.features[feature])
    return replace(history, features={**history.features, feature: changed})
