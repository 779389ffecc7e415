"""A window and its reference side by side, coarse enough to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample, deviation
from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts

MOST_BINS = 20
MOST_CATEGORIES = 12
OTHER = "all others"  # rarer categories of the reference, and what it never held


@dataclass(frozen=True, slots=True)
class Distribution:
    """Shares of equally many bins, each summing to 1; numeric bins end at ``edges``, inclusive.

    Infinities lie in the first and the last bin.
    """

    reference: tuple[float, ...]
    window: tuple[float, ...]
    edges: tuple[float, ...] = ()  # one fewer than bins: the last is open
    categories: tuple[str, ...] = ()
    at: float | None = None  # where the distribution functions lie furthest apart


def numeric(sample: Sample, live: Counts) -> Distribution | None:
    """Bins of about equally many reference rows; None while the window holds no value."""
    if not live.size:
        return None
    fixed, now = sample.counts().dense(sample.bins), live.dense(sample.bins)
    rank = np.cumsum(sample.weights) / sample.size
    wanted = np.searchsorted(rank, np.arange(1, MOST_BINS) / MOST_BINS)
    finite = sample.finite
    cuts = np.unique(wanted[(wanted >= finite.start) & (wanted < sample.values.size - 1)])
    group = np.searchsorted(2 * cuts + 1, np.arange(sample.bins), side="left")
    gap = int(np.abs(deviation(now, fixed)).argmax())
    return Distribution(
        reference=_shares(np.bincount(group, weights=fixed)),
        window=_shares(np.bincount(group, weights=now)),
        edges=tuple(sample.values[cuts].tolist()),
        at=float(sample.values[min(max(gap // 2, finite.start), finite.stop - 1)]),
    )


def categorical(reference: Categorical, live: Counts) -> Distribution | None:
    """The most frequent categories of the reference, and all others together."""
    if not live.size:
        return None
    shown = reference.categories[:MOST_CATEGORIES]
    now = live.dense(len(reference.categories) + 1)
    return Distribution(
        reference=_shares(_folded(reference.counts, len(shown))),
        window=_shares(_folded(now, len(shown))),
        categories=(*shown, OTHER),
    )


def _folded(counts: NDArray[np.int64], kept: int) -> NDArray[np.int64]:
    return np.append(counts[:kept], counts[kept:].sum())


def _shares(counts: NDArray[np.number[Any]]) -> tuple[float, ...]:
    return tuple((counts / counts.sum()).tolist())
