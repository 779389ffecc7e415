"""Natural variation: how far parts of a reference lie from the rest of it, beyond sampling noise.

Theory of operation
-------------------
Real data vary for reasons that more rows do not average away: weather, weekdays, holidays. The
reference shows how much. Its panes, in time order, are cut into half-overlapping blocks as long as
the window to be tested, and each block is compared with the rest of the reference. ``E`` is the
*persistent* part of its deviation: what both halves of the block have, with the same sign. Two
figures are learned for each length:

*Block excess*: the largest excesses over sampling noise, for data whose days differ. The mean of
the five largest is as informative as the largest alone and depends less on a single day. For
proportions, which may deviate on one day only, the largest is used::

    block_excess(k) = max(0.6 block_excess(k / 2), mean of the largest (E_b - noise_b), 0)

Only blocks with at least half as many rows as the window count: a block of a few rows at night says
nothing about a window of hundreds at noon.

*Overdispersion*: for data that depend on each other within panes, whose blocks vary as if they had
far fewer rows. The largest of a few blocks do not estimate a tail. So with fewer than 200 blocks
the root of the mean square beyond that of independent rows is used as well, as a cautious estimate
(the mean minus two standard errors). Independent blocks average away with the square root of their
length, and nothing does so faster::

    overdispersion(k)² = max(overdispersion(k / 2)² / 2, mean(E_b² - expected_b) - 2 se, 0)

The allowance of a window is a multiple of either figure, whichever is larger
(``VariationFactors``). The factors were chosen by measurement (``docs/statistics.md``). Windows
longer than half the reference use what was learned from the longest blocks.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_BLOCKS = 4
ENOUGH_BLOCKS = 200  # the largest of so many estimate the tail, and no overdispersion is added
FEW_BLOCKS = 30  # with fewer, a larger factor applies
EXCESS_DECAY = 0.6  # of the block excess, from one length to twice that length
MIN_ROWS_RATIO = 0.5  # rows of a block over rows of the window, for the block to count
CAUTION = 2.0  # standard errors
PERSISTENT_SQUARE_OF_NORMAL = 1 - 2 / np.pi  # mean square of the persistent part of a normal mean


@dataclass(frozen=True, slots=True)
class VariationFactors:
    """The multiples of block excess and overdispersion that a window is allowed."""

    averaged: int  # number of the largest excesses whose mean is the block excess
    excess: float
    excess_of_few: float  # the same with fewer than ``FEW_BLOCKS`` blocks
    overdispersion: float


EDF_FACTORS = VariationFactors(5, 2.2, 2.6, 3.2)
PROPORTION_FACTORS = VariationFactors(1, 1.7, 1.7, 3.0)
RANK_FACTORS = VariationFactors(5, 4.5, 5.4, 5.0)  # a normal tail is longer than that of a distance


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """What the reference's blocks of one length show about one statistic."""

    panes: int
    rows: Ints  # shape (b,), ascending
    excess: Floats  # shape (b,): mean of the largest, of the blocks with as many rows or more
    excess_square: float  # mean square beyond that of independent rows, at least 0

    @classmethod
    def of(  # noqa: PLR0913 - the figures of each block, and the factors
        cls,
        panes: int,
        rows: Ints,
        persistent: Floats,
        noise: Floats,
        expected_square: Floats,
        factors: VariationFactors,
    ) -> Blocks:
        """All of shape (b,); ``expected_square`` is that of ``persistent`` for independent rows."""
        order = np.argsort(rows, kind="stable")
        excess = _mean_of_largest((persistent - noise)[order], factors.averaged)
        return cls(
            panes, rows[order], excess, _cautious_mean(np.square(persistent) - expected_square)
        )

    def largest_excess(self, rows: float) -> float:
        """The mean of the largest excesses among blocks with at least half of ``rows``.

        If no block has as many, among the blocks with the most rows.
        """
        least = min(MIN_ROWS_RATIO * rows, float(self.rows[-1]))
        return float(self.excess[int(self.rows.searchsorted(least))])


def _mean_of_largest(excess: Floats, averaged: int) -> Floats:
    """For each position, the mean of the largest from there to the end (of all, if fewer)."""
    largest: list[float] = []
    means, mean = np.empty(excess.size), 0.0
    for i, value in reversed(list(enumerate(excess.tolist()))):
        if len(largest) < averaged or value > largest[0]:
            insort(largest, value)
            del largest[:-averaged]
            mean = sum(largest) / len(largest)
        means[i] = mean
    return means


def _cautious_mean(values: Floats) -> float:
    """The mean minus two standard errors, at least 0; 0 with fewer than four values."""
    if values.size < MIN_BLOCKS:
        return 0.0
    return max(float(values.mean() - CAUTION * values.std() / np.sqrt(values.size)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class NaturalVariation:
    """The natural variation of one statistic of one feature, by length; 0 without blocks."""

    lengths: tuple[Blocks, ...] = ()  # ascending
    factors: VariationFactors = EDF_FACTORS

    @classmethod
    def of(cls, lengths: Iterable[Blocks], factors: VariationFactors) -> NaturalVariation:
        """Lengths with fewer than four blocks are left out."""
        return cls(tuple(b for b in lengths if b.rows.size >= MIN_BLOCKS), factors)

    def allowance(self, panes: int, rows: float) -> float:
        """The persistent deviation beyond noise that a window of this size may have."""
        blocks = min((b.rows.size for b in self._chain(panes)), default=0)
        few = blocks < FEW_BLOCKS
        factor = self.factors.excess_of_few if few else self.factors.excess
        return max(
            factor * self.block_excess(panes, rows),
            self.factors.overdispersion * self.overdispersion(panes),
        )

    def block_excess(self, panes: int, rows: float) -> float:
        excess, length = 0.0, 1
        for blocks in self._chain(panes):
            decay = _excess_decay(blocks.panes / length)
            largest = blocks.largest_excess(rows * blocks.panes / panes)
            excess = max(decay * excess, largest, 0.0)
            length = blocks.panes
        return excess

    def overdispersion(self, panes: int) -> float:
        square, length, enough = 0.0, 1, False
        for blocks in self._chain(panes):
            square = max(square * length / blocks.panes, blocks.excess_square)
            length, enough = blocks.panes, blocks.rows.size >= ENOUGH_BLOCKS
        return 0.0 if enough else float(np.sqrt(square))

    def _chain(self, panes: int) -> Iterator[Blocks]:
        """The blocks of ``panes``, after those of 1, 2, 4, ... panes below ``panes``."""
        for blocks in self.lengths:
            if blocks.panes == panes or (blocks.panes < panes and blocks.panes.bit_count() == 1):
                yield blocks


@lru_cache
def _excess_decay(ratio: float) -> float:
    """From one length of windows to one that is ``ratio`` times as long."""
    return float(EXCESS_DECAY ** float(np.log2(ratio)))


def block_starts(panes: int, reference_panes: int) -> range:
    """The first panes of the half-overlapping blocks of ``panes`` in a reference."""
    return range(0, reference_panes - panes + 1, max(1, panes // 2))


def learnable(lengths: Sequence[int], reference_panes: int) -> list[int]:
    """The lengths, in panes, of which a reference has blocks: up to half its span."""
    return sorted(panes for panes in set(lengths) if 2 * panes <= reference_panes)
