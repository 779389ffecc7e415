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
    running = _running(panes, bins, pane_ms)
    tolerated = 0.0
    for scale in _scales(length):
        excesses = _excesses(running, scale)
        if len(excesses) >= LEAST_BLOCKS:
            tolerated = max(KEPT_FROM_BELOW * tolerated, *excesses, 0.0)
    return float(tolerated)


def _scales(length: int) -> list[int]:
    """1, 2, 4, … and ``length`` itself."""
    powers = [2**i for i in range(length.bit_length()) if 2**i < length]
    return [*powers, length]


def _running(panes: Mapping[int, Counts], bins: int, pane_ms: int) -> NDArray[np.int64]:
    """Sums of all panes before each slot of time, shape (slots + 1, bins)."""
    first = min(panes)
    slots = (max(panes) - first) // pane_ms + 1
    running = np.zeros((slots + 1, bins), dtype=np.int64)
    for start_ms, counts in panes.items():
        running[(start_ms - first) // pane_ms + 1, counts.index] = counts.count
    return np.cumsum(running, axis=0, out=running)


def _excesses(running: NDArray[np.int64], scale: int) -> list[float]:
    """By how much the persistent distance of each block exceeds sampling noise."""
    starts = range(0, len(running) - scale, max(1, scale // 2))
    blocks = [start for start in starts if running[start + scale, :].sum() > running[start].sum()]
    if not blocks:
        return []
    noise = float(kolmogi(1 / len(blocks)))
    return [e for start in blocks if (e := _excess(running, start, scale, noise)) is not None]


def _excess(running: NDArray[np.int64], start: int, scale: int, noise: float) -> float | None:
    middle = start + scale // 2
    first = running[middle] - running[start]
    second = running[start + scale] - running[middle]
    rest = running[-1] - first - second
    en = effective_size(int((first + second).sum()), int(rest.sum()))
    return persistent(first, second, rest) - noise / np.sqrt(en) if en else None
