"""The error rates of final windows, for the detectors that are shown beside the verdicts."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.performance.adwin_page_hinkley import Detector, detect
from monitor.windows.findings import WindowFinding

MOST_ERRORS = 200  # windows that ADWIN and Page-Hinkley look back on
LEAST_LABELS = 30  # in such a window: fewer say nothing, and they would take them at their word


class WindowErrors:
    """Error rates of windows side by side: those that overlap hold the same rows twice."""

    def __init__(self, length_ms: int, errors: Mapping[int, float]) -> None:
        self.errors = errors
        self._length_ms = length_ms

    def add(self, finding: WindowFinding) -> None:
        if self.errors and finding.start_ms < max(self.errors) + self._length_ms:
            return
        performance = finding.performance
        accuracy = performance.metrics["accuracy"].metric.value
        if accuracy is not None and performance.labels >= LEAST_LABELS:
            newest = sorted({**self.errors, finding.start_ms: 1 - accuracy}.items())
            self.errors = dict(newest[-MOST_ERRORS:])

    def detectors(self, until_ms: int) -> tuple[Detector, ...]:
        return detect({at: error for at, error in self.errors.items() if at <= until_ms})
