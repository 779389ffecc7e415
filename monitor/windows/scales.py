"""Windows of 1, 2, 4, 8, … panes, each sliding by half its length.

Theory of operation
-------------------
A large shift is visible in a small window at once, a small shift only in a large window. So all
lengths are tested. A window is two adjacent *blocks*, and a block of ``2^k`` panes, aligned to its
own length, is the sum of two blocks of half its length::

    panes      0  1  2  3  4  5  6  7
    blocks     [01]  [23]  [45]  [67]          level 1
               [ 0123 ]    [ 4567 ]            level 2
    windows of four panes: 01|23, 23|45, 45|67

So a pane that closes costs about three windows for any longest scale, and only two or three blocks
of each level are kept: memory grows with the logarithm of the longest scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from monitor.counts.counts import Counts

BlockSums = dict[tuple[int, int], Counts]  # by level and number of the block


@dataclass(frozen=True, slots=True, eq=False)
class ScaleWindow:
    """The panes ``[start, start + panes)``, numbered since 1970, as one part or two halves."""

    panes: int
    start: int
    parts: tuple[Counts, ...]


@dataclass(slots=True, eq=False)
class Blocks:
    """Sums of aligned blocks, computed when first needed and kept while needed.

    ``pane`` returns the counts of a pane by its number. Call ``changed`` after a pane has changed.
    """

    pane: Callable[[int], Counts]
    sums: BlockSums = field(default_factory=dict)

    def ending(self, number: int, longest: int, first: int) -> Iterator[ScaleWindow]:
        """The windows of up to ``longest`` panes with this end that start at ``first`` or later."""
        self._drop_old(number)
        yield ScaleWindow(1, number, (self._block(0, number),))
        level = 0
        while 2 << level <= longest and (number - 1) << level >= first:
            before, last = self._block(level, number - 1), self._block(level, number)
            yield ScaleWindow(2 << level, (number - 1) << level, (before, last))
            if number % 2 == 0:
                return
            level, number = level + 1, number // 2

    def changed(self, number: int) -> None:
        """A pane has changed: drop the sums of the blocks that contain it."""
        for level, block in list(self.sums):
            if block == number >> level:
                del self.sums[level, block]

    def _drop_old(self, number: int) -> None:
        """Drop blocks that no window needs any more; those that are still filling are kept."""
        for level, block in list(self.sums):
            if block < (number >> level) - 2:
                del self.sums[level, block]

    def _block(self, level: int, number: int) -> Counts:
        key = (level, number)
        if key not in self.sums:
            self.sums[key] = self._sum(level, number)
        return self.sums[key]

    def _sum(self, level: int, number: int) -> Counts:
        if level == 0:
            return self.pane(number)
        return self._block(level - 1, 2 * number) + self._block(level - 1, 2 * number + 1)
