"""The exact deviations of a window from the reference, for all features at once.

Theory of operation
-------------------
Between two bins that hold live rows the live ECDF is constant and the reference's only increases.
So the live ECDF lies highest above the reference right after a bin with live rows, and deepest
below it right before one. Only these edges need to be evaluated, and the result is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import persistent_deviation
from monitor.counts.counts import Counts, aligned
from monitor.statistics.deviations import Deviations
from monitor.statistics.ecdf_table import EcdfTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def compare(ecdf_table: EcdfTable, parts: Sequence[Counts], *, within: bool = False) -> Deviations:
    """The deviations of a window, given as one part or as two halves.

    ``within``: the window is itself part of the reference, and is compared with the rest of it. If
    one half of the window has no rows, the persistent deviations are those of the other.
    """
    return compare_each(ecdf_table, [parts], within=within).at(0)


def compare_each(
    ecdf_table: EcdfTable, windows: Sequence[Sequence[Counts]], *, within: bool = False
) -> Deviations:
    """The same of several windows with as many parts each."""
    parts, edges_of_features = _side_by_side(ecdf_table, windows)
    bins, counts = aligned(parts)
    cuts = np.searchsorted(bins, edges_of_features)
    bins = bins % ecdf_table.offsets[-1] if len(windows) > 1 else bins
    ecdfs = [_PartEcdf.of(count, cuts) for count in counts]
    rows = np.sum([part.rows for part in ecdfs], axis=0)
    window = _Window(cuts, [_ratio(part.rows, rows) for part in ecdfs])
    means = _mean_scores(ecdf_table, bins, counts, window, ecdfs)
    kinds = len(ecdf_table.scores)
    edges = _Edges(
        [part.up_to - ecdf_table.up_to[bins] for part in ecdfs],
        [part.below - ecdf_table.below[bins] for part in ecdfs],
        [mean[:kinds] for mean in means],
    )
    if within:
        rest = np.tile(ecdf_table.sizes, len(windows)) - rows
        edges = edges.against_rest(window, _ratio(rows, rest))
    whole = edges.whole(window)
    both = np.all([part.rows > 0 for part in ecdfs], axis=0)
    persistent = whole if len(ecdfs) == 1 else edges.persistent(window, whole, both)
    squares = window.mix([mean[kinds:] for mean in means])
    shape = len(windows), ecdf_table.sizes.size
    by_window = (
        array.reshape(*array.shape[:-1], *shape)
        for array in (*whole[:2], *persistent[:2], whole[2], persistent[2], squares)
    )
    return Deviations(rows.reshape(shape), *by_window)


def _side_by_side(
    ecdf_table: EcdfTable, windows: Sequence[Sequence[Counts]]
) -> tuple[list[Counts], Ints]:
    """The parts of all windows, each window in bins of its own, and the first bin of each feature.

    The second has the shape (w f + 1,): it ends with the end.
    """
    offsets = ecdf_table.offsets
    parts = [_joined(of_windows, int(offsets[-1])) for of_windows in zip(*windows, strict=True)]
    first = np.arange(len(windows), dtype=np.int64) * offsets[-1]
    return parts, np.append(np.add.outer(first, offsets[:-1]), first[-1:] + offsets[-1])


def _joined(of_windows: Sequence[Counts], width: int) -> Counts:
    """One part of each window, side by side; cells that are no bins, from ``width`` on, are not."""
    cut = [counts.index.searchsorted(width) for counts in of_windows]
    if len(of_windows) == 1:
        return Counts(of_windows[0].index[: cut[0]], of_windows[0].count[: cut[0]])
    each = list(zip(of_windows, cut, strict=True))
    return Counts(
        np.concatenate([counts.index[:end] + i * width for i, (counts, end) in enumerate(each)]),
        np.concatenate([counts.count[:end] for counts, end in each]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _PartEcdf:
    """The ECDFs of one part of a window, at the ``k`` bins that hold rows of the window."""

    rows: Ints  # shape (f,)
    up_to: Floats  # shape (k,): including each bin
    below: Floats  # shape (k,): before each bin

    @classmethod
    def of(cls, count: Ints, cuts: Ints) -> _PartEcdf:
        running = np.append(0, np.cumsum(count))
        at_cuts, lengths = running[cuts], np.diff(cuts)
        rows = np.diff(at_cuts)
        base = np.repeat(at_cuts[:-1], lengths)
        scale = np.repeat(1.0 / np.maximum(rows, 1), lengths)
        return cls(rows, (running[1:] - base) * scale, (running[:-1] - base) * scale)


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """The layout of a window's bins, to convert between features and bins."""

    cuts: Ints  # shape (f + 1,): the first bin of each feature, and the end
    proportions: Sequence[Floats]  # of each part in the window's rows, shape (f,)

    def per_bin(self, per_feature: Floats) -> Floats:
        """Shape (f,) to shape (k,)."""
        return np.repeat(per_feature, np.diff(self.cuts))

    def whole(self, parts: Sequence[Floats]) -> Floats:
        """The deviation of the whole window from those of its parts, shape (k,)."""
        if len(parts) == 1:
            return parts[0]
        first, second = (self.per_bin(proportion) for proportion in self.proportions)
        return first * parts[0] + second * parts[1]

    def mix(self, parts: Sequence[Floats]) -> Floats:
        """The mean scores of the whole window from those of its parts."""
        return np.asarray(
            sum(part * share for part, share in zip(parts, self.proportions, strict=True))
        )

    def highest(self, values: Floats) -> Floats:
        """The largest value of each feature, 0 if it is negative or there is none; shape (f,)."""
        highest = np.zeros(self.cuts.size - 1)
        present = self.present
        if present.size:
            largest = np.maximum.reduceat(values, self.cuts[present])
            highest[present] = np.maximum(largest, 0.0)
        return highest

    def sums(self, values: Floats) -> Floats:
        """The sums over the bins of each feature, shape (s, k) to shape (s, f)."""
        sums = np.zeros((len(values), self.cuts.size - 1))
        present = self.present
        if present.size:
            sums[:, present] = np.add.reduceat(values, self.cuts[present], axis=1)
        return sums

    @property
    def present(self) -> Ints:
        """The features that have bins."""
        return np.flatnonzero(self.cuts[1:] > self.cuts[:-1])


