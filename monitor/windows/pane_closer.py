"""Closing panes in order, with a test of the windows of all scales that end with each."""

from __future__ import annotations

from collections.abc import Iterator

from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.panes import PaneStore
from monitor.windows.scale_scanner import ScaleScanner
from monitor.windows.scales import BlockSums


class PaneCloser:
    """One part of the panes (on-time rows, or final labels), closed oldest first."""

    def __init__(
        self,
        scales: ScaleScanner,
        reach_ms: int,
        panes: PaneStore,
        incidents: IncidentTracker,
        next_ms: int | None,
    ) -> None:
        self.next_ms = next_ms  # the pane to close next; None before the first
        self._scales, self._reach_ms = scales, reach_ms  # of the longest window of any length
        self._panes, self._incidents = panes, incidents
        self._pane_ms = panes.windows.pane_ms

    @property
    def sums(self) -> BlockSums:
        return self._scales.blocks.sums

    def changed(self, pane_ms: int) -> None:
        """A pane holds more than before."""
        self._scales.blocks.changed(pane_ms // self._pane_ms)

    def close_until(self, watermark_ms: int) -> Iterator[int]:
        """The ends of the panes that a watermark has passed, each after its scales were tested."""
        for pane_ms in self._panes.due(self.next_ms, watermark_ms, self._reach_ms):
            self._test_scales(pane_ms)
            yield pane_ms + self._pane_ms
            self.next_ms = pane_ms + self._pane_ms

    @property
    def due_ms(self) -> int | None:
        """The end of the pane to close next. None if there is none so far."""
        pane_ms = self._panes.next_due(self.next_ms, self._reach_ms)
        return None if pane_ms is None else pane_ms + self._pane_ms

    def needed_from_ms(self) -> int | None:
        """The first pane that a window still to be tested may hold. None before the first row."""
        next_ms = self._panes.first_ms if self.next_ms is None else self.next_ms
        return None if next_ms is None else next_ms - self._reach_ms

    def _test_scales(self, pane_ms: int) -> None:
        complete_ms = self._panes.complete_from_ms
        if complete_ms is None or pane_ms < complete_ms:
            return
        first = -(-complete_ms // self._pane_ms)
        lengths = self._incidents.known.clear_panes(self._pane_ms)
        for subject, verdict in self._scales.verdicts(pane_ms // self._pane_ms, first, lengths):
            self._incidents.add(subject, verdict)
