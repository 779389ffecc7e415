"""Many features at once: their samples side by side, and the distances of a window to all of them.

Theory of operation
-------------------
The bins of all features (``monitor.bins``) lie in one index space, one feature behind the other,
so that a window of a whole model is one ``Counts`` and a distance costs a few passes over the bins
that were met, not a pass over all bins of each feature::

    bins/temp           bins/wind           score
    0 ... 2 d0 | 2 d0 + 1 ...         | ...

Between two bins that were met the live distribution function is flat and the fixed one only climbs.
So the live one lies highest above it right behind a bin that was met, and deepest below it right
before one: those edges are all that needs to be looked at, and the result is exact.

Most windows are calm, and need not even that. Bins of nearly one height of the fixed distribution
form a group; inside it no deviation exceeds what the live counts at its two edges allow::

    above <= live behind the group - fixed up to its first bin
    under >= live before the group - fixed below its last bin

``bound`` looks at the edges of groups alone, about three for every root of the sample's size: half
the width of sampling noise wide, and a hundredth of the work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.bins import Sample
from monitor.counts import Cells, Counts, aligned

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUPS_PER_ROOT = 1.5  # heights told apart, for each root of the rows of the fixed sample
ROUNDING = 1e-12  # bounds and distances are rounded on different ways


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """Where the cells of each name lie in one index space."""

    offsets: Mapping[str, tuple[int, int]]  # first cell, and one past the last

    @classmethod
    def of(cls, widths: Mapping[str, int]) -> Space:
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
class Stack:
    """Samples side by side, from cell 0 on, and the distributions that distances are taken to."""

    names: tuple[str, ...]  # of the cells: ``bins/temp``, ``score``
    offsets: Ints  # shape (f + 1,): the first bin of each, and the end
    sizes: Ints  # shape (f,): rows of each distribution
    below: Floats  # shape (bins,): the fixed distribution function before each bin
    up_to: Floats  # shape (bins,): and behind it
    groups: Groups

    @classmethod
    def of(cls, samples: Mapping[str, Sample]) -> Stack:
        """Distances are taken to the samples themselves."""
        return cls.against(samples, {name: sample.counts() for name, sample in samples.items()})

    @classmethod
    def against(cls, samples: Mapping[str, Sample], fixed: Cells) -> Stack:
        """Bins cut by ``samples``, distances taken to what ``fixed`` holds in them."""
        dense = [fixed.get(name, Counts.empty()).dense(of.bins) for name, of in samples.items()]
        up_to = [np.cumsum(held) / max(int(held.sum()), 1) for held in dense]
        below = [np.append(0.0, edge[:-1]) for edge in up_to]
        return cls(
            tuple(samples),
            np.cumsum([0, *(held.size for held in dense)]),
            np.array([held.sum() for held in dense], dtype=np.int64),
            np.concatenate([np.empty(0), *below]),
            np.concatenate([np.empty(0), *up_to]),
            Groups.of(below, up_to, [int(held.sum()) for held in dense]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Bins of nearly one height of the fixed distribution functions, one feature after another."""

    edges: Ints  # shape (g + 1,): the first bin of each, and the end
    starts: Ints  # shape (f + 1,): the first group of each feature, and the end
    up_to_first: Floats  # shape (g,): the fixed distribution function behind the first bin
    below_last: Floats  # shape (g,): and before the last

    @classmethod
    def of(cls, below: Sequence[Floats], up_to: Sequence[Floats], sizes: Sequence[int]) -> Groups:
        """A bin that is high itself is a group of its own: its bound is exact."""
        edges, starts, at = [], [0], 0
        for low, high, size in zip(below, up_to, sizes, strict=True):
            heights = GROUPS_PER_ROOT * np.sqrt(size)
            steps = np.diff(np.floor(low * heights)) + np.diff(np.floor(high * heights))
            first = np.append(0, 1 + np.flatnonzero(steps))
            edges.append(first + at)
            starts.append(starts[-1] + first.size)
            at += low.size
        every = np.concatenate([np.empty(0, dtype=np.int64), *edges, [at]])
        return cls(
            every,
            np.array(starts, dtype=np.int64),
            np.concatenate([np.empty(0), *up_to])[every[:-1]],
            np.concatenate([np.empty(0), *below])[every[1:] - 1],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Deviations:
    """How far a window's distribution functions rise above and fall below the fixed ones.

    All arrays have shape (f,). The persistent ones count only what both halves of the window share,
    with one sign.
    """

    rows: Ints  # values that fell into bins
    above: Floats  # in [0, 1]
    under: Floats  # in [-1, 0]
    lasting_above: Floats
    lasting_under: Floats

    @property
    def ks(self) -> Floats:
        return np.maximum(self.above, -self.under)

    @property
    def kuiper(self) -> Floats:
        return self.above - self.under

    @property
    def lasting_ks(self) -> Floats:
        return np.maximum(self.lasting_above, -self.lasting_under)

    @property
    def lasting_kuiper(self) -> Floats:
        return self.lasting_above - self.lasting_under


def compare(stack: Stack, parts: Sequence[Counts], *, within: bool = False) -> Deviations:
    """A window, as its one part or its two halves, against the stack's fixed distributions.

    ``within``: the window is a part of what is fixed, and is compared with the rest of it.
    A half without rows says nothing, and the other one stands for both.
    """
    met, counts = aligned(parts)
    cuts = np.searchsorted(met, stack.offsets)
    met = met[: cuts[-1]]
    held = [_Part.of(count[: cuts[-1]], cuts) for count in counts]
    rows = np.sum([part.rows for part in held], axis=0)
    after = [part.behind - stack.up_to[met] for part in held]
    ahead = [part.before - stack.below[met] for part in held]
    spread = _Spread(cuts, [_ratio(part.rows, rows) for part in held])
    if within:
        odds = spread.over(_ratio(rows, stack.sizes - rows))
        after = spread.against_rest(after, odds)
        ahead = spread.against_rest(ahead, odds)
    above = spread.highest(spread.whole(after))
    under = -spread.highest(-spread.whole(ahead))
    if len(held) == 1:
        return Deviations(rows, above, under, above, under)
    both = (held[0].rows > 0) & (held[1].rows > 0)
    lasting_above = spread.highest(np.minimum(*after))
    lasting_under = -spread.highest(-np.maximum(*ahead))
    return Deviations(
        rows,
        above,
        under,
        np.where(both, lasting_above, above),
        np.where(both, lasting_under, under),
    )


def bound(stack: Stack, parts: Sequence[Counts]) -> Deviations:
    """A window like that of ``compare``: none of its deviations can exceed these."""
    if not stack.names:
        return Deviations(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(4)))
    groups = stack.groups
    run = np.sum([_before(part, groups.edges) for part in parts], axis=0)
    at, lengths = run[groups.starts], np.diff(groups.starts)
    rows = np.diff(at)
    base, scale = np.repeat(at[:-1], lengths), np.repeat(1.0 / np.maximum(rows, 1), lengths)
    after = (run[1:] - base) * scale - groups.up_to_first
    ahead = (run[:-1] - base) * scale - groups.below_last
    above = np.maximum(np.maximum.reduceat(after, groups.starts[:-1]), 0.0) + ROUNDING
    under = np.minimum(np.minimum.reduceat(ahead, groups.starts[:-1]), 0.0) - ROUNDING
    return Deviations(rows, above, under, above, under)


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


def _ratio(part: Ints, whole: Ints) -> Floats:
    return np.divide(part, whole, where=whole > 0, out=np.zeros(part.size))
