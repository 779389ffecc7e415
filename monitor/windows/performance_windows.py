"""Finishing windows once their labels have had their time (``time.label_wait``).

The errors of the panes are tested at all scales, and performance and coverage of a closed window
become final. Labels that come later amend the window and open no incident.
"""

from __future__ import annotations

from monitor.windows.closed_windows import ClosedWindows
from monitor.windows.evaluator import Evaluator
from monitor.windows.pane_closer import PaneCloser
from monitor.windows.panes import PaneStore
from monitor.windows.performance_signals import coverage_verdicts, metric_verdicts
from monitor.windows.state import soonest
from monitor.windows.traffic_watch import TrafficWatch


class PerformanceWindows:
    """The closed windows, finished oldest first, along with the errors of the panes."""

    def __init__(
        self,
        evaluator: Evaluator,
        panes: PaneStore,
        scan: PaneCloser | None,
        closed: ClosedWindows,
        traffic: TrafficWatch,
    ) -> None:
        self.scan = scan  # None: the reference has no labels
        self._evaluator, self._panes = evaluator, panes
        self._closed, self._traffic = closed, traffic

    def finish_until(self, final_ms: int | None) -> None:
        """Finish the panes and windows that end at ``final_ms`` or earlier."""
        if final_ms is None:
            return
        if self.scan is not None:
            for end_ms in self.scan.close_until(final_ms):
                self._closed.errors.add_pane(end_ms - self._panes.windows.pane_ms)
                self._finish_windows(end_ms)
                self._traffic.apply_verdicts_of_labels(end_ms)
        self._finish_windows(final_ms)
        self._traffic.incidents.apply_verdicts(final_ms)

    @property
    def due_ms(self) -> int | None:
        """The end of the pane or window to finish next. None if there is none so far."""
        pane_ms = None if self.scan is None else self.scan.due_ms
        return soonest((pane_ms, self._closed.unfinished_end_ms))

    def _finish_windows(self, final_ms: int) -> None:
        for start_ms in self._closed.unfinished(final_ms):
            self._finish(start_ms)

    def _finish(self, start_ms: int) -> None:
        finding = self._closed.finish(start_ms)
        if not self._closed.states[start_ms].complete or self._traffic.is_past_rows(finding.end_ms):
            return
        for errors in finding.data.errors:
            self._traffic.incidents.add_feature(errors, start_ms)
        verdicts = metric_verdicts(self._evaluator, self._panes, finding)
        verdicts.update(coverage_verdicts(self._evaluator, self._panes, finding))
        self._traffic.incidents.apply(verdicts, start_ms, finding.end_ms)
