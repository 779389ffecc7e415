"""Effect sizes of one feature, from counts, shown beside the tests' p-values.

Theory of operation
-------------------
Bins give the exact number of live rows on each value of the reference sample, but only the number
between two neighbouring values. The Wasserstein distance is the area between the two distribution
functions (Vallender 1974). Across a gap between values the reference's is constant at ``F`` and the
live one climbs from ``a`` to ``b`` at unknown places, so its part of the area is known within
bounds::

    width max(0, a - F, F - b)  <=  area  <=  width max(|a - F|, |b - F|)

The tails are taken to end at ``low`` and ``high``: the range of all reference rows, unless the
caller knows better. Rows in a tail are counted, so that the reader is warned. If the sample holds
infinities, infinite rows are left out on both sides, because they have no area.

The population stability index and the Jensen-Shannon distance compare proportions of the same few
cells: categories, or ten bins with about the same number of reference rows. With bins as fine as
the sample, any two samples would differ in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, rel_entr

from monitor.counts.bins import Sample, cumulative, heights, kept_with_sample
from monitor.statistics.wide_range import (
    SAFELY_SQUARED,
    Differences,
    relative_deviation,
    value_range,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COARSE_BINS = 10  # of a numeric feature
PSI_LEVEL = 0.05  # level of the noise that the stability index is shown with
MIN_RELATIVE_SPREAD = 1e-10  # of a deviation to the values, for plain arithmetic to be accurate
MIN_PROPORTION = 1e-4  # replaces an empty cell, whose logarithm would be infinite


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """In standard deviations of the reference sample."""

    lower: float
    upper: float  # if no live row lies beyond ``low`` and ``high``
    beyond: float  # proportion of the live rows below or above all of the sample, in [0, 1]


@dataclass(frozen=True, slots=True)
class Effects:
    """The size of a change, independent of the number of rows. They decide nothing."""

    psi: float
    psi_noise: float  # the index exceeds it once in twenty for as many independent rows
    jensen_shannon: float
    wasserstein: Wasserstein | None = None  # of numbers


def numeric_effects(sample: Sample, live: Ints, low: float, high: float) -> Effects | None:
    """Of a numeric feature, ``live`` of shape (bins,); None without live rows."""
    if not live.any():
        return None
    cells = _coarse_bins(sample).counted(live)
    return Effects(*_of_cells(*cells), wasserstein(sample, live, low, high))


def categorical_effects(live: Ints, reference: Ints) -> Effects | None:
    """From counts of the same categories, shape (c,); None without live rows."""
    return Effects(*_of_cells(live, reference)) if live.any() else None


def _of_cells(live: Ints, reference: Ints) -> tuple[float, float, float]:
    n, m = int(live.sum()), int(reference.sum())
    cells = int(((live > 0) | (reference > 0)).sum())
    noise = stability_threshold(n, m, cells, PSI_LEVEL) if cells > 1 else 0.0
    return stability(live, reference), noise, jensen_shannon(live, reference)


def wasserstein(sample: Sample, live: Ints, low: float, high: float) -> Wasserstein | None:
    """Bounds of the first Wasserstein distance between ``live``, shape (bins,), and the sample.

    None without live rows, if the sample has only one value and so no deviation, or if the upper
    bound is too large for a double. Raises ``ValueError`` unless ``low`` and ``high`` are finite
    and enclose the finite sample.
    """
    finite = sample.finite
    live = live[2 * finite.start : 2 * finite.stop + 1]
    span = _span(sample, low, high)
    if not live.any() or span is None:
        return None
    gaps = _gaps(cumulative(live), span.heights)
    areas = span.areas(gaps) or _wide_areas(sample, low, high, gaps)
    beyond = float(live[0] + live[-1]) / float(live.sum())
    return Wasserstein(*areas, beyond) if np.isfinite(areas).all() else None


def coarse(live: Ints, reference: Ints) -> tuple[Ints, Ints]:
    """Both counts, shape (bins,), over at most ten bins with about as many reference rows each."""
    return _CoarseBins.of(reference).counted(live)


@dataclass(frozen=True, slots=True, eq=False)
class _CoarseBins:
    """Up to ten bins, each of some adjacent bins of a sample."""

    starts: Ints  # the first bin of each
    reference: Ints  # rows of the reference in each

    @classmethod
    def of(cls, reference: Ints) -> _CoarseBins:
        before = np.cumsum(reference) - reference
        number = np.minimum(before * COARSE_BINS // max(1, int(reference.sum())), COARSE_BINS - 1)
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        return cls(starts, np.add.reduceat(reference, starts))

    def counted(self, live: Ints) -> tuple[Ints, Ints]:
        """The rows of both sides, in those of the bins that hold any."""
        counts = np.add.reduceat(live, self.starts)
        used = counts + self.reference > 0
        return counts[used], self.reference[used]


@kept_with_sample
def _coarse_bins(sample: Sample) -> _CoarseBins:
    return _CoarseBins.of(sample.counts().dense(sample.bins))


def stability(live: Ints, reference: Ints) -> float:
    """The population stability index ``Σ (p - q) ln(p / q)`` over cells with rows on either side.

    Proportions are at least 0.0001. Raises ``ValueError`` if a side has no rows.
    """
    p, q = _proportions(live, reference)
    p, q = np.maximum(p, MIN_PROPORTION), np.maximum(q, MIN_PROPORTION)
    return float(((p - q) * np.log(p / q)).sum())


def stability_threshold(n: int, m: int, cells: int, level: float) -> float:
    """The value that the index of independent rows exceeds with probability ``level``.

    ``(1/n + 1/m)`` times the chi-square quantile of ``cells - 1`` (Yurdakul 2018, theorem on the
    asymptotic distribution); accurate if each cell expects five rows or more. Unlike the customary
    0.1 and 0.25 it decreases with the number of rows. Infinite if a side has no rows.
    """
    if not (n and m):
        return float("inf")
    return (1 / n + 1 / m) * float(chdtri(cells - 1, level)) if cells > 1 else 0.0


def jensen_shannon(live: Ints, reference: Ints) -> float:
    """The Jensen-Shannon distance to base 2, in [0, 1], as ``scipy.spatial.distance`` defines it.

    The square root of the divergence (Endres and Schindelin 2003). Raises ``ValueError`` if a side
    has no rows.
    """
    p, q = _proportions(live, reference)
    middle = (p + q) / 2
    nats = float((rel_entr(p, middle) + rel_entr(q, middle)).sum())
    return float(np.sqrt(min(1.0, max(0.0, nats / np.log(2) / 2))))


def _gaps(live: Floats, reference: Floats) -> tuple[Floats, Floats]:
    """The smallest and the largest mean height of the area over each gap, shape (d + 1,).

    ``live`` is the distribution function at the upper edge of every bin, ``reference`` that of the
    sample in each gap.
    """
    start, end = np.append(0.0, live[1::2]) - reference, live[::2] - reference
    least = np.maximum(0.0, np.maximum(start, -end))
    return least, np.maximum(np.abs(start), np.abs(end))


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """The finite values of a sample, between the ends of the range: what its areas depend on."""

    heights: Floats  # shape (d + 1,): the sample's distribution function in each gap
    widths: Floats  # shape (d + 1,): of the gaps, scaled so that no square overflows
    deviation: float  # of the values, scaled alike
    is_plain: bool  # whether the deviation neither vanishes nor is inexact

    def areas(self, gaps: tuple[Floats, Floats]) -> tuple[float, float] | None:
        """The sums of widths times heights, in standard deviations of the sample.

        None if the deviation is so small compared with the edges that it vanishes, or with the
        values that it is inexact.
        """
        if not self.is_plain:
            return None
        # Not ``@``: from 10,000 values on, BLAS would wait for threads much longer than it
        # computes.
        least, most = (float((self.widths * height).sum()) for height in gaps)
        return least / self.deviation, most / self.deviation


@kept_with_sample
def _span(sample: Sample, low: float, high: float) -> _Span | None:
    """None if the sample has a single value. Raises ``ValueError`` as ``wasserstein`` does."""
    values, weights = sample.values[sample.finite], sample.weights[sample.finite]
    first, last = float(values[0]), float(values[-1])
    if not -np.inf < low <= first <= last <= high < np.inf:
        raise ValueError(f"the range {low:g} to {high:g} must enclose {first:g} to {last:g}")
    if first == last:
        return None
    scaled = np.concatenate([[low], values, [high]]) / max(abs(low), abs(high))
    deviation = _deviation(scaled[1:-1], weights)
    smallest = max(SAFELY_SQUARED, MIN_RELATIVE_SPREAD * np.abs(scaled[1:-1]).max())
    at_gaps = (
        heights(sample)
        if values.size == sample.values.size
        else np.append(0.0, np.cumsum(weights) / weights.sum())
    )
    return _Span(at_gaps, np.diff(scaled), deviation, bool(deviation >= smallest))


def _wide_areas(
    sample: Sample, low: float, high: float, gaps: tuple[Floats, Floats]
) -> tuple[float, float]:
    """The same for any finite edges, ten times as slow; infinite if too large for a double."""
    values, weights = sample.values[sample.finite], sample.weights[sample.finite]
    edges = np.concatenate([[low], values, [high]])
    widths = Differences.of(edges[1:], edges[:-1])
    spread, deviation = value_range(values), relative_deviation(values, weights)
    with np.errstate(over="ignore"):
        least, most = (float(widths.over(spread, gap / deviation).sum()) for gap in gaps)
    return least, most


def _deviation(values: Floats, weights: Ints) -> float:
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average(np.square(values - mean), weights=weights)))


def _proportions(live: Ints, reference: Ints) -> tuple[Floats, Floats]:
    """Of the cells with rows on either side."""
    n, m = int(live.sum()), int(reference.sum())
    if not (n and m):
        raise ValueError(f"proportions need rows on both sides, got {n} and {m}")
    used = live + reference > 0
    return live[used] / n, reference[used] / m
