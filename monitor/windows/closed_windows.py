"""The windows of one key that have closed: their revisions, and what is published.

A window is published when it closes, when its performance becomes final, and again after each
batch that has changed it. Each publication of a changed window has a higher revision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from monitor.counts.counts import Counts, add_cells
from monitor.counts.subjects import ERROR_CELLS
from monitor.counts.summary import Part
from monitor.identity import Key
from monitor.performance.adwin_page_hinkley import Detector
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Maturity, WindowFinding
from monitor.windows.judged_windows import JudgedWindows
from monitor.windows.pane_errors import PaneErrors
from monitor.windows.panes import (
    PaneStore,
    cells_by_pane,
    prediction_count,
    some_cells_by_pane,
)
from monitor.windows.state import WindowState

DATA, PERFORMANCE = (Part.ON_TIME, Part.LATE), (Part.FINAL, Part.AMENDED)


class ClosedWindows:
    """The closed windows by their start. Every other window is still open or pruned."""

    def __init__(  # noqa: PLR0913 - the key, its reference, and what it has of both
        self,
        evaluator: Evaluator,
        key: Key,
        panes: PaneStore,
        errors: PaneErrors,
        states: Mapping[int, WindowState],
        judged: JudgedWindows,
        life: int = 0,
    ) -> None:
        self.states = dict(states)
        self.published: list[WindowFinding] = []
        self.errors, self.judged = errors, judged
        self._evaluator, self._key, self._panes, self._life = evaluator, key, panes, life
        self._windows = evaluator.plan.windows
        # Windows that have changed since they were last published.
        self._changed_data: set[int] = set()
        self._changed_performance: set[int] = set()

    def pane_changed(self, pane_ms: int, part: Part) -> None:
        """Mark the closed windows over a pane as changed."""
        changed = self._changed_performance if part in PERFORMANCE else self._changed_data
        over = self._windows.over(pane_ms)
        changed.update(start_ms for start_ms in over if start_ms in self.states)

    def amend(self, start_ms: int) -> None:
        """Publish a window that was not published when it closed, unless it is kept already."""
        if start_ms not in self.states:
            self._keep(start_ms)
            self._changed_data.add(start_ms)

    def close(self, start_ms: int) -> WindowFinding:
        """Publish a window for the first time."""
        self._keep(start_ms)
        finding = self._finding(start_ms)
        self._publish(finding)
        if self._panes.window_has(start_ms, Part.LATE):
            self._changed_data.add(start_ms)
        return finding

    def finish(self, start_ms: int) -> WindowFinding:
        """Make the performance of a window final and publish it."""
        self.states[start_ms] = replace(self.states[start_ms], final=True)
        self._changed_performance.add(start_ms)
        self._count_revisions(start_ms)
        finding = self._finding(start_ms, amended=False)
        self.judged.forget(start_ms)
        self._publish(finding)
        if any(self._panes.window_has(start_ms, part) for part in (Part.AMENDED, Part.LATE)):
            self._changed_performance.add(start_ms)
        return finding

    @property
    def unfinished_end_ms(self) -> int | None:
        """The end of the oldest window without final performance."""
        starts = (start_ms for start_ms, window in self.states.items() if not window.final)
        first_ms = min(starts, default=None)
        return None if first_ms is None else first_ms + self._windows.length_ms

    @property
    def first_final_ms(self) -> int | None:
        """The start of the oldest window with final performance."""
        starts = (start_ms for start_ms, window in self.states.items() if window.final)
        return min(starts, default=None)

    def unfinished(self, until_ms: int) -> list[int]:
        """Windows that end at ``until_ms`` or earlier without final performance, oldest first."""
        starts = (start_ms for start_ms, window in self.states.items() if not window.final)
        return sorted(ms for ms in starts if ms + self._windows.length_ms <= until_ms)

    def publish_changed(self) -> None:
        """Publish the closed windows that have changed."""
        for start_ms in sorted(self._changed_data | self._changed_performance):
            self._count_revisions(start_ms)
            self._publish(self._finding(start_ms))

    def prune(self, before_ms: int) -> None:
        """Drop the final windows that start before a moment."""
        self.states = {
            start_ms: window
            for start_ms, window in self.states.items()
            if start_ms >= before_ms or not window.final
        }

    def _keep(self, start_ms: int) -> None:
        complete = self._panes.is_complete_from(start_ms)
        self.states[start_ms] = WindowState(complete=complete)

    def _count_revisions(self, start_ms: int) -> None:
        """Increase the revisions of what has changed.

        Late rows change the coverage, so they change the performance of a final window, too.
        """
        window, data = self.states[start_ms], start_ms in self._changed_data
        performance = start_ms in self._changed_performance or (data and window.final)
        self.states[start_ms] = replace(
            window,
            data_revision=window.data_revision + data,
            performance_revision=window.performance_revision + performance,
        )
        self._changed_data.discard(start_ms)
        self._changed_performance.discard(start_ms)

    def _publish(self, finding: WindowFinding) -> None:
        detectors: tuple[Detector, ...] = ()
        if finding.performance.status is Maturity.FINAL:
            detectors = self.errors.detectors(finding.start_ms, finding.end_ms)
        self.published.append(replace(finding, detectors=detectors))

    def _finding(self, start_ms: int, *, amended: bool = True) -> WindowFinding:
        """The finding of a window; without ``amended``, of its final performance only."""
        window, evaluator = self.states[start_ms], self._evaluator
        panes = self._panes.of_window(start_ms)
        labelled = cells_by_pane(panes, PERFORMANCE if amended else PERFORMANCE[:1])
        predicted = some_cells_by_pane(
            panes, DATA if amended else DATA[:1], ("rows", *evaluator.profile.schema.outputs)
        )
        return WindowFinding(
            self._key,
            start_ms,
            start_ms + self._windows.length_ms,
            self.judged.judge(
                start_ms,
                panes,
                DATA if window.data_revision else DATA[:1],
                [_only_errors(cells) for cells in labelled],
                complete=window.complete,
                revision=window.data_revision,
            ),
            evaluator.judge_performance(
                labelled,
                prediction_count(predicted, labelled),
                status=Maturity.FINAL if window.final else Maturity.PROVISIONAL,
                revision=window.performance_revision,
                predictions=add_cells(predicted),
            ),
            life=self._life,
        )


def _only_errors(cells: Mapping[str, Counts]) -> dict[str, Counts]:
    return {name: counts for name, counts in cells.items() if name in ERROR_CELLS}
