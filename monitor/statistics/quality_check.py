"""The check of data quality: the proportions of invalid values (missing or of a wrong type)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.budget import Length
from monitor.counts.counts import Counts
from monitor.counts.summary import Quality
from monitor.statistics import proportions
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.proportions import Proportion
from monitor.statistics.rule import Rule, proportion_conditions

Ints = NDArray[np.int64]

INVALID = (Quality.MISSING, Quality.WRONG_TYPE)  # values that are in no distribution
MIN_PANES = 4  # of a window that is tested: a short spell is not a change of the feature
MIN_INVALID = 0.005  # smallest proportion of invalid values, beyond half the noise, to report


@dataclass(frozen=True, slots=True, eq=False)
class QualityCheck:
    """Compares the proportions of invalid values of all features with the reference."""

    names: Sequence[str]  # of the cells: ``quality/temp``
    cell_index: CellIndex
    reference: Sequence[Proportion]  # one for each name
    rules: Sequence[Rule]  # one for each name
    _cells: Ints = field(init=False, repr=False)  # of the invalid values, shape (kinds f,)

    def __post_init__(self) -> None:
        starts = np.array([self.cell_index.offsets[name][0] for name in self.names], dtype=np.int64)
        cells = np.concatenate([starts + kind for kind in INVALID])
        object.__setattr__(self, "_cells", cells)

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        rows_of_halves = list(map(self._rows, parts))
        rows = sum(rows_of_halves)
        if not rows:
            return {}
        drifted: dict[str, Comparison | None] = dict.fromkeys(self.names)
        if length.panes < MIN_PANES or not all(rows_of_halves):
            return drifted
        halves = [self._invalid_counts(part) for part in parts]
        counts = np.sum([invalid for invalid, _ in halves], axis=0)
        for i in self._suspects(counts, rows, length):
            comparison = self._comparison(halves, i, length)
            if comparison.severity is not None:
                drifted[self.names[i]] = comparison
        return drifted

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        halves = [self._invalid_counts(part) for part in parts]
        if not sum(rows for _, rows in halves):
            return {}
        return {name: self._comparison(halves, i, length) for i, name in enumerate(self.names)}

    def _suspects(self, counts: Ints, rows: int, length: Length) -> list[int]:
        """The features whose exact test might be significant; the bound is much cheaper."""
        features = zip(counts.tolist(), self.reference, self.rules, strict=True)
        return [
            i
            for i, (count, reference, rule) in enumerate(features)
            if (count or reference.count)
            and not proportions.certainly_not_significant(
                Proportion(count, rows), reference, rule.levels[length].warning
            )
        ]

    def _invalid_counts(self, counts: Counts) -> tuple[Ints, int]:
        """The invalid values of each feature, shape (f,), and the number of rows."""
        invalid = counts.many(self._cells).reshape(len(INVALID), -1).sum(axis=0)
        return invalid, self._rows(counts)

    def _rows(self, counts: Counts) -> int:
        return counts.at(self.cell_index.offsets["rows"][0])

    def _comparison(self, halves: Sequence[tuple[Ints, int]], i: int, length: Length) -> Comparison:
        parts = [Proportion(min(int(invalid[i]), rows), rows) for invalid, rows in halves]
        first, second = (Proportion(0, 0), parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        live, reference, rule = first + second, self.reference[i], self.rules[i]
        p_value = proportions.p_value(live, reference)
        allowance = max(rule.allowance(length, live.rows), MIN_INVALID)
        persistent = abs(proportions.persistent(first, second, reference))
        tested = length.panes >= MIN_PANES and first.rows > 0 and second.rows > 0
        both = proportion_conditions(live, reference, persistent, p_value, allowance)
        return Comparison(
            test="missing",
            rows=live.rows,
            value=abs(live.value - reference.value),
            persistent=persistent,
            threshold=proportions.noise(live, reference, rule.levels[length].warning),
            allowance=allowance,
            severity=rule.severity(length, persistent, both) if tested else None,
            p_value=p_value,
            detail=f"{reference.value:.2%} before, {live.value:.2%} now",
        )


def invalid_values(cell_index: CellIndex, counts: Counts, cells: str) -> Proportion:
    """Of ``quality/<feature>``: the rows with an invalid value, of all rows."""
    start = cell_index.offsets[cells][0]
    rows = counts.at(cell_index.offsets["rows"][0])
    return Proportion(min(sum(counts.at(start + kind) for kind in INVALID), rows), rows)
