"""Detection for one key, during one batch."""

from __future__ import annotations

from dataclasses import replace

from monitor.counts.joined_rows import JoinedRows, count_joined, own_rows
from monitor.counts.summary import Part, Summary
from monitor.decisions.incident_groups import KnownIncidents
from monitor.decisions.retraining import Decision
from monitor.events.event_time import earliest
from monitor.identity import Key
from monitor.statistics.scanner import Scanner
from monitor.windows.clocks import Clock
from monitor.windows.closed_windows import ClosedWindows
from monitor.windows.data_windows import DataWindows
from monitor.windows.evaluator import Evaluator
from monitor.windows.evidence_drawing import teller
from monitor.windows.findings import Closed, Transition, WindowFinding
from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.judged_windows import JudgedWindows
from monitor.windows.lives import Life, VersionState, life_number
from monitor.windows.model_state import ModelState
from monitor.windows.pane_closer import PaneCloser
from monitor.windows.pane_errors import PaneErrors
from monitor.windows.panes import PaneStore
from monitor.windows.performance_windows import PerformanceWindows
from monitor.windows.retraining_watch import RetrainingWatch
from monitor.windows.scale_scanner import ScaleScanner
from monitor.windows.scales import Blocks, BlockSums
from monitor.windows.state import (
    Computed,
    Decisions,
    Due,
    Times,
    rewindow,
    soonest,
    window_config,
)
from monitor.windows.traffic_watch import TrafficWatch


