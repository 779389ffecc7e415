"""Counts of two samples over the same categories, and the likelihood-ratio test (G) over them."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

MIN_EXPECTED = 10  # rows that both samples must expect in every cell of the G test

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ContingencyTable:
    """Two samples over the same cells. The last cell holds everything that is not listed."""

    live: Ints  # shape (c + 1,)
    reference: Ints  # shape (c + 1,)
    total: Ints  # shape (c + 1,): live + reference
    n: int  # live rows
    m: int  # reference rows

    @classmethod
    def of(cls, live: Ints, reference: Ints) -> ContingencyTable:
        return cls(live, reference, live + reference, int(live.sum()), int(reference.sum()))

    def pooled(self, kept: Ints) -> ContingencyTable:
        """All cells except ``kept``, shape (k,), merged into the last; shape (k + 1,)."""
        if kept.size == self.total.size - 1:
            return self
        live = _pooled(self.live, kept, self.n)
        reference = _pooled(self.reference, kept, self.m)
        return ContingencyTable(live, reference, live + reference, self.n, self.m)

    def pearson(self) -> Floats:
        """z² of every cell against all others, shape (c + 1,); 0 where there is no other row."""
        n, m, rows = float(self.n), float(self.m), float(self.n + self.m)
        cross = self.live * m - self.reference * n
        others = np.maximum(self.total * (rows - self.total), 1.0)
        squares: Floats = cross * cross / others * (rows / (n * m))
        return squares


def frequent(table: ContingencyTable) -> Ints:
    """The listed categories of which both samples expect ten rows, shape (k,).

    If the pooled others would expect fewer, the smallest of these (all, if tied) join the others.
    """
    least = MIN_EXPECTED * (table.n + table.m) / min(table.n, table.m)
    kept = np.flatnonzero(table.total[:-1] >= least)
    others = table.n + table.m - int(table.total[kept].sum())
    if kept.size and 0 < others < least:
        kept = kept[table.total[kept] > table.total[kept].min()]
    return kept


def g_statistic(table: ContingencyTable) -> tuple[float, int]:
    """G over Williams' correction (1976) and its degrees of freedom, pooled by ``frequent``.

    (0, 0) if fewer than two cells are left. Both samples have rows.
    """
    table, n, m = table.pooled(frequent(table)), table.n, table.m
    total, rows = table.total[table.total > 0], n + m
    df = total.size - 1
    if df < 1:
        return 0.0, 0
    cells = _sum_x_log_x(table.live) + _sum_x_log_x(table.reference) - _sum_x_log_x(total)
    g = 2 * (cells - n * log(n) - m * log(m) + rows * log(rows))
    excess = (rows / n + rows / m - 1) * (float((rows / total).sum()) - 1) / (6 * rows * df)
    return max(0.0, g / (1 + excess)), df


def _pooled(counts: Ints, kept: Ints, rows: int) -> Ints:
    pooled = np.empty(kept.size + 1, dtype=np.int64)
    pooled[:-1] = counts[kept]
    pooled[-1] = rows - pooled[:-1].sum()
    return pooled


def _sum_x_log_x(counts: Ints) -> float:
    return float(xlogy(counts, counts).sum())
