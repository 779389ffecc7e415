"""The false alarm budget, divided among all tests that can open an incident.

The user states how many false alarms a model may raise in a period of event time. Each test gets a
part of it. Whatever the dependence between the tests, the expected number of false alarms is at
most the sum of their levels (the union bound, Bonferroni 1936).

Theory of operation
-------------------
Each *family* of tests has a share of the budget. The share is divided evenly among the lengths of
window that the family tests. The part of a length is divided evenly among its tests, and among its
windows in the period::

    alpha = share / lengths / tests * (false alarms that the budget allows in one slide)

There are fewer long windows than short ones, so each long window is tested at a larger level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from monitor.counts.columns import Categorical
from monitor.counts.schema import Schema
from monitor.counts.subjects import subject_of
from monitor.plan import Plan

# The shares of families that a model does not have go to its features.
SHARES: Mapping[str, float] = {
    "data": 0.45,
    "prediction": 0.10,
    "errors": 0.10,
    "performance": 0.15,
    "quality": 0.10,
    "coverage": 0.05,
    "traffic": 0.05,
}
DISTRIBUTION_TEST_NAMES = ("ks", "kuiper", "wilcoxon", "mood")
MAX_LEVEL = 0.5


@dataclass(frozen=True, slots=True, order=True)
class Length:
    """Windows of ``panes``, one every ``slide`` panes."""

    panes: int
    slide: int

    @classmethod
    def of_scale(cls, panes: int) -> Length:
        """A length of ``monitor.windows.scales``: a power of two that slides by half of it."""
        return cls(panes, max(1, panes // 2))

    @property
    def is_scale(self) -> bool:
        return self.panes.bit_count() == 1 and self == Length.of_scale(self.panes)


@dataclass(frozen=True, slots=True)
class Levels:
    """The levels of one test of one window: its probabilities of a false alarm."""

    warning: float
    critical: float


@dataclass(frozen=True, slots=True)
class Family:
    """Tests with a common share of the budget. Each test is applied at each length."""

    name: str
    tests: Sequence[tuple[str, str]]  # subject and name of the test
    share: float
    lengths: Sequence[Length]

    def level(self, plan: Plan, length: Length) -> Levels:
        share = self.share / len(self.lengths) / len(self.tests)
        slide_ms = length.slide * plan.windows.pane_ms
        return Levels(
            min(share * plan.drift.warning.per(slide_ms), MAX_LEVEL),
            min(share * plan.drift.critical.per(slide_ms), MAX_LEVEL),
        )


def scale_lengths(plan: Plan, rows: float, most_rows: float) -> list[Length]:
    """The lengths at which distributions are tested: 1, 2, 4, … panes, and the configured windows.

    ``rows`` is the usual number of rows of a pane. A window of more than ``most_rows`` rows detects
    hardly more than one of half its length, because the size of the reference is the limit.
    """
    windows = plan.windows
    longest = min(windows.longest_ms // windows.pane_ms, int(most_rows / rows))
    scales = {Length.of_scale(2**k) for k in range(max(longest, 1).bit_length())}
    return sorted(scales | {own_length(plan)})


def performance_lengths(plan: Plan) -> list[Length]:
    """The configured windows, and those of 2, 4, 8, … times their length, up to the longest.

    Variation from day to day averages out over days; a persistent fall of a metric does not. If the
    slide does not divide the length, longer windows would not end together with the configured
    ones, and are left out.
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
    """The families of a model's tests, by name; their shares of the budget add up to 1."""
    every = {name: list(tests) for name, tests in _tests(plan, schema).items()}
    present = {name: tests for name, tests in every.items() if tests}
    receiver = "data" if "data" in present else "prediction"
    shares = {name: SHARES[name] for name in present if name != receiver}
    shares[receiver] = 1 - sum(shares.values())
    lengths = {"performance": performance_lengths(plan), "coverage": [own_length(plan)]}
    return {
        name: Family(name, tests, shares[name], lengths.get(name, scales))
        for name, tests in present.items()
    }


def _tests(plan: Plan, schema: Schema) -> dict[str, Iterator[tuple[str, str]]]:
    labelled = bool(schema.errors)
    return {
        "data": _feature_tests(schema),
        "prediction": _output_tests(schema),
        "errors": _all_distribution_tests(schema.errors),
        "performance": ((f"performance/{m}", m) for m in schema.task.judged if labelled),
        "quality": ((f"quality/{name}", "missing") for name in schema.features),
        "coverage": iter([("coverage/labels", "coverage")] if labelled else ()),
        "traffic": iter([("traffic/rows", "rows")] if plan.traffic.watch else ()),
    }


def _feature_tests(schema: Schema) -> Iterator[tuple[str, str]]:
    for name, _ in schema.numeric:
        yield from _distribution_tests(f"data/{name}")
    for name, _ in schema.categorical:
        yield f"data/{name}", "categories"


def _output_tests(schema: Schema) -> Iterator[tuple[str, str]]:
    for name, reference in schema.outputs.items():
        if isinstance(reference, Categorical):
            yield subject_of(name), "categories"
        else:
            yield from _distribution_tests(subject_of(name))


def _all_distribution_tests(cells: Iterable[str]) -> Iterator[tuple[str, str]]:
    return chain.from_iterable(_distribution_tests(subject_of(name)) for name in cells)


def _distribution_tests(subject: str) -> Iterator[tuple[str, str]]:
    return ((subject, test) for test in DISTRIBUTION_TEST_NAMES)
