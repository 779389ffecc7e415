"""Detection: summaries in, findings out, state carried along.

    summaries -> panes -> windows of all lengths -> verdicts -> incidents

``advance`` is a pure function; the state between two calls is in ``monitor.windows.state``.

Theory of operation
-------------------
1. A summary is added to its pane (``panes``). Closed windows over that pane are marked as changed
   (``closed_windows``).
2. When the watermark of the predictions passes the end of a pane, the pane closes, and with it
   every window that ends there: the windows of all scales (``pane_closer``) and those of
   ``windows.length`` (``data_windows``). Their verdicts open, continue and resolve incidents
   (``incident_tracker``). The first publication of a window, revision 0, holds the on-time rows
   alone; whatever comes later only amends it.
3. When the labels have had their time, errors and performance are final (``performance_windows``).
4. Changed windows are published again, with a higher revision.
5. Panes and windows that no row or label can reach any more are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitor.counts.summary import Part, Summary
from monitor.events.event_time import earliest
from monitor.statistics.scanner import Scanner
from monitor.windows.closed_windows import ClosedWindows
from monitor.windows.data_windows import DataWindows
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, Transition, WindowFinding
from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.pane_closer import PaneCloser
from monitor.windows.pane_errors import PaneErrors
from monitor.windows.panes import Pane, PaneStore
from monitor.windows.performance_windows import PerformanceWindows
from monitor.windows.scale_scanner import ScaleScanner
from monitor.windows.scales import Blocks, BlockSums
from monitor.windows.state import (
    Clock,
    Decisions,
    Item,
    Key,
    State,
    Sums,
    WatermarkUpdate,
    rewindow,
    window_config,
)


def advance(
    evaluators: Mapping[Key, Evaluator], state: State, items: Iterable[Item]
) -> tuple[State, Findings]:
    """Add ``items`` to ``state``, in order. ``evaluators`` holds every model version in them.

    A model version of ``state`` without an evaluator stays as it is.
    """
    clock = state.clock
    models = {
        key: ModelDetection(
            evaluators[key], decisions, state.panes.get(key, {}), state.sums.get(key, Sums())
        )
        for key, decisions in state.decisions.items()
        if key in evaluators
    }
    for offset, item in items:
        if isinstance(item, WatermarkUpdate):
            clock = clock.updated(item)
            for model in models.values():
                model.close_until(clock)
        else:
            key = (item.model, item.version)
            if key not in models:
                models[key] = ModelDetection.new(evaluators[key])
            models[key].add(offset, item)
    for model in models.values():
        model.publish_changed()
        model.prune(clock)
    return _next_state(state, clock, models), _findings(models.values())


class ModelDetection:
    """One model version during one batch. Works on copies: the state it came from stays.

    Its parts share the panes and the incidents; each keeps the positions that it has reached.
    """

    def __init__(
        self, evaluator: Evaluator, decisions: Decisions, panes: Mapping[int, Pane], sums: Sums
    ) -> None:
        decisions = rewindow(decisions, evaluator.plan)
        self._evaluator, self._windows = evaluator, evaluator.plan.windows
        self._panes = PaneStore(
            self._windows, dict(panes), decisions.first_pane_ms, decisions.pruned_ms
        )
        self._incidents = IncidentTracker(evaluator, decisions.incidents)
        errors = PaneErrors(evaluator.error_scale, self._panes, decisions.errors)
        self._closed = ClosedWindows(evaluator, self._panes, errors, decisions.windows)
        self._data = DataWindows(
            self._panes,
            self._scan(evaluator.data, Part.ON_TIME, sums.data, decisions.next_pane_ms),
            self._closed,
            self._incidents,
            decisions,
        )
        self._performance = PerformanceWindows(
            evaluator,
            self._panes,
            None
            if evaluator.errors is None
            else self._scan(evaluator.errors, Part.FINAL, sums.errors, decisions.final_pane_ms),
            self._closed,
            self._incidents,
        )

    def _scan(
        self, scanner: Scanner, part: Part, sums: BlockSums, next_ms: int | None
    ) -> PaneCloser:
        evaluator, panes = self._evaluator, self._panes
        blocks = Blocks(lambda number: panes.counts(number, scanner.cell_index, part), dict(sums))
        scales = ScaleScanner(scanner, self._windows, evaluator.longest_scale, blocks)
        reach_ms = evaluator.longest_panes * self._windows.pane_ms
        return PaneCloser(scales, reach_ms, panes, self._incidents, next_ms)

    @classmethod
    def new(cls, evaluator: Evaluator) -> ModelDetection:
        """A model version without any summary yet."""
        return cls(evaluator, Decisions(window_config(evaluator.plan)), {}, Sums())

    def add(self, offset: int, summary: Summary) -> None:
        """Add a summary to its pane, and mark what it changes."""
        if not self._panes.add(offset, summary):
            return
        if summary.part is Part.ON_TIME:
            self._data.add_pane(summary.pane_ms)
            self._data.scan.changed(summary.pane_ms)
        elif summary.part is Part.FINAL and self._performance.scan is not None:
            self._performance.scan.changed(summary.pane_ms)
        self._closed.add(summary)

    def close_until(self, clock: Clock) -> None:
        """Close and finish every pane and window that the watermarks have passed, oldest first."""
        lateness_ms = self._evaluator.plan.time.lateness_ms
        self._data.close_until(_minus(clock.data_ms, lateness_ms))
        joined_ms = _minus(clock.joined_ms, lateness_ms)
        labels_ms = _minus(clock.labels_ms, lateness_ms + self._evaluator.label_wait_ms)
        self._performance.finish_until(earliest((joined_ms, labels_ms)))

    def publish_changed(self) -> None:
        self._closed.publish_changed()

    def prune(self, clock: Clock) -> None:
        """Drop the panes and windows that no row, label or open window can reach any more."""
        past_ms = earliest((clock.data_ms, clock.joined_ms, clock.labels_ms))
        if past_ms is None:
            return
        time, windows = self._evaluator.plan.time, self._windows
        kept_ms = max(time.accept_late_ms, time.label_horizon_ms) + self._evaluator.label_wait_ms
        horizon_ms = past_ms - time.lateness_ms - kept_ms - 2 * windows.length_ms
        scans = (self._data.scan, self._performance.scan)
        needed = [None if scan is None else scan.needed_from_ms() for scan in scans]
        open_ms = [ms for ms in needed if ms is not None]
        self._panes.prune(
            earliest((windows.pane_of(horizon_ms), self._data.next_start_ms, *open_ms))
        )
        if self._panes.pruned_ms is not None:
            self._closed.prune(self._panes.pruned_ms)

    @property
    def windows(self) -> list[WindowFinding]:
        """The windows that were published, in order."""
        return self._closed.published

    @property
    def transitions(self) -> list[Transition]:
        """The changes of incidents, in order."""
        return self._incidents.transitions

    @property
    def panes(self) -> Mapping[int, Pane]:
        return self._panes.panes

    @property
    def sums(self) -> Sums:
        errors = self._performance.scan
        return Sums(self._data.scan.sums, {} if errors is None else errors.sums)

    @property
    def decisions(self) -> Decisions:
        errors = self._performance.scan
        return Decisions(
            window_config(self._evaluator.plan),
            first_pane_ms=self._panes.first_ms,
            next_pane_ms=self._data.scan.next_ms,
            final_pane_ms=None if errors is None else errors.next_ms,
            next_start_ms=self._data.next_start_ms,
            pruned_ms=self._panes.pruned_ms,
            empty_run=self._data.empty_run,
            windows=self._closed.states,
            incidents=self._incidents.open,
            errors=self._closed.errors.history,
            first_needed=self._panes.first_offset,
        )


def _next_state(state: State, clock: Clock, models: Mapping[Key, ModelDetection]) -> State:
    return State(
        clock,
        {**state.decisions, **{key: model.decisions for key, model in models.items()}},
        {**state.panes, **{key: model.panes for key, model in models.items()}},
        {**state.sums, **{key: model.sums for key, model in models.items()}},
    )


def _findings(models: Iterable[ModelDetection]) -> Findings:
    models = list(models)
    return Findings(
        [window for model in models for window in model.windows],
        [transition for model in models for transition in model.transitions],
    )


def _minus(time_ms: int | None, span_ms: int) -> int | None:
    return None if time_ms is None else time_ms - span_ms
