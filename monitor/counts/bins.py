"""Exact two-sample Kolmogorov-Smirnov against a fixed sample, from counts that add.

Theory of operation
-------------------
A sample with ``d`` distinct values cuts the real line into ``2 d + 1`` bins::

    (-inf, r0)   {r0}   (r0, r1)   {r1}   ...   {rd-1}   (rd-1, +inf)
        0          1        2        3             2d-1        2d

Inside a bin the sample's distribution function is constant and the live one only increases, so the
largest difference between the two is at the edge of a bin. Counting by bin loses nothing: the
statistic equals that of ``scipy.stats.ks_2samp`` on the raw rows. Minus and plus infinity are
ordinary values, the smallest and the largest. NaN has no bin and is counted as missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import kolmogorov

from monitor.counts.counts import Counts
from monitor.counts.grid import MIN_VALUES, Grid

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Sample:
    """The values that define the bins, and that distances are measured from."""

    values: NDArray[np.float64]  # shape (d,), strictly increasing, at least one finite
    weights: NDArray[np.int64]  # shape (d,), occurrences of each value, all >= 1
    grid: Grid | None = field(init=False, repr=False)  # speeds up the search in ``values``

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
        """The positions of the finite values in ``values``."""
        return slice(
            int(self.values[0] == -np.inf), self.values.size - int(self.values[-1] == np.inf)
        )

    def locate(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The bin of each value, shape (n,). Raises ``ValueError`` for NaN."""
        if np.isnan(values).any():
            raise ValueError("NaN has no bin: count missing values separately")
        if self.grid is not None and values.size >= MIN_VALUES:
            below = self.grid.search(values)
        else:
            below = np.searchsorted(self.values, values)
        equal = self.values.take(below, mode="clip") == values
        return np.asarray(2 * below + equal, dtype=np.int64)

    def counts(self) -> Counts:
        """The sample itself, counted in its own bins."""
        return Counts(2 * np.arange(self.values.size, dtype=np.int64) + 1, self.weights)


def kept_with_sample(
    compute: Callable[Concatenate[Sample, P], T],
) -> Callable[Concatenate[Sample, P], T]:
    """A pure function of a sample whose results are kept as long as the sample is."""
    kept: WeakKeyDictionary[Sample, dict[object, T]] = WeakKeyDictionary()

    def found(sample: Sample, /, *args: P.args, **settings: P.kwargs) -> T:
        of_sample = kept.setdefault(sample, {})
        key = (args, *settings.items())
        if key not in of_sample:
            of_sample[key] = compute(sample, *args, **settings)
        return of_sample[key]

    return found


@kept_with_sample
def heights(sample: Sample) -> NDArray[np.float64]:
    """The distribution function of the sample in each gap between its values, shape (d + 1,)."""
    return np.append(0.0, np.cumsum(sample.weights) / sample.size)


def cumulative(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The distribution function at the upper edge of every bin; zeros without rows."""
    running = np.cumsum(counts)
    return running / running[-1] if running[-1] else np.zeros(counts.size)


def deviation(live: NDArray[np.int64], reference: NDArray[np.int64]) -> NDArray[np.float64]:
    """Live minus reference distribution function at every edge; both of shape (bins,)."""
    return cumulative(live) - cumulative(reference)


def distance(deviations: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance, in [0, 1]."""
    return float(np.abs(deviations).max(initial=0.0))


def persistent_deviation(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The part of a deviation that both halves of a window have.

    At every edge the smaller of the two deviations if they have the same sign, else 0.
    """
    smaller = np.where(np.abs(first) <= np.abs(second), first, second)
    return np.where(first * second > 0, smaller, 0.0)


def effective_size(n: int, m: int) -> float:
    """``n m / (n + m)``: the rows of a one-sample test with the same power; 0 without rows."""
    return n * m / (n + m) if n and m else 0.0


def p_value(statistic: float, n: int, m: int) -> float:
    """Two-sided and asymptotic, as ``ks_2samp(method="asymp")``; 1 without rows.

    Conservative for tied values. Up to an effective size of 1e5 the distribution is scipy's
    ``kstwo``; beyond, its limit (Kolmogorov 1933), which agrees to six digits there.
    """
    return p_values([statistic], [n], [m])[0]


def p_values(statistics: Sequence[float], n: Sequence[int], m: Sequence[int]) -> list[float]:
    """The same of several statistics at once, which is much cheaper."""
    sizes = np.array([effective_size(*rows) for rows in zip(n, m, strict=True)])
    found = np.ones(sizes.size)
    if (large := sizes > 1e5).any():
        found[large] = kolmogorov(np.sqrt(sizes[large]) * np.asarray(statistics)[large])
    if (small := (sizes > 0) & ~large).any():
        from scipy.stats import kstwo  # slow to import, and only ``detect`` needs it

        rows = np.maximum(1, np.rint(sizes[small])).astype(np.int64)
        found[small] = np.clip(kstwo.sf(np.asarray(statistics)[small], rows), 0.0, 1.0)
    return [float(value) for value in found]
