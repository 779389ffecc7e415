"""How far a reference strays from itself: the allowance for what is not sampling noise.

Theory of operation
-------------------
Real data stray for reasons that more rows do not average away: weather, weekdays, holidays. The
reference shows how far. Its panes, in time order, are cut into half-overlapping blocks as long as
the window to be judged, and each block is compared with the rest of the reference. ``E`` is the
*persistent* part of its deviation, what both halves of the block share with one sign: what passes
within a block is no drift. Two things are learned of each length:

*tolerance*, the largest excesses over sampling noise, for data whose days differ. The mean of the
five largest says as much as the largest alone, and depends less on a single day; of shares, which
may stray on a single day and never else, it is the largest::

    tolerance(k) = max(0.6 tolerance(k / 2), mean of the largest (E_b - noise_b), 0)

Only blocks with at least half as many rows as the window count: how a dozen rows of a night stray
says nothing of a noon with hundreds.

*spread*, for data with a memory inside panes, whose blocks stray as if they had far fewer rows.
The largest of a few blocks are no tail, so where there are fewer than 200, the root mean square of
what exceeds the expectation for independent rows is learned too, cautiously (its mean less two
standard errors). Independent blocks average away as the root of their length, and nothing does so
faster::

    spread(k)² = max(spread(k / 2)² / 2, mean(E_b² - expected_b) - 2 se, 0)

A window has to stray by more than some tolerances and some spreads (``Factors``), chosen by
measurement (``docs/statistics.md``). Beyond half the span of the reference there are too few blocks
to learn from, and what was learned of the longest stands for all longer ones.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_BLOCKS = 4
ENOUGH_BLOCKS = 200  # whose largest reaches as far as the tail that is asked for
FEW_BLOCKS = 30  # whose largest tell less
KEPT_FROM_BELOW = 0.6  # of the tolerance, where the length doubles
AS_MANY_ROWS = 0.5  # of the window's, in a block that tells something of it
CAUTION = 2.0  # standard errors
SHARED_BY_NORMAL = 1 - 2 / np.pi  # mean square of what two halves share of a normal mean


@dataclass(frozen=True, slots=True)
class Factors:
    """Of what the reference strays by, how much is allowed."""

    largest: int  # so many of the largest excesses are averaged
    excesses: float
    of_few: float  # the same, where there are few blocks
    overdispersions: float


OF_GAPS = Factors(5, 2.2, 2.6, 3.2)
OF_SHARES = Factors(1, 1.7, 1.7, 3.0)
OF_MEANS = Factors(5, 4.5, 5.4, 5.0)  # a normal tail reaches further than that of a gap


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """What the reference's blocks of one length told of one statistic."""

    panes: int
    rows: Ints  # shape (b,), ascending
    excess: Floats  # shape (b,): mean of the largest of the blocks with as many rows or more
    beyond_independent: (
        float  # of the mean square over what independent rows would show, at least 0
    )

    @classmethod
    def of(  # noqa: PLR0913 - what each block told, and how to remember it
        cls,
        panes: int,
        rows: Ints,
        persistent: Floats,
        noise: Floats,
        expected: Floats,
        factors: Factors,
    ) -> Blocks:
        """All of shape (b,); ``expected`` is the mean of the square for independent rows."""
        order = np.argsort(rows, kind="stable")
        largest = _largest((persistent - noise)[order], factors.largest)
        return cls(
            panes, rows[order], largest, _beyond_independent(np.square(persistent) - expected)
        )

    def largest(self, rows: float) -> float:
        """The largest excesses among blocks with at least half of ``rows``.

        Where no block has as many, those with the most rows stand for it.
        """
        asked = min(AS_MANY_ROWS * rows, float(self.rows[-1]))
        return float(self.excess[int(np.searchsorted(self.rows, asked))])


def _largest(excess: Floats, many: int) -> Floats:
    """The mean of so many of the largest from each place to the end, or of all there are."""
    kept: list[float] = []
    found = np.empty(excess.size)
    for i in range(excess.size - 1, -1, -1):
        insort(kept, float(excess[i]))
        del kept[:-many]
        found[i] = sum(kept) / len(kept)
    return found


def _beyond_independent(over: Floats) -> float:
    if over.size < LEAST_BLOCKS:
        return 0.0
    return max(float(over.mean() - CAUTION * over.std() / np.sqrt(over.size)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class NaturalVariation:
    """How far one statistic of one feature strays, by length; without blocks nothing is known."""

    lengths: tuple[Blocks, ...] = ()  # ascending
    factors: Factors = OF_GAPS

    @classmethod
    def of(cls, found: Iterable[Blocks], factors: Factors) -> NaturalVariation:
        """Lengths with fewer than four blocks have nothing to say."""
        return cls(tuple(blocks for blocks in found if blocks.rows.size >= LEAST_BLOCKS), factors)

    def allowance(self, panes: int, rows: float) -> float:
        """What a window of ``panes`` with ``rows`` has to stray by, beyond sampling noise."""
        blocks = min((of.rows.size for of in self._up_to(panes)), default=0)
        factor = self.factors.of_few if blocks < FEW_BLOCKS else self.factors.excesses
        return max(
            factor * self.block_excess(panes, rows),
            self.factors.overdispersions * self.overdispersion(panes),
        )

    def block_excess(self, panes: int, rows: float) -> float:
        tolerated, length = 0.0, 1
        for blocks in self._up_to(panes):
            kept = KEPT_FROM_BELOW ** float(np.log2(blocks.panes / length))
            tolerated = max(kept * tolerated, blocks.largest(rows * blocks.panes / panes), 0.0)
            length = blocks.panes
        return tolerated

    def overdispersion(self, panes: int) -> float:
        square, length, enough = 0.0, 1, False
        for blocks in self._up_to(panes):
            square = max(square * length / blocks.panes, blocks.beyond_independent)
            length, enough = blocks.panes, blocks.rows.size >= ENOUGH_BLOCKS
        return 0.0 if enough else float(np.sqrt(square))

    def _up_to(self, panes: int) -> Iterator[Blocks]:
        """Each twice as long as the one before, and the window's own length."""
        for blocks in self.lengths:
            if blocks.panes == panes or (blocks.panes < panes and blocks.panes.bit_count() == 1):
                yield blocks


def block_starts(panes: int, slots: int) -> range:
    """Where blocks of ``panes`` begin in a reference of ``slots`` panes, half overlapping."""
    return range(0, slots - panes + 1, max(1, panes // 2))


def learnable(lengths: Sequence[int], slots: int) -> list[int]:
    """The lengths that a reference of ``slots`` panes has blocks of: up to half its span."""
    return sorted(panes for panes in set(lengths) if 2 * panes <= slots)
