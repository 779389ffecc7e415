"""Upper bounds of a window's deviations, for a fiftieth of the work of the exact ones.

Theory of operation
-------------------
Bins at which the reference's ECDF has nearly the same height form a group
(``monitor.statistics.ecdf_table.EnvelopeGroups``). Inside a group no deviation exceeds what the
live counts at its two edges allow::

    above <= live ECDF after the group  - reference ECDF including its first bin
    under >= live ECDF before the group - reference ECDF before its last bin

A mean score (``monitor.statistics.ranks``) lies between those of all rows of a group at its lowest
and at its highest score. There are about four groups per square root of the sample's size; the
bounds then exceed the deviations by about a third of the width of sampling noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counts import Counts
from monitor.statistics.deviations import Deviations
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.ranks import Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ROUNDING = 1e-10  # bounds and exact deviations are rounded differently


def upper_bounds(ecdf_table: EcdfTable, parts: Sequence[Counts]) -> Deviations:
    """Bounds of the deviations that ``compare`` gives for the same window, in absolute value."""
    return upper_bounds_of_each(ecdf_table, [parts]).at(0)


def upper_bounds_of_each(ecdf_table: EcdfTable, windows: Sequence[Sequence[Counts]]) -> Deviations:
    """The same of several windows."""
    if not ecdf_table.names:
        return Deviations.zero(np.empty((len(windows), 0), dtype=np.int64))
    groups = ecdf_table.groups
    starts = groups.starts[:-1]
    running = np.array([_running_counts(parts, groups.edges) for parts in windows])
    at_starts, lengths = running[:, groups.starts], np.diff(groups.starts)
    rows = np.diff(at_starts)
    scale = 1.0 / np.maximum(rows, 1)
    base, scales = (np.repeat(each, lengths, axis=1) for each in (at_starts[:, :-1], scale))
    after = (running[:, 1:] - base) * scales - groups.up_to_first
    before = (running[:, :-1] - base) * scales - groups.below_last
    above = np.maximum(np.maximum.reduceat(after, starts, axis=1), 0.0) + ROUNDING
    under = np.minimum(np.minimum.reduceat(before, starts, axis=1), 0.0) - ROUNDING
    scores = np.diff(running) * groups.max_scores[:, np.newaxis]
    max_means = np.add.reduceat(scores, starts, axis=2) * scale
    ranks = np.maximum(max_means[:2], max_means[2:]) + ROUNDING
    return Deviations(rows, above, under, above, under, ranks, ranks, np.zeros_like(ranks))


def mean_score(ecdf_table: EcdfTable, scores: Scores, parts: Sequence[Counts], i: int) -> float:
    """The exact mean score of feature ``i``, of which the window has at least one row."""
    total, rows = 0.0, 0
    for part in parts:
        a, b = np.searchsorted(part.index, ecdf_table.offsets[i : i + 2])
        total += float(scores.per_bin[part.index[a:b]] @ part.count[a:b])
        rows += int(part.count[a:b].sum())
    return total / rows


def _running_counts(parts: Sequence[Counts], edges: Ints) -> Ints:
    """The rows in bins before each of ``edges``, of the same shape."""
    return np.asarray(sum(_running_counts_of(part, edges) for part in parts))


def _running_counts_of(counts: Counts, edges: Ints) -> Ints:
    if counts.index.size >= edges.size:
        return np.append(0, np.cumsum(counts.count))[np.searchsorted(counts.index, edges)]
    after = np.searchsorted(edges, counts.index, side="right")  # fewer searches
    rows = np.bincount(after, weights=counts.count, minlength=edges.size)[: edges.size]
    return np.cumsum(rows).astype(np.int64)
