"""Many features at once: their samples side by side, and the distances of a window to all of them.

Theory of operation
-------------------
The bins of all features (``monitor.counts.bins``) lie in one index space, one feature behind the
other, so that a window of a whole model is one ``Counts`` and a distance costs a few passes over
the bins that were met, not a pass over all bins of each feature::

    bins/temp           bins/wind           score
    0 ... 2 d0 | 2 d0 + 1 ...         | ...

Between two bins that were met the live distribution function is flat and the fixed one only climbs.
So the live one lies highest above it right behind a bin that was met, and deepest below it right
before one: those edges are all that needs to be looked at, and the result is exact.

Most windows are calm, and need not even that. Bins of nearly one height of the fixed distribution
form a group; inside it no deviation exceeds what the live counts at its two edges allow::

    above <= live behind the group - fixed up to its first bin
    under >= live before the group - fixed below its last bin

``bound`` looks at the edges of groups alone, about four for every root of the sample's size: a
third of the width of sampling noise wide, and a fiftieth of the work. A mean score
(``monitor.statistics.ranks``) lies between those of all rows of a group at its lowest and at its
highest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.counts.bins import Sample, shared
from monitor.counts.counts import Cells, Counts, aligned
from monitor.statistics.ranks import Scores

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS_PER_ROOT = 2.0  # heights told apart, for each root of the rows of the fixed sample
ROUNDING = 1e-10  # bounds and distances are rounded on different ways


@dataclass(frozen=True, slots=True, eq=False)
class CellIndex:
    """Where the cells of each name lie in one index space."""

    offsets: Mapping[str, tuple[int, int]]  # first cell, and one past the last

    @classmethod
    def of(cls, widths: Mapping[str, int]) -> CellIndex:
        ends = np.cumsum(list(widths.values()), dtype=np.int64).tolist()
        placed = zip(widths, [0, *ends[:-1]], ends, strict=True)
        return cls({name: (start, end) for name, start, end in placed})

    def gather(self, cells: Cells) -> Counts:
        """What ``cells`` hold of these names, as one."""
        met = [(cells[name], at) for name, (at, _) in self.offsets.items() if cells.get(name)]
        if not met:
            return Counts.empty()
        return Counts(
            np.concatenate([counts.index + at for counts, at in met]),
            np.concatenate([counts.count for counts, _ in met]),
        )

    def dense(self, counts: Counts, name: str) -> Ints:
        """All cells of one name."""
        start, end = self.offsets[name]
        a, b = np.searchsorted(counts.index, (start, end))
        full = np.zeros(end - start, dtype=np.int64)
        full[counts.index[a:b] - start] = counts.count[a:b]
        return full


@dataclass(frozen=True, slots=True, eq=False)
class EcdfTable:
    """Samples side by side, from cell 0 on, and the distributions that distances are taken to."""

    names: tuple[str, ...]  # of the cells: ``bins/temp``, ``score``
    offsets: Ints  # shape (f + 1,): the first bin of each, and the end
    sizes: Ints  # shape (f,): rows of each distribution
    below: Floats  # shape (bins,): the fixed distribution function before each bin
    up_to: Floats  # shape (bins,): and behind it
    scores: tuple[Scores, Scores]  # Wilcoxon's and Mood's
    groups: EnvelopeGroups

    @classmethod
    def of(cls, samples: Mapping[str, Sample]) -> EcdfTable:
        """Distances are taken to the samples themselves."""
        return cls.against(samples, {name: sample.counts() for name, sample in samples.items()})

    @classmethod
    def against(cls, samples: Mapping[str, Sample], fixed: Cells) -> EcdfTable:
        """Bins cut by ``samples``, distances taken to what ``fixed`` holds in them."""
        dense = [fixed.get(name, Counts.empty()).dense(of.bins) for name, of in samples.items()]
        sizes = np.array([held.sum() for held in dense], dtype=np.int64)
        offsets = np.cumsum([0, *(held.size for held in dense)])
        each = [np.cumsum(held) / max(int(held.sum()), 1) for held in dense]
        up_to = np.concatenate([np.empty(0), *each])
        below = np.concatenate([np.empty(0), *(np.append(0.0, edge[:-1]) for edge in each)])
        starts = offsets[:-1]
        scores = (Scores.wilcoxon(below, up_to, starts), Scores.mood(below, up_to, starts))
        groups = EnvelopeGroups.of(below, up_to, offsets, sizes, scores)
        return cls(tuple(samples), offsets, sizes, below, up_to, scores, groups)


@dataclass(frozen=True, slots=True, eq=False)
class EnvelopeGroups:
    """Bins of nearly one height of the fixed distribution functions, one feature after another."""

    edges: Ints  # shape (g + 1,): the first bin of each, and the end
    starts: Ints  # shape (f + 1,): the first group of each feature, and the end
    up_to_first: Floats  # shape (g,): the fixed distribution function behind the first bin
    below_last: Floats  # shape (g,): and before the last
    highest: (
        Floats  # shape (4, g): the scores of a row, by statistic, and the same of their negatives
    )

    @classmethod
    def of(
        cls,
        below: Floats,
        up_to: Floats,
        offsets: Ints,
        sizes: Ints,
        scores: Sequence[Scores],
    ) -> EnvelopeGroups:
        """A bin that is high itself is a group of its own: its bound is exact."""
        edges, starts = [np.empty(0, dtype=np.int64)], [0]
        for at, end, size in zip(offsets[:-1], offsets[1:], sizes, strict=True):
            heights = GROUPS_PER_ROOT * np.sqrt(size)
            steps = np.diff(np.floor(below[at:end] * heights))
            steps += np.diff(np.floor(up_to[at:end] * heights))
            first = np.append(0, 1 + np.flatnonzero(steps))
            edges.append(first + at)
            starts.append(starts[-1] + first.size)
        first = np.concatenate(edges)
        every = np.append(first, offsets[-1])
        of_bins = [sign * each.of for sign in (1, -1) for each in scores] if first.size else []
        return cls(
            every,
            np.array(starts, dtype=np.int64),
            up_to[first],
            below[every[1:] - 1] if first.size else np.empty(0),
            np.array([np.maximum.reduceat(of, first) for of in of_bins]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Deviations:
    """How far a window's distributions lie from the fixed ones.

    All arrays have shape (f,), but those of ranks (2, f): the mean scores of Wilcoxon and Mood. The
    lasting ones count only what both halves of the window share, with one sign.
    """

    rows: Ints  # values that fell into bins
    above: Floats  # in [0, 1]
    under: Floats  # in [-1, 0]
    persistent_above: Floats
    persistent_under: Floats
    ranks: Floats
    persistent_ranks: Floats
    squares: Floats  # shape (2, f): of the rows' scores, their mean

    @classmethod
    def zero(cls, rows: Ints) -> Deviations:
        """Of windows that lie nowhere from the fixed distributions."""
        none, two = np.zeros(rows.size), np.zeros((2, rows.size))
        return cls(rows, none, none, none, none, two, two, two)

    @property
    def ks(self) -> Floats:
        return np.maximum(self.above, -self.under)

    @property
    def kuiper(self) -> Floats:
        return self.above - self.under

    @property
    def persistent_ks(self) -> Floats:
        return np.maximum(self.persistent_above, -self.persistent_under)

    @property
    def persistent_kuiper(self) -> Floats:
        return self.persistent_above - self.persistent_under


def compare(ecdf_table: EcdfTable, parts: Sequence[Counts], *, within: bool = False) -> Deviations:
    """A window, as its one part or its two halves, against the stack's fixed distributions.

    ``within``: the window is a part of what is fixed, and is compared with the rest of it.
    A half without rows says nothing, and the other one stands for both.
    """
    met, counts = aligned(parts)
    cuts = np.searchsorted(met, ecdf_table.offsets)
    met = met[: cuts[-1]]
    held = [_Part.of(count[: cuts[-1]], cuts) for count in counts]
    rows = np.sum([part.rows for part in held], axis=0)
    after = [part.behind - ecdf_table.up_to[met] for part in held]
    ahead = [part.before - ecdf_table.below[met] for part in held]
    shares = [_ratio(part.rows, rows) for part in held]
    scores = [of.of[met] for of in ecdf_table.scores]
    scores += [of * of for of in scores]
    means = [_mean_scores(count, scores, cuts, of) for count, of in zip(counts, held, strict=True)]
    ranks, squares = [of[:2] for of in means], _mix([of[2:] for of in means], shares)
    spread = _Spread(cuts, shares)
    if within:
        odds = _ratio(rows, ecdf_table.sizes - rows)
        after = spread.against_rest(after, spread.over(odds))
        ahead = spread.against_rest(ahead, spread.over(odds))
        ranks = [part + odds * _mix(ranks, shares) for part in ranks]
    above = spread.highest(spread.whole(after))
    under = -spread.highest(-spread.whole(ahead))
    whole = _mix(ranks, shares)
    if len(held) == 1:
        return Deviations(rows, above, under, above, under, whole, whole, squares)
    both = (held[0].rows > 0) & (held[1].rows > 0)
    persistent_above = spread.highest(np.minimum(*after))
    persistent_under = -spread.highest(-np.maximum(*ahead))
    return Deviations(
        rows,
        above,
        under,
        np.where(both, persistent_above, above),
        np.where(both, persistent_under, under),
        whole,
        np.where(both, shared(*ranks), whole),
        squares,
    )


def bound(ecdf_table: EcdfTable, parts: Sequence[Counts]) -> Deviations:
    """A window like that of ``compare``: none of its deviations can exceed these."""
    if not ecdf_table.names:
        return Deviations.zero(np.empty(0, dtype=np.int64))
    groups = ecdf_table.groups
    starts = groups.starts[:-1]
    run = np.sum([_before(part, groups.edges) for part in parts], axis=0)
    at, lengths = run[groups.starts], np.diff(groups.starts)
    rows = np.diff(at)
    scale = 1.0 / np.maximum(rows, 1)
    base, each = np.repeat(at[:-1], lengths), np.repeat(scale, lengths)
    after = (run[1:] - base) * each - groups.up_to_first
    ahead = (run[:-1] - base) * each - groups.below_last
    above = np.maximum(np.maximum.reduceat(after, starts), 0.0) + ROUNDING
    under = np.minimum(np.minimum.reduceat(ahead, starts), 0.0) - ROUNDING
    held = np.diff(run)
    highest = np.add.reduceat(held * groups.highest, starts, axis=1) * scale
    ranks = np.maximum(highest[:2], highest[2:]) + ROUNDING
    return Deviations(rows, above, under, above, under, ranks, ranks, np.zeros_like(ranks))


def mean_score(ecdf_table: EcdfTable, scores: Scores, parts: Sequence[Counts], i: int) -> float:
    """Of the rows of a window that feature ``i`` has, of at least one."""
    total, rows = 0.0, 0
    for part in parts:
        a, b = np.searchsorted(part.index, ecdf_table.offsets[i : i + 2])
        total += float(scores.of[part.index[a:b]] @ part.count[a:b])
        rows += int(part.count[a:b].sum())
    return total / rows


def _before(counts: Counts, edges: Ints) -> Ints:
    """How much was counted before each of ``edges``, of their shape."""
    return np.append(0, np.cumsum(counts.count))[np.searchsorted(counts.index, edges)]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The distribution functions of one part of a window, at the bins that the window met."""

    rows: Ints  # shape (f,)
    behind: Floats  # shape (met,)
    before: Floats  # shape (met,)

    @classmethod
    def of(cls, count: Ints, cuts: Ints) -> _Part:
        run = np.append(0, np.cumsum(count))
        at, lengths = run[cuts], np.diff(cuts)
        rows = np.diff(at)
        base, scale = np.repeat(at[:-1], lengths), np.repeat(1.0 / np.maximum(rows, 1), lengths)
        return cls(rows, (run[1:] - base) * scale, (run[:-1] - base) * scale)


