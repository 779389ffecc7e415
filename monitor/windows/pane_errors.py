"""The error rates of final panes, for the detectors that are shown beside the verdicts."""

from __future__ import annotations

from dataclasses import replace

from monitor.counts.counts import Counts
from monitor.counts.summary import Part
from monitor.counts.task import Task
from monitor.performance.adwin_page_hinkley import DETECTORS, Detector, ErrorScale, detects
from monitor.windows.panes import PaneStore
from monitor.windows.state import ErrorHistory

LEAST_LABELS = 30  # in one error rate: panes with fewer labels are taken together
MOST_ERRORS = 200  # error rates that a detector looks back on
MOST_DETECTIONS = 100  # that are remembered: of each detector, the newest


class PaneErrors:
    """Each final pane is added once, in time order.

    A detector reads the error rates since its own last detection. So what it finds at a pane
    depends on the panes up to there alone, and is decided once.
    """

    def __init__(
        self, task: Task, scale: ErrorScale | None, panes: PaneStore, history: ErrorHistory
    ) -> None:
        self.history = history
        self._task, self._scale, self._panes = task, scale, panes

    def add_pane(self, pane_ms: int) -> None:
        """Add the pane that starts at ``pane_ms`` once its labels have had their time."""
        labels, wrong = self._outcomes(pane_ms)
        if self._scale is None or labels == 0:
            return
        history = self.history
        labels, wrong = labels + history.labels, wrong + history.wrong
        self.history = replace(history, labels=labels, wrong=wrong)
        if labels >= LEAST_LABELS:
            end_ms = pane_ms + self._panes.windows.pane_ms
            self._add_error(end_ms, self._scale.standardized(wrong, labels))

    def detectors(self, start_ms: int, end_ms: int) -> tuple[Detector, ...]:
        """The detectors at the end of a window."""
        return tuple(self._detector(name, start_ms, end_ms) for name in DETECTORS)

    def _outcomes(self, pane_ms: int) -> tuple[int, int]:
        """Final labels of a pane, and the sum of the errors of their predictions."""
        (pane,) = self._panes.between(pane_ms, pane_ms + 1)
        cells = {} if pane is None else pane.cells.get(Part.FINAL, {})
        return cells.get("outcomes", Counts.empty()).size, self._task.pane_errors(cells)

    def _add_error(self, end_ms: int, error: float) -> None:
        errors = dict(sorted({**self.history.errors, end_ms: error}.items())[-MOST_ERRORS:])
        detections = dict(self.history.detections)
        for name in DETECTORS:
            earlier = detections.get(name, ())
            since = [each for at, each in errors.items() if not earlier or at > earlier[-1]]
            if detects(name, since):
                detections[name] = (*earlier, end_ms)[-MOST_DETECTIONS:]
        self.history = ErrorHistory(errors, detections)

    def _detector(self, name: str, start_ms: int, end_ms: int) -> Detector:
        earlier = (at for at in self.history.detections.get(name, ()) if at <= end_ms)
        at = max(earlier, default=None)
        return Detector(name, at is not None and at > start_ms, at)
