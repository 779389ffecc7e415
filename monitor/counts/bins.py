"""Exact two-sample Kolmogorov-Smirnov against a fixed sample, from counts that add.

Theory of operation
-------------------
A sample with ``d`` distinct values cuts the real line into ``2 d + 1`` bins::

    (-inf, r0)   {r0}   (r0, r1)   {r1}   ...   {rd-1}   (rd-1, +inf)
        0          1        2        3             2d-1        2d

Inside a bin the sample's distribution function is flat while the live one only climbs, so the
widest gap between the two lies at a bin's edge: counting by bin loses nothing, and the statistic is
the one that ``scipy.stats.ks_2samp`` computes from the raw rows. Minus and plus infinity are values
like others, the smallest and the largest, which a sample may hold or not; NaN falls into no bin and
is counted apart, as missing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov
from scipy.stats import kstwo

from monitor.counts.counts import Counts
from monitor.counts.grid import LEAST_VALUES, Grid


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """The values that cut the bins, and against which the distances are taken."""

    values: NDArray[np.float64]  # shape (d,), strictly increasing, at least one finite
    weights: NDArray[np.int64]  # shape (d,), occurrences of each value, all >= 1
    grid: Grid | None = field(init=False, repr=False)  # to find a place in ``values`` by

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", Grid.over(self.values))

    @classmethod
    def of(cls, values: ArrayLike) -> Sample:
        """Raises ``ValueError`` if there is a NaN, or no finite value."""
        array = np.asarray(values, dtype=np.float64).ravel()
        if np.isnan(array).any() or not np.isfinite(array).any():
            raise ValueError("a reference sample needs at least one finite value, and no NaN")
        distinct, counts = np.unique(array + 0.0, return_counts=True)
        return cls(distinct, counts.astype(np.int64))

    @property
    def size(self) -> int:
        """Rows of the sample, the ``m`` of the formulas."""
        return int(self.weights.sum())

    @property
    def bins(self) -> int:
        return 2 * self.values.size + 1

    @property
    def finite(self) -> slice:
        """Where in ``values`` the finite ones lie."""
        return slice(
            int(self.values[0] == -np.inf), self.values.size - int(self.values[-1] == np.inf)
        )

    def locate(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bin of each value, shape (n,). Raises ``ValueError`` for NaN."""
        if np.isnan(values).any():
            raise ValueError("NaN has no place on the line: count missing values apart")
        if self.grid is not None and values.size >= LEAST_VALUES:
            below = self.grid.search(values)
        else:
            below = np.searchsorted(self.values, values)
        met = self.values.take(below, mode="clip") == values
        return np.asarray(2 * below + met, dtype=np.int64)

    def counts(self) -> Counts:
        """The sample itself, counted in its own bins."""
        return Counts(2 * np.arange(self.values.size, dtype=np.int64) + 1, self.weights)


def cumulative(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distribution function at the upper edge of every bin; zeros while nothing was counted."""
    running = np.cumsum(counts)
    return running / running[-1] if running[-1] else np.zeros(counts.size)


def deviation(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> NDArray[np.float64]:
    """Live minus fixed distribution function at every edge; both of shape (bins,)."""
    return cumulative(live) - cumulative(fixed)


def distance(deviations: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance, in [0, 1]."""
    return float(np.abs(deviations).max(initial=0.0))


def shared(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """At every edge the smaller of two deviations where both have one sign, else 0.

    What both halves of a window share persists; what only one of them shows has passed.
    """
    smaller = np.where(np.abs(first) <= np.abs(second), first, second)
    return np.where(first * second > 0, smaller, 0.0)


def effective_size(n: int, m: int) -> float:
    """``n m / (n + m)``: the rows a one-sample test of the same power would have; 0 for no rows."""
    return n * m / (n + m) if n and m else 0.0


def p_value(statistic: float, n: int, m: int) -> float:
    """Two-sided and asymptotic, as ``ks_2samp(method="asymp")``; 1 while nothing was counted.

    Conservative where values tie. Below an effective size of 1e5 the distribution is scipy's
    ``kstwo``, beyond it its limit (Kolmogorov 1933), which then agrees to six digits.
    """
    en = effective_size(n, m)
    if en == 0:
        return 1.0
    if en > 1e5:
        return float(kolmogorov(np.sqrt(en) * statistic))
    return float(np.clip(kstwo.sf(statistic, max(1, round(en))), 0.0, 1.0))