Extremes = tuple[Floats, Floats, Floats]  # above, under, mean scores


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Deviations of each part of a window from the reference."""

    after: Sequence[Floats]  # shape (k,): of the ECDF after each bin
    before: Sequence[Floats]  # shape (k,): of the ECDF before each bin
    ranks: Sequence[Floats]  # shape (2, f): mean scores

    def against_rest(self, window: _Window, odds: Floats) -> _Edges:
        """Deviations from the rest of the reference, without the window that is part of it.

        ``odds``: rows of the window over rows of the rest, shape (f,).
        """
        per_bin, ranks = window.per_bin(odds), window.mix(self.ranks)
        after, before = window.whole(self.after), window.whole(self.before)
        return _Edges(
            [part + per_bin * after for part in self.after],
            [part + per_bin * before for part in self.before],
            [part + odds * ranks for part in self.ranks],
        )

    def whole(self, window: _Window) -> Extremes:
        above = window.highest(window.whole(self.after))
        under = -window.highest(-window.whole(self.before))
        return above, under, window.mix(self.ranks)

    def persistent(self, window: _Window, whole: Extremes, both: NDArray[np.bool_]) -> Extremes:
        """``both``, shape (f,): whether both halves have rows; if not, the whole is persistent."""
        above = window.highest(np.minimum(*self.after))
        under = -window.highest(-np.maximum(*self.before))
        ranks = persistent_deviation(*self.ranks)
        return (
            np.where(both, above, whole[0]),
            np.where(both, under, whole[1]),
            np.where(both, ranks, whole[2]),
        )


def _mean_scores(
    ecdf_table: EcdfTable,
    bins: Ints,
    counts: Sequence[Ints],
    window: _Window,
    ecdfs: Sequence[_PartEcdf],
) -> list[Floats]:
    """For each part the mean scores and the mean squared scores, shape (4, f); 0 without rows."""
    scores = np.array([each.per_bin[bins] for each in ecdf_table.scores])
    scores = np.concatenate([scores, scores * scores])
    return [
        np.asarray(window.sums(scores * count) / np.maximum(part.rows, 1))
        for count, part in zip(counts, ecdfs, strict=True)
    ]


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, where=whole > 0, out=np.zeros(part.size))
