"""Closing windows once the watermark of the predictions has passed them.

All tests of a window are made when it closes, of its on-time rows alone: that is revision 0 of the
data. Late rows amend it later and open no incident.
"""

from __future__ import annotations

from monitor.events.event_time import latest
from monitor.windows.closed_windows import ClosedWindows
from monitor.windows.findings import WindowStatus
from monitor.windows.pane_closer import PaneCloser
from monitor.windows.panes import PaneStore
from monitor.windows.retraining_watch import RetrainingWatch
from monitor.windows.state import Decisions, soonest
from monitor.windows.traffic_watch import TrafficWatch

MOST_EMPTY = 3  # consecutive empty windows to publish; further ones are skipped


class DataWindows:
    """The windows of ``windows.length``, closed oldest first, along with the panes of the scales.

    ``next_start_ms`` is the window to close next (None before the first row); ``empty_run`` counts
    the windows without a row since the last one that held any.
    """

    def __init__(  # noqa: PLR0913 - the panes, and what follows from a closed one
        self,
        panes: PaneStore,
        scan: PaneCloser,
        closed: ClosedWindows,
        traffic: TrafficWatch,
        retraining: RetrainingWatch,
        decisions: Decisions,
    ) -> None:
        self.next_start_ms = decisions.next_start_ms
        self.empty_run = decisions.empty_run
        self.scan = scan
        self._windows = panes.windows
        self._panes, self._closed, self._traffic = panes, closed, traffic
        self._retraining = retraining

    def add_pane(self, pane_ms: int) -> None:
        """Start with the first window over a pane if no earlier pane held an on-time row.

        Once windows have closed, an earlier pane does not reopen them.
        """
        first_ms, over = self._panes.first_ms, self._windows.over
        if first_ms is not None and first_ms <= pane_ms:
            return
        closing = (
            first_ms is not None
            and self.next_start_ms is not None
            and self.next_start_ms > over(first_ms)[0]
        )
        if not closing:
            self.next_start_ms = over(pane_ms)[0]
        self._panes.first_ms = pane_ms

    def publish_skipped(self, pane_ms: int) -> None:
        """Publish the windows over a pane that were skipped because they were empty.

        Rows have come after all: late ones, or those of a partition that was idle.
        """
        first_ms, next_ms = self._panes.first_ms, self.next_start_ms
        if first_ms is not None and next_ms is not None:
            self._publish_between(self._windows.over(first_ms)[0], next_ms, pane_ms)

    def _publish_between(self, from_ms: int, until_ms: int, pane_ms: int) -> None:
        """Publish the windows over a pane that start in a time, unless they are kept or pruned."""
        kept_from_ms = latest(from_ms, self._panes.pruned_ms) or from_ms
        for start_ms in self._windows.over(pane_ms):
            if kept_from_ms <= start_ms < until_ms:
                self._closed.amend(start_ms)

    def close_until(self, watermark_ms: int | None) -> None:
        """Close the panes and windows that end at the watermark or earlier."""
        if watermark_ms is None:
            return
        for end_ms in self.scan.close_until(watermark_ms):
            self._close_windows(end_ms)
            self._traffic.add_pane(end_ms - self._windows.pane_ms)
            self._traffic.apply_verdicts_of_rows(end_ms)
        self._close_windows(watermark_ms)
        self._traffic.incidents.apply_verdicts(watermark_ms)

    @property
    def due_ms(self) -> int | None:
        """The end of the pane or window to close next. None if there is none so far."""
        start_ms, length_ms = self._due_start_ms(), self._windows.length_ms
        return soonest((self.scan.due_ms, None if start_ms is None else start_ms + length_ms))

    @property
    def skips_empty(self) -> bool:
        """Whether empty windows are not published any more."""
        return self.empty_run >= MOST_EMPTY

    def _due_start_ms(self) -> int | None:
        """The start of the window to publish next."""
        if self.next_start_ms is None or not self.skips_empty:
            return self.next_start_ms
        row_ms = self._panes.first_on_time(self.next_start_ms)
        return None if row_ms is None else max(self.next_start_ms, self._windows.over(row_ms)[0])

    def _close_windows(self, watermark_ms: int) -> None:
        if self.next_start_ms is None:
            return
        start_ms = self._after_empty(self.next_start_ms, watermark_ms)
        while start_ms + self._windows.length_ms <= watermark_ms:
            self._close(start_ms)
            start_ms = self._after_empty(start_ms + self._windows.slide_ms, watermark_ms)
        self.next_start_ms = start_ms

    def _after_empty(self, start_ms: int, watermark_ms: int) -> int:
        """The window to close next, from ``start_ms`` on. Publishes skipped ones with late rows."""
        next_ms = self._skip_empty(start_ms, watermark_ms)
        if next_ms > start_ms:
            for pane_ms in self._panes.panes:
                self._publish_between(start_ms, next_ms, pane_ms)
        return next_ms

    def _skip_empty(self, start_ms: int, watermark_ms: int) -> int:
        """The window to close next, from ``start_ms`` on.

        After ``MOST_EMPTY`` empty windows, it is the next that holds an on-time row, or else the
        first that is still open. The result does not depend on the steps of the watermark.
        """
        if not self.skips_empty:
            return start_ms
        last_closed_ms, slide_ms = watermark_ms - self._windows.length_ms, self._windows.slide_ms
        next_ms = last_closed_ms - last_closed_ms % slide_ms + slide_ms
        row_ms = self._panes.first_on_time(start_ms)
        if row_ms is not None:
            next_ms = min(next_ms, self._windows.over(row_ms)[0])
        return max(start_ms, next_ms)

    def _close(self, start_ms: int) -> None:
        data = self._closed.close(start_ms).data
        self._retraining.add_window(start_ms + self._windows.length_ms)
        self.empty_run = self.empty_run + 1 if data.status is WindowStatus.NO_DATA else 0
        if data.status is WindowStatus.CLOSED:
            for feature in (*data.features, *data.outputs):
                self._traffic.incidents.add_feature(feature, start_ms)
