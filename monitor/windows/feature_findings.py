"""The finding of each feature of a window, from the counts of its two halves and their tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from monitor.counts.columns import Categorical, Numeric
from monitor.counts.counts import Cells, Counts
from monitor.counts.subjects import name_of, unseen_of
from monitor.counts.summary import Names, Quality, most_frequent
from monitor.statistics import histograms
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.effect_sizes import categorical_effects, numeric_effects
from monitor.windows.findings import FeatureFinding

Tests = Mapping[str, tuple[Comparison, ...]]  # by cells


@dataclass(frozen=True, slots=True)
class WindowHalves:
    """The counts of both halves of a window, by cells."""

    first: Cells
    second: Cells
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", self.total("rows").size)

    def total(self, cells: str) -> Counts:
        halves = (half.get(cells, Counts.empty()) for half in (self.first, self.second))
        return Counts.total(halves)


def numeric_finding(
    name: str, reference: Numeric, window: WindowHalves, tests: Tests
) -> FeatureFinding:
    invalid = window.total(f"quality/{name}")
    return replace(
        binned_finding(name, f"bins/{name}", reference, window, tests),
        rows=window.rows,
        missing=invalid.at(Quality.MISSING),
        wrong_type=invalid.at(Quality.WRONG_TYPE),
        not_finite=invalid.at(Quality.NOT_FINITE),
        out_of_range=invalid.at(Quality.OUT_OF_RANGE),
        quality=_first(tests.get(f"quality/{name}")),
    )


def binned_finding(
    name: str, cells: str, reference: Numeric, window: WindowHalves, tests: Tests
) -> FeatureFinding:
    """The values of a window that were counted in bins: of a feature, the score or the errors."""
    live, bins = window.total(cells), reference.sample.bins
    return FeatureFinding(
        name=name,
        kind="numeric",
        cells=cells,
        rows=live.size,
        tests=tests.get(cells, ()),
        effects=numeric_effects(reference.sample, live.dense(bins), reference.low, reference.high),
        distribution=histograms.numeric(reference.sample, live),
    )


def categorical_finding(
    cells: str, reference: Categorical, window: WindowHalves, names: Names, tests: Tests
) -> FeatureFinding:
    """``names`` holds the categories of the window that the reference never held.

    An output of the model has no cells of data quality, and lists all of its categories.
    """
    live, name = window.total(cells), name_of(cells)
    quality, rarer = (f"{kind}/{name}" if "/" in cells else "" for kind in ("quality", "rarer"))
    counts = live.dense(len(reference.categories) + 1)
    invalid = window.total(quality)
    return FeatureFinding(
        name=name,
        kind="categorical",
        cells=cells,
        rows=window.rows,
        missing=invalid.at(Quality.MISSING),
        wrong_type=invalid.at(Quality.WRONG_TYPE),
        tests=tests.get(cells, ()),
        quality=_first(tests.get(quality)),
        effects=categorical_effects(counts, reference.counts),
        unseen=most_frequent(names.get(unseen_of(cells), {})),
        unseen_rows=int(counts[-1]) - window.total(rarer).at(0),
        distribution=histograms.categorical(reference, live),
    )


def _first(tests: tuple[Comparison, ...] | None) -> Comparison | None:
    return tests[0] if tests else None
