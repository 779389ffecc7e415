"""The verdicts of the windows of all scales that end with a pane.

Detection and the backtest use the same scanner, so both decide by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.budget import Length
from monitor.counts.subjects import subject_of
from monitor.decisions.signals import WindowVerdict
from monitor.plan import Windows
from monitor.statistics.scanner import Scanner
from monitor.windows.scales import Blocks, ScaleWindow


@dataclass(frozen=True, slots=True, eq=False)
class ScaleScanner:
    """Tests the windows of 1, 2, 4, ... panes over the panes that ``blocks`` sums."""

    scanner: Scanner
    windows: Windows
    longest: int  # panes in a window of the largest scale
    blocks: Blocks

    def verdicts(
        self, number: int, first: int, open_lengths: Mapping[str, int]
    ) -> Iterator[tuple[str, WindowVerdict]]:
        """Subject and verdict of every window that ends with pane ``number`` and says something.

        Panes are numbered since 1970; no window starts before pane ``first``. A length without
        levels, between the largest scale and a longer ``windows.length``, is not tested.
        ``open_lengths`` has the subjects with an incident, and how long the windows are, in panes,
        that show whether it is over.
        """
        ending = self.blocks.ending(number, self.longest, first)
        each = [(window, Length.of_scale(window.panes)) for window in ending]
        tested = [(window, length) for window, length in each if length in self.scanner.levels]
        yield from self.verdicts_of(tested, open_lengths)

    def verdicts_of(
        self, windows: Sequence[tuple[ScaleWindow, Length]], open_lengths: Mapping[str, int]
    ) -> Iterator[tuple[str, WindowVerdict]]:
        """Subject and verdict of some windows: those with drift, and those that they must clear."""
        scanned = self.scanner.scan_each([(window.parts, length) for window, length in windows])
        for (window, length), found in zip(windows, scanned, strict=True):
            start_ms = window.start * self.windows.pane_ms
            end_ms = start_ms + length.panes * self.windows.pane_ms
            waiting = []  # for a window of this length that shows whether their incident is over
            for cells, tested in found.items():
                subject = subject_of(cells)
                if tested is not None:
                    yield subject, WindowVerdict.of_test(tested, start_ms, end_ms)
                elif open_lengths.get(subject) == length.panes:
                    waiting.append(cells)
            cleared = self.scanner.clear(window.parts, length, waiting) if waiting else ()
            for cells, clear in cleared:
                yield subject_of(cells), WindowVerdict(None, start_ms, end_ms, clear)
