"""The verdicts of the windows of all scales that end with a pane.

Detection and the backtest use the same scanner, so both decide by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.budget import Length
from monitor.counts.subjects import subject_of
from monitor.decisions.signals import WindowVerdict
from monitor.plan import Windows
from monitor.statistics.drift_rule import is_clear
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
        for window in self.blocks.ending(number, self.longest, first):
            length = Length.of_scale(window.panes)
            if length in self.scanner.levels:
                yield from self.verdicts_of(window, length, open_lengths)

    def verdicts_of(
        self, window: ScaleWindow, length: Length, open_lengths: Mapping[str, int]
    ) -> Iterator[tuple[str, WindowVerdict]]:
        """Subject and verdict of one window: those with drift, and those that it must clear."""
        start_ms = window.start * self.windows.pane_ms
        end_ms = start_ms + length.panes * self.windows.pane_ms
        scanned = self.scanner.scan(window.parts, length)
        drifted = {subject_of(cells): one for cells, one in scanned.items() if one is not None}
        for subject, tested in drifted.items():
            yield subject, WindowVerdict.of_test(tested, start_ms, end_ms)
        wanted = {name for name, panes in open_lengths.items() if panes == length.panes}
        if wanted - drifted.keys():
            for cells, tests in self.scanner.judge(window.parts, length).items():
                if (subject := subject_of(cells)) in wanted - drifted.keys():
                    verdict = WindowVerdict(None, start_ms, end_ms, is_clear(tests))
                    yield subject, verdict
