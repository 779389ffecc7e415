"""Known disturbances: what happens to the rows of a simulation from a given event time on.

Each is written ``name:argument=value,…`` and does one thing; several are applied one after the
other. What a scenario draws at random depends on the seed, on its place among the scenarios and on
the row, not on the stretch of time that is replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from producers.errors import BadInput
from producers.history import History
from producers.times import parse_time_ms


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
class Flip:
    """Turns a share of the labels round."""

    span: Span
    share: float

    def apply(self, history: History, rng: np.random.Generator) -> History:
        turned = self.span.rows(history) & (rng.random(len(history)) < self.share)
        return replace(history, label=np.where(turned, 1 - history.label, history.label))


KINDS: Mapping[str, type[Shift | Scale | Missing | Flip]] = {
    "flip": Flip,
    "missing": Missing,
    "scale": Scale,
    "shift": Shift,
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


def _share(text: str) -> float:
    share = _number(text)
    if not 0 < share <= 1:
        raise ValueError("a share is above 0 and at most 1")
    return share


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("expected a number")
    return number


_READ: Mapping[str, Callable[[str], Any]] = {
    "feature": str,
    "by": _number,
    "share": _share,
    "from": parse_time_ms,
    "until": parse_time_ms,
}


def _arguments(name: str, text: str) -> dict[str, Any]:
    taken = [*_own(name), "from", "until"]
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
    missing = [argument for argument in _own(name) if argument not in arguments]
    if missing:
        raise InvalidScenario(f"scenario {name} needs {', '.join(missing)}")
    span = Span(arguments.pop("from", -math.inf), arguments.pop("until", math.inf))
    return KINDS[name](span=span, **arguments)


def _own(name: str) -> list[str]:
    """The arguments that a scenario cannot do without."""
    return [field for field in KINDS[name].__dataclass_fields__ if field != "span"]


def _values(history: History, feature: str) -> NDArray[Any]:
    if feature not in history.features:
        there = ", ".join(history.features)
        raise InvalidScenario(f"there is no feature {feature!r}: there are {there}")
    return history.features[feature]


def _numbers(history: History, feature: str) -> NDArray[np.float64]:
    values = _values(history, feature)
    if values.dtype == object:
        raise InvalidScenario(f"feature {feature!r} is not numeric: it cannot be shifted or scaled")
    return values


def _changed(
    history: History, feature: str, rows: NDArray[np.bool_], values: NDArray[Any]
) -> History:
    changed = np.where(rows, values, history.features[feature])
    return replace(history, features={**history.features, feature: changed})
