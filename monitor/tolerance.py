"""How far a reference strays from itself: the allowance for what is not sampling noise.

Theory of operation
-------------------
Real data stray for reasons that more rows do not average away: weather, weekdays, holidays. The
reference shows how far. Its panes, in time order, are cut into half-overlapping blocks as long as
the window to be judged; each block is compared with the rest of the reference, and what the
*persistent* part of its distance exceeds sampling noise by, at its largest, is tolerated::

    tolerance(k) = max(0.6 tolerance(k / 2), max over blocks (E_b - z(1 / blocks) / sqrt(en_b)), 0)

``E`` is the deviation that both halves of a block share, with one sign (``monitor.bins.shared``).
The chain runs over 1, 2, 4, … panes and ends with the window's own length; a scale with fewer than
four blocks has nothing to say and keeps the tolerance of the scale below.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi

from monitor.bins import deviation, distance, effective_size, shared
from monitor.counts import Counts

LEAST_BLOCKS = 4
KEPT_FROM_BELOW = 0.6


def persistent(
    first: NDArray[np.int64], second: NDArray[np.int64], fixed: NDArray[np.int64]
) -> float:
    """The part of the distance to ``fixed`` that both halves share; all shapes (bins,).

    A half without rows says nothing, and the other one stands for both.
    """
    if not first.any() or not second.any():
        return distance(deviation(first + second, fixed))
    return distance(shared(deviation(first, fixed), deviation(second, fixed)))


def tolerance(panes: Mapping[int, Counts], bins: int, pane_ms: int, length: int) -> float:
    """The tolerance of windows of ``length`` panes, from the counts of all reference panes.

    ``panes`` maps the start of each pane, in milliseconds, to its counts.
    """
    if not panes:
        return 0.0
    before, running = _before(panes, pane_ms), _running(panes, bins)
    tolerated = 0.0
    for scale in _scales(length):
        excesses = _excesses(before, running, scale)
        if len(excesses) >= LEAST_BLOCKS:
            tolerated = max(KEPT_FROM_BELOW * tolerated, *excesses, 0.0)
    return float(tolerated)


def _scales(length: int) -> list[int]:
    """1, 2, 4, … and ``length`` itself."""
    powers = [2**i for i in range(length.bit_length()) if 2**i < length]
    return [*powers, length]


def _before(panes: Mapping[int, Counts], pane_ms: int) -> NDArray[np.int64]:
    """How many of the panes lie before each slot of time, shape (slots + 1,)."""
    slot = (np.array(sorted(panes), dtype=np.int64) - min(panes)) // pane_ms
    return np.searchsorted(slot, np.arange(slot[-1] + 2))


def _running(panes: Mapping[int, Counts], bins: int) -> NDArray[np.int64]:
    """Sums of the first 0, 1, 2, … panes, shape (panes + 1, bins)."""
    running = np.zeros((len(panes) + 1, bins), dtype=np.int64)
    for row, start_ms in enumerate(sorted(panes), start=1):
        running[row, panes[start_ms].index] = panes[start_ms].count
    return np.cumsum(running, axis=0, out=running)


def _excesses(before: NDArray[np.int64], running: NDArray[np.int64], scale: int) -> list[float]:
    """By how much the persistent distance of each block exceeds sampling noise."""
    starts = np.arange(0, len(before) - scale, max(1, scale // 2))
    starts = starts[before[starts + scale] > before[starts]]
    if not starts.size:
        return []
    noise = float(kolmogi(1 / starts.size))
    edges = np.stack([before[starts], before[starts + scale // 2], before[starts + scale]], axis=1)
    found = (_excess(running[cuts], running[-1], noise) for cuts in edges)
    return [excess for excess in found if excess is not None]


def _excess(cuts: NDArray[np.int64], whole: NDArray[np.int64], noise: float) -> float | None:
    """``cuts`` holds the sums before a block, its middle and its end, shape (3, bins)."""
    first, second = np.diff(cuts, axis=0)
    rest = whole - first - second
    en = effective_size(int((first + second).sum()), int(rest.sum()))
    return persistent(first, second, rest) - noise / np.sqrt(en) if en else None
