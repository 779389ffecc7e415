"""Scenarios: known changes of the rows of a simulation, in a given range of event time.

Several scenarios are applied one after the other. Random draws depend on the seed, on the position
of the scenario in the list and on the row, but not on the range of time that is replayed.
``producers.simulation.scenario_text`` parses them from the command line.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct, field
from numpy.typing import NDArray

from driftline.errors import BadInput
from producers.example.history import History

_LARGEST = sys.float_info.max

Name = Annotated[str, Meta(min_length=1)]
Number = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]  # not NaN, not infinite
Proportion = Annotated[float, Meta(gt=0, le=1)]


class TimeMs(int):
    """Event time in milliseconds since 1970 UTC."""


class DurationMs(int):
    """A duration above zero, in milliseconds."""


class InvalidScenario(BadInput):
    """A scenario that cannot be applied. The message says what is wrong and what was expected."""


class Scenario(Struct, frozen=True, kw_only=True):
    """A change of the rows with ``from_ms <= time < until_ms``; None is no limit."""

    from_ms: TimeMs | None = field(default=None, name="from")
    until_ms: TimeMs | None = field(default=None, name="until")

    def apply(self, history: History, rng: np.random.Generator) -> History:
        """The changed rows. Raises ``InvalidScenario`` if the feature does not fit."""
        raise NotImplementedError

    def affected(self, history: History) -> NDArray[np.bool_]:
        """The rows in the range of time; shape (n,)."""
        from_ms = -math.inf if self.from_ms is None else int(self.from_ms)
        until_ms = math.inf if self.until_ms is None else int(self.until_ms)
        return (history.time_ms >= from_ms) & (history.time_ms < until_ms)

    def drawn(
        self, history: History, proportion: float, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """A random ``proportion`` of the rows in the range of time; shape (n,)."""
        return self.affected(history) & (rng.random(len(history)) < proportion)


class Shift(Scenario, frozen=True, kw_only=True):
    """Adds ``by`` to a numeric feature."""

    feature: Name
    by: Number

    def apply(self, history: History, rng: np.random.Generator) -> History:  # noqa: ARG002
        values = _numbers(history, self.feature)
        return _changed(history, self.feature, self.affected(history), values + self.by)


class Scale(Scenario, frozen=True, kw_only=True):
    """Multiplies a numeric feature by ``by``."""

    feature: Name
    by: Number

    def apply(self, history: History, rng: np.random.Generator) -> History:  # noqa: ARG002
        values = _numbers(history, self.feature)
        return _changed(history, self.feature, self.affected(history), values * self.by)


class Drift(Scenario, frozen=True, kw_only=True):
    """Adds to a numeric feature gradually, linear in time: ``by`` once ``over_ms`` has passed."""

    feature: Name
    by: Number
    over_ms: DurationMs = field(name="over")
    from_ms: TimeMs = field(name="from")  # required here: the drift begins at 0 there

    def apply(self, history: History, rng: np.random.Generator) -> History:  # noqa: ARG002
        values = _numbers(history, self.feature)
        elapsed_ms = history.time_ms - int(self.from_ms)
        progress = np.clip(elapsed_ms / int(self.over_ms), 0.0, 1.0)
        drifted = values + self.by * progress
        return _changed(history, self.feature, self.affected(history), drifted)


class Takeover(Scenario, frozen=True, kw_only=True):
    """Replaces a categorical feature by ``value`` in a proportion of the rows."""

    feature: Name
    value: Name
    proportion: Proportion

    def apply(self, history: History, rng: np.random.Generator) -> History:
        if _values(history, self.feature).dtype != object:
            raise InvalidScenario(
                f"scenario takeover needs a categorical feature, and {self.feature!r} is numeric"
            )
        replaced = self.drawn(history, self.proportion, rng)
        values = np.full(len(history), self.value, dtype=object)
        return _changed(history, self.feature, replaced, values)


class Stuck(Scenario, frozen=True, kw_only=True):
    """A sensor that repeats one reading: ``at``, or the last one before ``from_ms``."""

    feature: Name
    at: Number | None = None

    def apply(self, history: History, rng: np.random.Generator) -> History:  # noqa: ARG002
        reading = self._last_reading(history) if self.at is None else self.at
        repeated = np.full_like(_numbers(history, self.feature), reading)
        return _changed(history, self.feature, self.affected(history), repeated)

    def _last_reading(self, history: History) -> float:
        values, from_ms = _numbers(history, self.feature), self.from_ms
        if from_ms is not None:
            earlier = values[(history.time_ms < int(from_ms)) & ~np.isnan(values)]
            if earlier.size:
                return float(earlier[-1])
        raise InvalidScenario(
            f"scenario stuck finds no earlier value of feature {self.feature!r} to repeat: give a"
            " later time with from=, or the value with at="
        )


class Missing(Scenario, frozen=True, kw_only=True):
    """Removes a proportion of a feature's values."""

    feature: Name
    proportion: Proportion

    def apply(self, history: History, rng: np.random.Generator) -> History:
        values = _values(history, self.feature)
        nothing = None if values.dtype == object else np.nan
        removed = self.drawn(history, self.proportion, rng)
        empty = np.full(len(history), nothing, values.dtype)
        return _changed(history, self.feature, removed, empty)