class ModelDetection:
    """One key during one batch. Works on copies: the state it came from stays.

    Its parts share the panes and the incidents; each keeps the positions that it has reached.
    """

    def __init__(
        self, evaluator: Evaluator, key: Key, model: ModelState, life: Life | None = None
    ) -> None:
        decisions, computed = rewindow(model.decisions, evaluator.plan), model.computed
        self._before, number = model, life_number(life)
        self._evaluator, self._windows = evaluator, evaluator.plan.windows
        self._panes = PaneStore(
            self._windows, dict(model.panes), decisions.first_pane_ms, decisions.pruned_ms
        )
        tell = teller(evaluator, self._panes)
        known = KnownIncidents(decisions.incidents, decisions.recent_incidents)
        self._incidents = IncidentTracker(evaluator.plan, key, known, tell, number)
        self._traffic = TrafficWatch(
            evaluator, self._panes, self._incidents, decisions.traffic, is_shadow=_is_shadow(life)
        )
        judged = JudgedWindows(evaluator, dict(computed.windows))
        self._closed = ClosedWindows(
            evaluator, key, self._panes, self._errors(decisions), decisions.windows, judged, number
        )
        self._retraining = self._watch_retraining(key, decisions)
        self._data = DataWindows(
            self._panes,
            self._scan(evaluator.data, Part.ON_TIME, computed.data, decisions.next_pane_ms),
            self._closed,
            self._traffic,
            self._retraining,
            decisions,
        )
        self._performance = PerformanceWindows(
            evaluator,
            self._panes,
            None
            if evaluator.errors is None
            else self._scan(evaluator.errors, Part.FINAL, computed.errors, decisions.final_pane_ms),
            self._closed,
            self._traffic,
        )
        self._take_up(decisions, model)

    def _watch_retraining(self, key: Key, decisions: Decisions) -> RetrainingWatch:
        parts, history = (self._evaluator, self._panes, self._incidents), decisions.retraining
        return RetrainingWatch(*parts, history, has_decisions=not key.segment)

    def _take_up(self, decisions: Decisions, model: ModelState) -> None:
        """Take up what has come while the key was set aside."""
        for pane_ms, part in decisions.unjudged:
            self._pane_changed(pane_ms, part)
        for offset, rows in model.uncounted:
            self._count(offset, rows, decisions.uncounted_from)

    def _errors(self, decisions: Decisions) -> PaneErrors:
        task, scale = self._evaluator.profile.schema.task, self._evaluator.error_scale
        return PaneErrors(task, scale, self._panes, decisions.errors)

    def _scan(
        self, scanner: Scanner, part: Part, sums: BlockSums, next_ms: int | None
    ) -> PaneCloser:
        evaluator, panes = self._evaluator, self._panes
        blocks = Blocks(lambda number: panes.counts(number, scanner.cell_index, part), dict(sums))
        scales = ScaleScanner(scanner, self._windows, evaluator.longest_scale, blocks)
        reach_ms = evaluator.reach_panes * self._windows.pane_ms
        return PaneCloser(scales, reach_ms, panes, self._incidents, next_ms)

    def add(self, offset: int, item: Summary | JoinedRows) -> None:
        """Add a summary or joined rows to their panes, and mark what they change."""
        if isinstance(item, JoinedRows):
            self._count(offset, item, offset)
        elif self._panes.add(offset, item):
            self._pane_changed(item.pane_ms, item.part)

    def _count(self, offset: int, rows: JoinedRows, new_from: int | None) -> None:
        """Count joined rows. Those before ``new_from`` were counted before the panes were rebuilt.

        They change nothing.
        """
        schema, wait_ms = self._evaluator.profile.schema, self._evaluator.label_wait_ms
        for summary in count_joined(schema, own_rows(schema, rows), wait_ms):
            added = self._panes.add(offset, summary)
            if added and new_from is not None and offset >= new_from:
                self._pane_changed(summary.pane_ms, summary.part)

    def _pane_changed(self, pane_ms: int, part: Part) -> None:
        if part is Part.ON_TIME:
            self._data.add_pane(pane_ms)
            self._data.scan.changed(pane_ms)
        elif part is Part.FINAL and self._performance.scan is not None:
            self._performance.scan.changed(pane_ms)
        self._data.publish_skipped(pane_ms)
        self._closed.pane_changed(pane_ms, part)

    def wake(self, clock: Clock) -> None:
        """Bring a key up to a clock that has passed without anything to publish."""
        if not self.due.is_reached(Times.of(clock)):
            self.close_until(clock)
            self.prune(clock)

    def close_until(self, clock: Clock) -> None:
        """Close and finish every pane and window that the watermarks have passed, oldest first."""
        lateness_ms = self._evaluator.plan.time.lateness_ms
        data_ms = _minus(clock.data_ms, lateness_ms)
        self._data.close_until(data_ms)
        joined_ms = _minus(clock.joined_ms, lateness_ms)
        labels_ms = _minus(clock.labels_ms, lateness_ms + self._evaluator.label_wait_ms)
        final_ms = earliest((joined_ms, labels_ms))
        self._performance.finish_until(final_ms)
        self._retraining.decide_until(data_ms, final_ms)

    def publish_changed(self) -> None:
        self._closed.publish_changed()

    def prune(self, clock: Clock) -> None:
        """Drop the panes and windows that no row, label or open window can reach any more."""
        if clock.past_ms is None:
            return
        horizon_ms = clock.past_ms - self._kept_ms
        self._panes.prune(
            earliest((self._windows.pane_of(horizon_ms), self._data.next_start_ms, *self._open_ms))
        )
        if self._panes.pruned_ms is not None:
            self._closed.prune(self._panes.pruned_ms)

    @property
    def _kept_ms(self) -> int:
        """How far behind the clocks a pane may still be reached."""
        time = self._evaluator.plan.time
        late_ms = max(time.accept_late_ms, time.label_horizon_ms)
        wait_ms = self._evaluator.label_wait_ms
        return time.lateness_ms + late_ms + wait_ms + 2 * self._windows.length_ms

    @property
    def _open_ms(self) -> list[int]:
        """The first panes that the windows of all scales still need."""
        scans = (self._data.scan, self._performance.scan)
        needed = [None if scan is None else scan.needed_from_ms() for scan in scans]
        return [ms for ms in needed if ms is not None]

    @property
    def due(self) -> Due:
        """The clock before which only ``wake`` has anything to do."""
        time = self._evaluator.plan.time
        final_ms = soonest((self._performance.due_ms, self._retraining.due_ms))
        labels_ms = _plus(final_ms, self._evaluator.label_wait_ms)
        return Due.of(
            data_ms=_plus(self._data.due_ms, time.lateness_ms),
            joined_ms=_plus(final_ms, time.lateness_ms),
            labels_ms=_plus(labels_ms, time.lateness_ms),
            past_ms=self._prune_due_ms(),
        )

    def _prune_due_ms(self) -> int | None:
        """The clock at which the oldest pane or window is dropped.

        None if an open window needs it: then something else is due first.
        """
        first_ms = soonest((min(self._panes.panes, default=None), self._closed.first_final_ms))
        next_start_ms = None if self._data.skips_empty else self._data.next_start_ms
        open_ms = soonest((next_start_ms, *self._open_ms))
        if first_ms is None or (open_ms is not None and open_ms <= first_ms):
            return None
        return self._windows.pane_of(first_ms) + self._windows.pane_ms + self._kept_ms

    @property
    def windows(self) -> list[WindowFinding]:
        """The windows that were published, in order."""
        return self._closed.published

    @property
    def transitions(self) -> list[Transition]:
        """The changes of incidents, in order."""
        return self._incidents.transitions

    @property
    def closed(self) -> list[Closed]:
        """The incidents that have ended."""
        return self._incidents.closed

    @property
    def retraining(self) -> list[Decision]:
        """The decisions about retraining, in order."""
        return self._retraining.decisions

    @property
    def state(self) -> ModelState:
        """The state of the key, at the time that it had before."""
        return replace(
            self._before,
            decisions=self._decisions,
            panes=self._panes.panes,
            uncounted=(),
            computed=self._computed,
            due=self.due,
        )

    @property
    def _computed(self) -> Computed:
        errors = self._performance.scan
        sums = self._data.scan.sums, {} if errors is None else errors.sums
        return Computed(*sums, self._closed.judged.windows)

    @property
    def _decisions(self) -> Decisions:
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
            incidents=self._incidents.known.open,
            recent_incidents=self._incidents.known.recent,
            errors=self._closed.errors.history,
            first_needed=self._panes.first_offset,
            traffic=self._traffic.state,
            retraining=self._retraining.state,
        )


def _is_shadow(life: Life | None) -> bool:
    return life is not None and life.state == VersionState.SHADOW


def _plus(time_ms: int | None, span_ms: int) -> int | None:
    return None if time_ms is None else time_ms + span_ms


def _minus(time_ms: int | None, span_ms: int) -> int | None:
    return None if time_ms is None else time_ms - span_ms
