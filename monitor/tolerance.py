"""How far a reference strays from itself: the allowance for what is not sampling noise.

Theory of operation
-------------------
Real data stray for reasons that more rows do not average away: weather, weekdays, holidays. The
reference shows how far. Its panes, in time order, are cut into half-overlapping blocks as long as
the window to be judged, and each block is compared with the rest of the reference. ``E`` is the
*persistent* part of its deviation, what both halves of the block share with one sign: what passes
within a block is no drift. Two things are learned of each length:

*tolerance*, the largest excess over sampling noise, for data whose days differ::

    tolerance(k) = max(0.6 tolerance(k / 2), max over blocks (E_b - noise_b), 0)

Only blocks with at least half as many rows as the window count: how a dozen rows of a night stray
says nothing of a noon with hundreds.

*spread*, for data with a memory inside panes, whose blocks stray as if they had far fewer rows.
The largest of a few blocks is no tail, so where there are fewer than a hundred, the root mean
square of what exceeds the expectation for independent rows is learned too, cautiously (its mean
less two standard errors). Independent blocks average away as the root of their length, and nothing
does so faster::

    spread(k)² = max(spread(k / 2)² / 2, mean(E_b² - expected_b) - 2 se, 0)

A window has to stray by more than 1.7 tolerances and 3 spreads; both figures were chosen by
measurement (``docs/statistics.md``). Beyond half the span of the reference there are too few blocks
to learn from, and what was learned of the longest stands for all longer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_BLOCKS = 4
ENOUGH_BLOCKS = 100  # whose largest reaches as far as the tail that is asked for
KEPT_FROM_BELOW = 0.6  # of the tolerance, where the length doubles
AS_MANY_ROWS = 0.5  # of the window's, in a block that tells something of it
CAUTION = 2.0  # standard errors
TOLERANCES, SPREADS = 1.7, 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """What the reference's blocks of one length told of one statistic."""

    panes: int
    rows: Ints  # shape (b,), ascending
    excess: Floats  # shape (b,): the largest among the blocks with at least as many rows
    surplus: float  # of the mean square over what independent rows would show, at least 0

    @classmethod
    def of(
        cls, panes: int, rows: Ints, persistent: Floats, noise: Floats, expected: Floats
    ) -> Blocks:
        """All of shape (b,); ``expected`` is the mean of the square for independent rows."""
        order = np.argsort(rows, kind="stable")
        excess = (persistent - noise)[order]
        largest = np.maximum.accumulate(excess[::-1])[::-1]
        return cls(panes, rows[order], largest, _surplus(np.square(persistent) - expected))

    def largest(self, rows: float) -> float:
        """The largest excess among blocks with at least half of ``rows``.

        Where no block has as many, those with the most rows stand for it.
        """
        asked = min(AS_MANY_ROWS * rows, float(self.rows[-1]))
        return float(self.excess[int(np.searchsorted(self.rows, asked))])


def _surplus(over: Floats) -> float:
    if over.size < LEAST_BLOCKS:
        return 0.0
    return max(float(over.mean() - CAUTION * over.std() / np.sqrt(over.size)), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Straying:
    """How far one statistic of one feature strays, by length; without blocks nothing is known."""

    lengths: tuple[Blocks, ...] = ()  # ascending

    @classmethod
    def of(cls, found: Iterable[Blocks]) -> Straying:
        """Lengths with fewer than four blocks have nothing to say."""
        return cls(tuple(blocks for blocks in found if blocks.rows.size >= LEAST_BLOCKS))

    def allowed(self, panes: int, rows: float) -> float:
        """What a window of ``panes`` with ``rows`` has to stray by, beyond sampling noise."""
        return max(TOLERANCES * self.tolerance(panes, rows), SPREADS * self.spread(panes))

    def tolerance(self, panes: int, rows: float) -> float:
        tolerated, length = 0.0, 1
        for blocks in self._up_to(panes):
            kept = KEPT_FROM_BELOW ** float(np.log2(blocks.panes / length))
            tolerated = max(kept * tolerated, blocks.largest(rows * blocks.panes / panes), 0.0)
            length = blocks.panes
        return tolerated

    def spread(self, panes: int) -> float:
        square, length, enough = 0.0, 1, False
        for blocks in self._up_to(panes):
            square = max(square * length / blocks.panes, blocks.surplus)
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
