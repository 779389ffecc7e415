"""How much of the change of a metric each segment explains, in closed form from counts.

A metric that is a ratio of sums over rows, such as recall, is a mean over the segments: with ``w``
the part of a segment in the denominator and ``r`` its own ratio, ``m = sum(w * r)``. Between a
reference (0) and a window (1)::

    m1 - m0 = sum(within + mix)
    within  = (w0 + w1) / 2 * (r1 - r0)
    mix     = (w1 - w0) * ((r0 + r1) / 2 - (m0 + m1) / 2)

``within`` is the change in a segment, ``mix`` the change of its part of the rows (Kitagawa 1955).
The sum is exact, because the parts add up to 1 in both. A segment without rows in one of the two
has the ratio of the other there, so that all of its change is one of mix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.counts.task import Ratio

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SegmentShare:
    """The parts of the change of a metric that a segment explains; those of all add up to 1."""

    segment: str
    share: float  # within + mix
    within: float
    mix: float


def shares_of_change(
    ratio: Ratio, texts: Sequence[str], reference: Ints, window: Ints
) -> list[SegmentShare]:
    """One for each segment, by code; ``reference`` and ``window`` have shape (codes, outcomes).

    Empty if the metric is undefined in one of them, or has not changed.
    """
    above, below = np.array(ratio.above), np.array(ratio.below)
    sums = [(counts @ above, counts @ below) for counts in (reference, window)]
    if any(denominator.sum() <= 0 for _, denominator in sums):
        return []
    (w0, r0, m0), (w1, r1, m1) = (_parts(*one) for one in sums)
    if m1 == m0:
        return []
    r0, r1 = np.where(np.isnan(r0), r1, r0), np.where(np.isnan(r1), r0, r1)
    within = np.nan_to_num((w0 + w1) / 2 * (r1 - r0)) / (m1 - m0)
    mix = np.nan_to_num((w1 - w0) * ((r0 + r1) / 2 - (m0 + m1) / 2)) / (m1 - m0)
    columns = zip(texts, within.tolist(), mix.tolist(), strict=True)
    return [SegmentShare(text, own + of_mix, own, of_mix) for text, own, of_mix in columns]


def _parts(above: Ints, below: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Of each segment its part of the rows, and its ratio (NaN without rows); of all, the ratio."""
    ratio = np.full(below.size, np.nan)
    np.divide(above, below, out=ratio, where=below > 0)
    return below / below.sum(), ratio, float(above.sum() / below.sum())
