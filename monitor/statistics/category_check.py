"""The check of the proportions of a feature's categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.budget import Length
from monitor.counts.counts import Counts
from monitor.statistics import categories, category_deviations
from monitor.statistics.categories import Categories, CategoryResult
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.noise_parts import OF_CATEGORIES
from monitor.statistics.rule import Rule

Halves = tuple[NDArray[np.int64], NDArray[np.int64]]  # both of shape (c + 1,)


@dataclass(frozen=True, slots=True, eq=False)
class CategoryCheck:
    """Compares the categories of one feature with the reference."""

    cells: str  # ``categories/carrier``
    cell_index: CellIndex
    reference: Categories
    names: Sequence[str]
    rule: Rule

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        halves = self._halves(parts)
        if not (halves[0].any() and halves[1].any()):
            return {self.cells: None} if halves[0].any() or halves[1].any() else {}
        result = categories.test(self.reference, halves[0] + halves[1])
        if result.p_value > self.rule.levels[length].warning:
            return {self.cells: None}
        comparison = self._comparison(halves, result, length)
        return {self.cells: comparison if comparison.severity is not None else None}

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        halves = self._halves(parts)
        if not (halves[0].any() or halves[1].any()):
            return {}
        result = categories.test(self.reference, halves[0] + halves[1])
        return {self.cells: self._comparison(halves, result, length)}

    def _halves(self, parts: Sequence[Counts]) -> Halves:
        """A window in one part counts as a second half."""
        dense = [self.cell_index.dense(part, self.cells) for part in parts]
        return (np.zeros_like(dense[0]), dense[0]) if len(dense) == 1 else (dense[0], dense[1])

    def _comparison(self, halves: Halves, result: CategoryResult, length: Length) -> Comparison:
        reference, live = self.reference.counts, halves[0] + halves[1]
        rows = int(live.sum())
        allowance = self.rule.allowance(length, rows)
        persistent = category_deviations.persistent(*halves, reference)
        exceeds = self._exceeds(halves, result.p_value, allowance)
        warning = self.rule.levels[length].warning
        return Comparison(
            test="categories",
            rows=rows,
            value=float(np.abs(live / rows - reference / reference.sum()).max()),
            persistent=persistent,
            threshold=float(category_deviations.noise(live, reference, warning).max()),
            allowance=allowance,
            severity=self.rule.severity(length, persistent, exceeds),
            p_value=result.p_value,
            detail=self._detail(result),
            noise_fraction=OF_CATEGORIES,
        )

    def _exceeds(self, halves: Halves, p_value: float, allowance: float) -> Callable[[float], bool]:
        """Whether both conditions of the rule hold at a level."""
        reference, live = self.reference.counts, halves[0] + halves[1]
        whole, excess = (live, np.zeros_like(live)), category_deviations.excess

        def exceeds(alpha: float) -> bool:
            return (
                bool(halves[0].any() and halves[1].any())
                and p_value <= alpha
                and excess(whole, reference, alpha) > 0
                and excess(halves, reference, alpha, part=OF_CATEGORIES) > allowance
            )

        return exceeds

    def _detail(self, result: CategoryResult) -> str | None:
        if result.category is None:
            return None
        listed = result.category < len(self.names)
        name = repr(self.names[result.category]) if listed else "all others"
        return f"{name}: {result.reference:.2%} before, {result.live:.2%} now"
