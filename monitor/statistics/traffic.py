"""Traffic: is the number of rows in a window lower or higher than the reference's own windows show?

Theory of operation
-------------------
Rows per window vary by the hour, the weekday and the weather, far more than independent arrivals
would, so the reference itself is the measure. Its panes are cut into half-overlapping blocks as
long as the window. With ``y = sqrt(n + 3/8)``, which has a standard deviation of 1/2 for Poisson
counts of any mean (Anscombe 1948), a window of ``n`` rows is too low or too high if ::

    |y - mean(y_b)| > max(t(alpha / 2, B - 1) * s * sqrt(1 + 1 / B), 1.2 * largest |y_b - mean|)

``B`` is the number of blocks that do not overlap, ``s`` the standard deviation of all ``y_b``, at
least 1/2. The first limit is the prediction interval of one more observation; it is exact for
independent normal blocks. The second keeps what the reference has shown itself, on that side. With
fewer than eight blocks, and for changes of less than a tenth, nothing is reported.

*No rows*: the reference shows gaps, runs of panes without a row. A gap that is twice as long as the
longest of them, and a pane longer, is reported. If panes without rows are independent of each
other, about one gap in ``P`` references is as long by chance, ``P`` being the number of its panes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from monitor.budget import Length, Levels
from monitor.plan import CLEAR
from monitor.statistics.drift_rule import Severity
from monitor.statistics.natural_variation import block_starts

MIN_BLOCKS = 8  # that do not overlap
EXTREME = 1.2  # times the largest deviation of a block of the reference
MIN_CHANGE = 0.1  # relative to the mean of the blocks
CRITICAL_RATIO = 2.0  # at least twice as many rows as in the reference, or at most half as many
POISSON_DEVIATION = 0.5  # of the square root of a count


@dataclass(frozen=True, slots=True)
class RowLimits:
    """The rows that a window may have: no fewer than ``low``, no more than ``high``."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """The rows of the reference's blocks of one length."""

    blocks: int  # that do not overlap
    rows: float  # mean
    root: float  # mean of the square roots
    deviation: float  # standard deviation of the square roots
    lowest: float  # smallest square root
    highest: float

    @classmethod
    def of(cls, rows: Sequence[int], panes: int) -> RowBlocks | None:
        """Of the rows of consecutive panes. None with fewer than ``MIN_BLOCKS`` blocks."""
        if len(rows) // panes < MIN_BLOCKS:
            return None
        sums = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)])
        starts = np.array(block_starts(panes, len(rows)))
        counts = sums[starts + panes] - sums[starts]
        roots = np.sqrt(counts + 0.375)
        return cls(
            len(rows) // panes,
            float(counts.mean()),
            float(roots.mean()),
            max(float(roots.std(ddof=1)), POISSON_DEVIATION),
            float(roots.min()),
            float(roots.max()),
        )

    def limits(self, alpha: float) -> RowLimits:
        """The limits that a window passes with probability ``alpha`` without any change."""
        quantile = float(stdtrit(self.blocks - 1, 1 - alpha / 2))
        noise = quantile * self.deviation * sqrt(1 + 1 / self.blocks)
        below = max(noise, EXTREME * (self.root - self.lowest))
        above = max(noise, EXTREME * (self.highest - self.root))
        return RowLimits(
            min(max(self.root - below, 0.0) ** 2 - 0.375, (1 - MIN_CHANGE) * self.rows),
            max((self.root + above) ** 2 - 0.375, (1 + MIN_CHANGE) * self.rows),
        )


@dataclass(frozen=True, slots=True)
class RowsFinding:
    """The number of rows of one window, compared with the reference."""

    rows: int
    expected: float  # rows, the mean of the reference's blocks
    limits: RowLimits  # of a warning
    severity: Severity | None

    @property
    def is_low(self) -> bool:
        return self.rows < self.limits.low

    @property
    def is_clear(self) -> bool:
        """Whether it is no further from the mean than ``CLEAR`` of the way to a limit."""
        low, high = self.limits.low - self.expected, self.limits.high - self.expected
        return CLEAR * low <= self.rows - self.expected <= CLEAR * high


@dataclass(frozen=True, slots=True, eq=False)
class TrafficCheck:
    """Tests the number of rows of windows. ``blocks`` holds the lengths that can be tested."""

    blocks: Mapping[Length, RowBlocks]
    levels: Mapping[Length, Levels]
    longest_gap: int  # panes

    @classmethod
    def of(cls, rows: Sequence[int], levels: Mapping[Length, Levels]) -> TrafficCheck:
        """``rows`` of the consecutive panes of the reference.

        The first and the last pane may be cut off in their middle, so they do not count.
        """
        whole = rows[1:-1]
        found = {length: RowBlocks.of(whole, length.panes) for length in levels}
        blocks = {length: one for length, one in found.items() if one is not None}
        gaps = (sum(1 for _ in of) for empty, of in groupby(whole, lambda n: n == 0) if empty)
        return cls(blocks, levels, max(gaps, default=0))

    @property
    def gap_panes(self) -> int:
        """The panes without a row that are reported."""
        return 2 * self.longest_gap + 2

    def judge(self, rows: int, length: Length) -> RowsFinding | None:
        """None for a length that cannot be tested."""
        blocks = self.blocks.get(length)
        if blocks is None:
            return None
        levels = self.levels[length]
        limits = blocks.limits(levels.warning)
        if limits.low <= rows <= limits.high:
            return RowsFinding(rows, blocks.rows, limits, None)
        strict = blocks.limits(levels.critical)
        ratio = max(rows, blocks.rows) / max(min(rows, blocks.rows), 1e-12)
        critical = not strict.low <= rows <= strict.high and ratio >= CRITICAL_RATIO
        severity = Severity.CRITICAL if critical else Severity.WARNING
        return RowsFinding(rows, blocks.rows, limits, severity)
