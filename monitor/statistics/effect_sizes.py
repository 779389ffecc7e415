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

from monitor.counts.bins import Sample, cumulative
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
    cells = coarse(live, sample.counts().dense(sample.bins))
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
    values, weights = sample.values[finite], sample.weights[finite]
    live = live[2 * finite.start : 2 * finite.stop + 1]
    first, last = float(values[0]), float(values[-1])
    if not -np.inf < low <= first <= last <= high < np.inf:
        raise ValueError(f"the range {low:g} to {high:g} must enclose {first:g} to {last:g}")
    if not live.any() or first == last:
        return None
    edges = np.concatenate([[low], values, [high]])
    heights = _gaps(cumulative(live), np.cumsum(weights) / weights.sum())
    areas = _plain_areas(edges, weights, heights) or _wide_areas(edges, weights, heights)
    beyond = float(live[0] + live[-1]) / float(live.sum())
    return Wasserstein(*areas, beyond) if np.isfinite(areas).all() else None


def coarse(live: Ints, reference: Ints) -> tuple[Ints, Ints]:
    """Both counts, shape (bins,), over at most ten bins with about as many reference rows each."""
    before = np.cumsum(reference) - reference
    group = np.minimum(before * COARSE_BINS // max(1, int(reference.sum())), COARSE_BINS - 1)
    coarse_live = np.zeros(COARSE_BINS, dtype=np.int64)
    coarse_reference = np.zeros(COARSE_BINS, dtype=np.int64)
    np.add.at(coarse_live, group, live)
    np.add.at(coarse_reference, group, reference)
    used = coarse_live + coarse_reference > 0
    return coarse_live[used], coarse_reference[used]


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
    sample at each of its values.
    """
    height = np.append(0.0, reference)
    start, end = np.append(0.0, live[1::2]) - height, live[::2] - height
    least = np.maximum(0.0, np.maximum(start, -end))
    return least, np.maximum(np.abs(start), np.abs(end))


def _plain_areas(
    edges: Floats, weights: Ints, heights: tuple[Floats, Floats]
) -> tuple[float, float] | None:
    """The sums of widths times heights, in standard deviations of the sample.

    ``edges``, shape (d + 2,), are the values of the sample between the ends of the range. None if
    the deviation is so small compared with the edges that it vanishes, or with the values that it
    is inexact.
    """
    scaled = edges / max(abs(edges[0]), abs(edges[-1]))  # so that no square overflows
    values = scaled[1:-1]
    deviation = _deviation(values, weights)
    if deviation < max(SAFELY_SQUARED, MIN_RELATIVE_SPREAD * np.abs(values).max()):
        return None
    widths = np.diff(scaled)
    # Not ``@``: from 10,000 values on, BLAS would wait for threads much longer than it computes.
    least, most = (float((widths * height).sum()) for height in heights)
    return least / deviation, most / deviation


def _wide_areas(
    edges: Floats, weights: Ints, heights: tuple[Floats, Floats]
) -> tuple[float, float]:
    """The same for any finite edges, ten times as slow; infinite if too large for a double."""
    values, widths = edges[1:-1], Differences.of(edges[1:], edges[:-1])
    spread, deviation = value_range(values), relative_deviation(values, weights)
    with np.errstate(over="ignore"):
        least, most = (float(widths.over(spread, h / deviation).sum()) for h in heights)
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
