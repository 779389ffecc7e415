"""How large is a change? Effect sizes of one feature, from counts, beside the tests' p-values.

Theory of operation
-------------------
Bins say exactly how many live rows lie on a value of the reference sample, and only how many lie
between two of them. The Wasserstein distance is the area between the two distribution functions
(Vallender 1974); across a gap the reference's is flat at ``F`` and the live one climbs from ``a``
to ``b``, nobody knows where, so its part of the area is known within bounds::

    width max(0, a - F, F - b)  <=  area  <=  width max(|a - F|, |b - F|)

The tails have no end. They are taken to end at ``low`` and ``high``, the range of all reference
rows unless the caller knows better; rows in a tail are counted, so that the reader is warned. Where
the sample holds infinities, infinite rows are left out on both sides: no area is theirs.

Stability index and Jensen-Shannon distance compare shares of the same few cells: categories, or ten
bins that hold alike many reference rows. Over bins as fine as the sample any two samples would
differ in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, rel_entr

from monitor.counts.bins import Sample, cumulative

COARSE = 10  # bins of a numeric feature
USUAL = 0.05  # level of what the stability index is shown beside
LEAST_SHARE = 1e-4  # stands for an empty cell, whose logarithm would be infinite


@dataclass(frozen=True, slots=True)
class Wasserstein:
    """In standard deviations of the reference sample."""

    lower: float
    upper: float  # if no live row lies beyond ``low`` and ``high``
    beyond: float  # share of the live rows below or above all of the sample, in [0, 1]


@dataclass(frozen=True, slots=True)
class Effects:
    """How large a change is, whatever the number of rows; none of it decides."""

    psi: float
    psi_noise: float  # what the index exceeds once in twenty on as many independent rows
    jensen_shannon: float
    wasserstein: Wasserstein | None = None  # of numbers


def of_bins(sample: Sample, live: NDArray[np.int64], low: float, high: float) -> Effects | None:
    """Of a numeric feature, ``live`` of shape (bins,); None while nothing was counted."""
    if not live.any():
        return None
    cells = coarse(live, sample.counts().dense(sample.bins))
    return Effects(*_of_cells(*cells), wasserstein(sample, live, low, high))


def of_categories(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> Effects | None:
    """Counts of the same categories, shape (c,); None while nothing was counted."""
    return Effects(*_of_cells(live, fixed)) if live.any() else None


def _of_cells(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> tuple[float, float, float]:
    met = int(((live > 0) | (fixed > 0)).sum())
    noise = stability_threshold(int(live.sum()), int(fixed.sum()), met, USUAL) if met > 1 else 0.0
    return stability(live, fixed), noise, jensen_shannon(live, fixed)


def wasserstein(
    sample: Sample, live: NDArray[np.int64], low: float, high: float
) -> Wasserstein | None:
    """Bounds of the first Wasserstein distance between ``live``, shape (bins,), and the sample.

    None while nothing was counted, or if the sample has one value only and so no deviation.
    Raises ``ValueError`` unless ``low`` and ``high`` are finite and enclose the finite sample.
    """
    kept = sample.finite
    values, weights = sample.values[kept], sample.weights[kept]
    live = live[2 * kept.start : 2 * kept.stop + 1]
    first, last = float(values[0]), float(values[-1])
    if not -np.inf < low <= first <= last <= high < np.inf:
        raise ValueError(f"the range {low:g} to {high:g} must enclose {first:g} to {last:g}")
    if not live.any() or first == last:
        return None
    scale = max(abs(low), abs(high))  # so that no square is too large or too small
    widths = np.diff(np.concatenate([[low], values, [high]]) / scale)
    lower, upper = _gaps(cumulative(live), np.cumsum(weights) / weights.sum())
    deviation = _deviation(values / scale, weights)
    beyond = float(live[0] + live[-1]) / float(live.sum())
    return Wasserstein(float(widths @ lower) / deviation, float(widths @ upper) / deviation, beyond)


def coarse(
    live: NDArray[np.int64], fixed: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Both counts, shape (bins,), over at most ten bins that hold alike many reference rows."""
    before = np.cumsum(fixed) - fixed
    group = np.minimum(before * COARSE // max(1, int(fixed.sum())), COARSE - 1)
    now, then = np.zeros(COARSE, dtype=np.int64), np.zeros(COARSE, dtype=np.int64)
    np.add.at(now, group, live)
    np.add.at(then, group, fixed)
    met = now + then > 0
    return now[met], then[met]


def stability(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> float:
    """The population stability index ``Σ (p - q) ln(p / q)`` over cells met in either.

    Shares are floored at 0.0001. Raises ``ValueError`` if a side has no rows.
    """
    p, q = _shares(live, fixed)
    p, q = np.maximum(p, LEAST_SHARE), np.maximum(q, LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())


def stability_threshold(n: int, m: int, cells: int, level: float) -> float:
    """What the index of independent rows exceeds with probability ``level``.

    ``(1/n + 1/m)`` times the chi-square quantile of ``cells - 1`` (Yurdakul 2018, theorem on the
    asymptotic distribution); close where each cell has some five rows to expect. It falls with the
    rows, which the customary 0.1 and 0.25 do not. Infinite while a side has no rows.
    """
    if not (n and m):
        return float("inf")
    return (1 / n + 1 / m) * float(chdtri(cells - 1, level)) if cells > 1 else 0.0


def jensen_shannon(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> float:
    """The Jensen-Shannon distance to base 2, in [0, 1], as ``scipy.spatial.distance`` has it.

    The square root of the divergence (Endres and Schindelin 2003). Raises ``ValueError`` if a side
    has no rows.
    """
    p, q = _shares(live, fixed)
    middle = (p + q) / 2
    nats = float((rel_entr(p, middle) + rel_entr(q, middle)).sum())
    return float(np.sqrt(min(1.0, max(0.0, nats / np.log(2) / 2))))


def _gaps(
    live: NDArray[np.float64], steps: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest mean height of the area over each gap, shape (d + 1,).

    ``live`` is the distribution function at the upper edge of every bin, ``steps`` the reference's
    at every value.
    """
    height = np.append(0.0, steps)
    before, after = np.append(0.0, live[1::2]) - height, live[::2] - height
    least = np.maximum(0.0, np.maximum(before, -after))
    return least, np.maximum(np.abs(before), np.abs(after))


def _deviation(values: NDArray[np.float64], weights: NDArray[np.int64]) -> float:
    mean = np.average(values, weights=weights)
    return float(np.sqrt(np.average(np.square(values - mean), weights=weights)))


def _shares(
    live: NDArray[np.int64], fixed: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the cells met in either."""
    n, m = int(live.sum()), int(fixed.sum())
    if not (n and m):
        raise ValueError(f"shares need rows on both sides, got {n} and {m}")
    met = live + fixed > 0
    return live[met] / n, fixed[met] / m
