"""Decides about retraining at the end of each window of a version, and when incidents go stale.

Segments have no decisions. See ``monitor.decisions.retraining_history``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from monitor.counts.summary import Part
from monitor.decisions.incidents import Change, Incident, Resolution
from monitor.decisions.retraining import Decision, decide
from monitor.decisions.retraining_history import (
    CriticalChange,
    CriticalState,
    RetrainingHistory,
)
from monitor.performance.labelled_counts import labelled_rows
from monitor.statistics.drift_rule import Severity
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Transition
from monitor.windows.incident_tracker import IncidentTracker
from monitor.windows.panes import PaneStore
from monitor.windows.traffic_watch import OF_LABELS


class RetrainingWatch:
    """The decisions about one version during one batch, and what they are made from.

    Critical incidents count while they are open, and after they have recovered. Those about the
    traffic do not: more training does not bring rows.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        panes: PaneStore,
        incidents: IncidentTracker,
        history: RetrainingHistory | None,
        *,
        has_decisions: bool,
    ) -> None:
        self.decisions: list[Decision] = []
        self._evaluator, self._panes, self._incidents = evaluator, panes, incidents
        self._plan, self._has_decisions = evaluator.plan.retraining, has_decisions
        self.history = _begun(incidents.open) if history is None else history
        self._taken = 0  # transitions that are in the history

    def add_window(self, end_ms: int) -> None:
        """Add a window that has closed. Windows close oldest first."""
        if self._has_decisions:
            self.history = self.history.with_due(end_ms)

    def decide_until(self, data_ms: int | None, final_ms: int | None) -> None:
        """Decide what is due. Rows have closed up to ``data_ms``, labels are final up to the other.

        None: not known yet.
        """
        if not self._has_decisions:
            return
        self._take_transitions()
        if data_ms is None or final_ms is None:
            return
        self._note_labels(final_ms - final_ms % self._pane_ms)
        for end_ms in self.history.due:
            labels_ms = self._labels_ms(end_ms)
            if end_ms > data_ms or labels_ms > final_ms:
                break
            self.history = self.history.at(end_ms, labels_ms, self._plan.lookback_ms)
            self.decisions.append(decide(self._plan, self.history.facts(end_ms)))

    @property
    def state(self) -> RetrainingHistory | None:
        """What to keep for the next batch."""
        return self.history if self._has_decisions else None

    @property
    def due_ms(self) -> int | None:
        """Labels have to be final up to here for the next decision. None: no window waits."""
        return self._labels_ms(self.history.due[0]) if self.history.due else None

    def _labels_ms(self, end_ms: int) -> int:
        return end_ms - self._evaluator.label_wait_ms

    @property
    def _pane_ms(self) -> int:
        return self._panes.windows.pane_ms

    def _take_transitions(self) -> None:
        new = self._incidents.transitions[self._taken :]
        self._taken += len(new)
        changes = list(_critical_changes(new))
        if changes:
            all_changes = (*self.history.later_changes, *changes)
            ended = (self._known_at(one) for one in changes if one.state is CriticalState.ENDED)
            self.history = replace(self.history, later_changes=all_changes).with_due(*ended)

    def _known_at(self, change: CriticalChange) -> int:
        """The first time at which a decision takes a change into account."""
        return change.at_ms + (self._evaluator.label_wait_ms if change.of_labels else 0)

    def _note_labels(self, until_ms: int) -> None:
        """Note the labels of the panes that end at ``until_ms`` or earlier."""
        noted_ms = self.history.noted_until_ms
        if noted_ms is not None and until_ms <= noted_ms:
            return
        by_end = {
            ms + self._pane_ms: labelled_rows([pane.cells.get(Part.FINAL, {})])
            for ms, pane in self._panes.panes.items()
            if (noted_ms is None or ms >= noted_ms) and ms + self._pane_ms <= until_ms
        }
        self.history = self.history.with_labels(by_end, until_ms)


def _begun(open_incidents: Mapping[str, Incident]) -> RetrainingHistory:
    """The history of a version that has none yet, with the incidents that are open."""
    notified = (one for one in open_incidents.values() if one.primary is None)
    return RetrainingHistory(critical={one.id: None for one in notified if _counts(one)})


def _critical_changes(transitions: list[Transition]) -> Iterator[CriticalChange]:
    for transition in transitions:
        incident = transition.incident
        if _counts(incident):
            state, of_labels = _state(transition), incident.kind in OF_LABELS
            yield CriticalChange(transition.end_ms, incident.id, state, of_labels)


def _state(transition: Transition) -> CriticalState:
    if transition.change is not Change.RESOLVED:
        return CriticalState.OPEN
    is_recovered = transition.resolution is Resolution.RECOVERED
    return CriticalState.RECOVERED if is_recovered else CriticalState.ENDED


def _counts(incident: Incident) -> bool:
    return incident.severity is Severity.CRITICAL and incident.kind != "traffic"