class Drop(Scenario, frozen=True, kw_only=True):
    """Removes a proportion of the rows: less traffic."""

    proportion: Proportion

    def apply(self, history: History, rng: np.random.Generator) -> History:
        return history.rows(~self.drawn(history, self.proportion, rng))


class Malformed(Scenario, frozen=True, kw_only=True):
    """Breaks the records of a proportion of the predictions. The rows do not change."""

    proportion: Proportion

    def apply(self, history: History, rng: np.random.Generator) -> History:  # noqa: ARG002
        return history

    def ids(self, history: History, rng: np.random.Generator) -> frozenset[str]:
        return frozenset(history.ids[self.drawn(history, self.proportion, rng)].tolist())


class Flip(Scenario, frozen=True, kw_only=True):
    """Inverts a proportion of the labels, which must be 0 or 1."""

    proportion: Proportion

    def apply(self, history: History, rng: np.random.Generator) -> History:
        if not np.isin(history.label, (0, 1)).all():
            raise InvalidScenario(
                "the scenario flip inverts labels that are 0 or 1, and these are not: use it with"
                " a binary model"
            )
        flipped = self.drawn(history, self.proportion, rng)
        return replace(history, label=np.where(flipped, 1 - history.label, history.label))


SCENARIOS: Mapping[str, type[Scenario]] = {
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


def apply_scenarios(history: History, scenarios: Sequence[Scenario], seed: int) -> History:
    """Raises ``InvalidScenario`` for a feature that does not exist or has the wrong type."""
    for position, scenario in enumerate(scenarios):
        history = scenario.apply(history, np.random.default_rng([seed, position]))
    return history


def malformed_ids(history: History, scenarios: Sequence[Scenario], seed: int) -> frozenset[str]:
    """The ids of the rows, before any scenario, whose predictions are sent malformed."""
    return frozenset().union(
        *(
            scenario.ids(history, np.random.default_rng([seed, position]))
            for position, scenario in enumerate(scenarios)
            if isinstance(scenario, Malformed)
        )
    )


def _values(history: History, feature: str) -> NDArray[Any]:
    if feature not in history.features:
        names = ", ".join(history.features)
        raise InvalidScenario(f"there is no feature {feature!r}: the features are {names}")
    return history.features[feature]


def _numbers(history: History, feature: str) -> NDArray[np.float64]:
    values = _values(history, feature)
    if values.dtype == object:
        raise InvalidScenario(
            f"feature {feature!r} is not numeric: only the scenarios missing and takeover apply"
            " to a categorical feature"
        )
    return values


def _changed(
    history: History, feature: str, rows: NDArray[np.bool_], values: NDArray[Any]
) -> History:
    changed = np.where(rows, values, history.features[feature])
    return replace(history, features={**history.features, feature: changed})
