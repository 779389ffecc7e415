"""The budget of false alarms, spent over everything that can open an incident.

The user states how many false alarms a model may raise in a stretch of event time. Every test gets
its part, and the parts add up: whatever the dependence between the tests, the expected number of
alarming tests is at most the sum of their levels (the union bound, Bonferroni 1936).

Theory of operation
-------------------
A *family* of tests has a share of the budget. It is divided evenly among the lengths of window that
the family looks at, and the part of a length among its tests and its windows of the period::

    alpha = share / lengths / tests * (alarms that the budget allows in one slide)

Large windows are few, so each of them may be tested less strictly than the many small ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.counts.schema import Schema
from monitor.performance.degradation import JUDGED
from monitor.plan import Plan

# What a model does not have goes to its features.
SHARES: Mapping[str, float] = {
    "data": 0.50,
    "prediction": 0.10,
    "errors": 0.10,
    "performance": 0.15,
    "quality": 0.10,
    "coverage": 0.05,
}
OF_DISTRIBUTIONS = ("ks", "kuiper", "wilcoxon", "mood")  # statistics
LARGEST_LEVEL = 0.5


@dataclass(frozen=True, slots=True, order=True)
class Length:
    """Windows of ``panes``, one every ``slide`` panes."""

    panes: int
    slide: int

    @classmethod
    def of_scale(cls, panes: int) -> Length:
        """Of ``monitor.windows.scales``: a power of two that slides by its half."""
        return cls(panes, max(1, panes // 2))

    @property
    def is_scale(self) -> bool:
        return self.panes.bit_count() == 1 and self == Length.of_scale(self.panes)


@dataclass(frozen=True, slots=True)
class Levels:
    """The level of one test of one window: the chance of a false alarm it may take."""

    warning: float
    critical: float


@dataclass(frozen=True, slots=True)
class Family:
    """Tests that share a part of the budget: every one of them looks at every length."""

    name: str
    tests: Sequence[tuple[str, str]]  # subject and statistic
    share: float
    lengths: Sequence[Length]

    def level(self, plan: Plan, length: Length) -> Levels:
        share = self.share / len(self.lengths) / len(self.tests)
        slide_ms = length.slide * plan.windows.pane_ms
        return Levels(
            min(share * plan.drift.warning.per(slide_ms), LARGEST_LEVEL),
            min(share * plan.drift.critical.per(slide_ms), LARGEST_LEVEL),
        )


def scale_lengths(plan: Plan, rows: float, most_rows: float) -> list[Length]:
    """The lengths that distributions are tested at: 1, 2, 4, … panes, and the user's own windows.

    ``rows`` is what a pane usually holds. A window of more than ``most_rows`` rows sees hardly
    more than one of half its length: there the reference is what limits.
    """
    windows = plan.windows
    longest = min(windows.longest_ms // windows.pane_ms, int(most_rows / rows))
    scales = {Length.of_scale(2**k) for k in range(max(longest, 1).bit_length())}
    return sorted(scales | {own_length(plan)})


def performance_lengths(plan: Plan) -> list[Length]:
    """The user's own windows, and those of 2, 4, 8, … times their length, up to the longest.

    What strays from day to day evens out over days; a fall does not. Where slides do not divide
    the length, no longer window would end with each of the user's.
    """
    own = own_length(plan)
    if own.panes % own.slide:
        return [own]
    times = max(plan.windows.longest_ms // plan.windows.length_ms, 1)
    longer = (own.panes * 2**k for k in range(1, times.bit_length()))
    return [own, *(Length(panes, panes // 2) for panes in longer)]


def own_length(plan: Plan) -> Length:
    windows = plan.windows
    return Length(windows.panes, windows.slide_ms // windows.pane_ms)


def families(plan: Plan, schema: Schema, scales: Sequence[Length]) -> dict[str, Family]:
    """How the budget is divided; the shares add up to 1."""
    tests = {name: list(of) for name, of in _tests(schema).items()}
    held = {name: of for name, of in tests.items() if of}
    receiver = "data" if "data" in held else "prediction"
    lengths = {"performance": performance_lengths(plan), "coverage": [own_length(plan)]}
    spent = sum(SHARES[name] for name in held if name != receiver)
    return {
        name: Family(
            name,
            of,
            1 - spent if name == receiver else SHARES[name],
            lengths.get(name, scales),
        )
        for name, of in held.items()
    }


def _tests(schema: Schema) -> dict[str, Iterator[tuple[str, str]]]:
    labelled = schema.errors is not None
    return {
        "data": _of_features(schema),
        "prediction": _of_distribution("prediction/score"),
        "errors": _of_distribution("concept/error") if labelled else iter(()),
        "performance": ((f"performance/{m}", m) for m in JUDGED if labelled),
        "quality": ((f"quality/{name}", "missing") for name in schema.features),
        "coverage": iter([("coverage/labels", "coverage")] if labelled else ()),
    }


def _of_features(schema: Schema) -> Iterator[tuple[str, str]]:
    for name, _ in schema.numeric:
        yield from _of_distribution(f"data/{name}")
    for name, _ in schema.categorical:
        yield f"data/{name}", "categories"


def _of_distribution(subject: str) -> Iterator[tuple[str, str]]:
    return ((subject, statistic) for statistic in OF_DISTRIBUTIONS)
