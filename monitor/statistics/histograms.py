"""Histograms of a window and of its reference over the same few bins, to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample, cumulative, heights, kept_with_sample
from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts

MAX_BINS = 20
MAX_CATEGORIES = 12
OTHER = "all others"  # rarer categories of the reference, and unseen ones


@dataclass(frozen=True, slots=True)
class Distribution:
    """Proportions of the rows in each bin, each summing to 1.

    Numeric bins include their upper edge. Infinities are in the first and the last bin.
    """

    reference: tuple[float, ...]
    window: tuple[float, ...]
    edges: tuple[float, ...] = ()  # one fewer than bins: the last is open
    categories: tuple[str, ...] = ()
    at: float | None = None  # the value at which the distribution functions differ most
    reference_median: float | None = None  # of numbers, as ``window_median``
    window_median: float | None = None


def numeric(sample: Sample, live: Counts) -> Distribution | None:
    """Bins with about the same number of reference rows; None if the window has no value."""
    if not live.size:
        return None
    shown = _reference(sample)
    finite, farthest = sample.finite, _farthest(sample, live)
    return replace(
        shown,
        window=_proportions(_binned(live, _cuts(sample))),
        at=float(sample.values[min(max(farthest // 2, finite.start), finite.stop - 1)]),
        window_median=_median(sample, live),
    )


def categorical(reference: Categorical, live: Counts) -> Distribution | None:
    """The most frequent categories of the reference, and all others together."""
    if not live.size:
        return None
    shown = reference.categories[:MAX_CATEGORIES]
    window = live.dense(len(reference.categories) + 1)
    return Distribution(
        reference=_proportions(_folded(reference.counts, len(shown))),
        window=_proportions(_folded(window, len(shown))),
        categories=(*shown, OTHER),
    )


def _median(sample: Sample, counts: Counts) -> float:
    """The value of the sample at or just below the middle row; the nearest finite one."""
    running = np.cumsum(counts.count)
    middle = int(counts.index[np.searchsorted(running, running[-1] / 2)])
    position = (middle - 1) // 2  # bin 2 i + 1 is value i, bin 2 i + 2 lies above it
    return float(sample.values[min(max(position, sample.finite.start), sample.finite.stop - 1)])


@kept_with_sample
def _reference(sample: Sample) -> Distribution:
    """The histogram of the reference, beside which windows are drawn."""
    cuts = _cuts(sample)
    reference = _proportions(_binned(sample.counts(), cuts))
    return Distribution(
        reference,
        (),
        tuple(sample.values[cuts].tolist()),
        reference_median=_median(sample, sample.counts()),
    )


def _binned(counts: Counts, cuts: NDArray[np.int64]) -> NDArray[np.number[Any]]:
    bins = np.searchsorted(2 * cuts + 1, counts.index, side="left")
    return np.bincount(bins, weights=counts.count, minlength=cuts.size + 1)


def _farthest(sample: Sample, live: Counts) -> int:
    """The bin after which the distribution functions differ most."""
    difference = cumulative(live.dense(sample.bins))
    difference[::2] -= heights(sample)
    difference[1::2] -= heights(sample)[1:]
    return int(np.abs(difference).argmax())


@kept_with_sample
def _cuts(sample: Sample) -> NDArray[np.int64]:
    """Positions in ``sample.values`` of the edges, at equal ranks; the last bin is open."""
    rank = np.cumsum(sample.weights) / sample.size
    cuts = np.searchsorted(rank, np.arange(1, MAX_BINS) / MAX_BINS)
    inner = (cuts >= sample.finite.start) & (cuts < sample.values.size - 1)
    return np.unique(cuts[inner])


def _folded(counts: NDArray[np.int64], kept: int) -> NDArray[np.int64]:
    return np.append(counts[:kept], counts[kept:].sum())


def _proportions(counts: NDArray[np.number[Any]]) -> tuple[float, ...]:
    return tuple((counts / counts.sum()).tolist())
