"""The verdicts of the windows of all scales that end with a pane.

Detection and the backtest use the same scanner, so both decide by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitor.budget import Length
from monitor.counts.subjects import subject_of
from monitor.decisions.signals import WindowVerdict
from monitor.plan import Windows
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.scanner import Scanner
from monitor.windows.scales import Blocks, ScaleWindow


@dataclass(frozen=True, slots=True, eq=False)
class ScaleScanner:
    """Tests the windows of 1, 2, 4, ... panes over the panes that ``blocks`` sums."""

    scanner: Scanner
    windows: Windows
    longest: int  # panes in a window of the largest scale
    blocks: Blocks

    def verdicts(self, number: int, first: int) -> Iterator[tuple[str, WindowVerdict]]:
        """Subject and verdict of every window that ends with pane ``number``.

        Panes are numbered since 1970; no window starts before pane ``first``. A length without
        levels, between the largest scale and a longer ``windows.length``, is not tested.
        """
        for window in self.blocks.ending(number, self.longest, first):
            length = Length.of_scale(window.panes)
            if length in self.scanner.levels:
                yield from self.verdicts_of(window, length)

    def verdicts_of(
        self, window: ScaleWindow, length: Length
    ) -> Iterator[tuple[str, WindowVerdict]]:
        """Subject and verdict of one window.

        Windows of one pane report every subject; longer ones only those that drift, because a
        subject without drift needs no more than one verdict for each pane.
        """
        start_ms = window.start * self.windows.pane_ms
        for cells, tested in self.scanner.scan(window.parts, length).items():
            if tested is not None or window.panes == 1:
                yield subject_of(cells), window_verdict(tested, start_ms, length, self.windows)


def window_verdict(
    tested: Comparison | None, start_ms: int, length: Length, windows: Windows
) -> WindowVerdict:
    """The verdict of a window of a length: the test that found drift, or None."""
    end_ms = start_ms + length.panes * windows.pane_ms
    slide_ms = max(length.slide * windows.pane_ms, windows.slide_ms)
    return WindowVerdict(tested, start_ms, end_ms, slide_ms)