@dataclass(frozen=True, slots=True, eq=False)
class _Spread:
    """From features to the bins that they met, and back."""

    cuts: Ints  # shape (f + 1,)
    shares: Sequence[Floats]  # of each part in the window's rows, shape (f,)

    def over(self, of_features: Floats) -> Floats:
        return np.repeat(of_features, np.diff(self.cuts))

    def whole(self, parts: Sequence[Floats]) -> Floats:
        """The deviation of the whole window from those of its parts."""
        if len(parts) == 1:
            return parts[0]
        return self.over(self.shares[0]) * parts[0] + self.over(self.shares[1]) * parts[1]

    def against_rest(self, parts: Sequence[Floats], odds: Floats) -> list[Floats]:
        """Deviations from what remains of the fixed distribution without the window."""
        whole = self.whole(parts)
        return [part + odds * whole for part in parts]

    def highest(self, values: Floats) -> Floats:
        """The largest value of each feature, 0 where it is below or there is none; shape (f,)."""
        starts, held = self.cuts[:-1], self.cuts[1:] > self.cuts[:-1]
        found = np.zeros(starts.size)
        if held.any():
            found[held] = np.maximum(np.maximum.reduceat(values, starts[held]), 0.0)
        return found


def _mean_scores(count: Ints, scores: Sequence[Floats], cuts: Ints, part: _Part) -> Floats:
    """Of the rows of one part, shape (len(scores), f); 0 without any."""
    weight, spans = count[: cuts[-1]].astype(np.float64), list(pairwise(cuts.tolist()))
    totals = np.array([[of[a:b] @ weight[a:b] for a, b in spans] for of in scores])
    return np.asarray(totals / np.maximum(part.rows, 1))


def _mix(ranks: Sequence[Floats], shares: Sequence[Floats]) -> Floats:
    """The mean scores of a whole window from those of its parts."""
    return np.asarray(sum(of * share for of, share in zip(ranks, shares, strict=True)))


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, where=whole > 0, out=np.zeros(part.size))
