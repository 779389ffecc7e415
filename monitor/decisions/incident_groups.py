"""Grouping of incidents with one cause, so that people are notified once.

Theory of operation
-------------------
One cause has many subjects: a front moves temperature and pressure, a silent feed leaves six
features without values, a failing model lowers accuracy, recall and F1. So among the subjects of
one kind (``GROUPED``) that open within one window of each other, one incident is the *primary*.
The others are *grouped* with it: only the primary is notified, and it resolves once all of them
are healthy::

    quality/temp  opened --- repeated: wind too --------- healthy --- resolved
    quality/dewp     grouped ---------------------------------------- healthy
    quality/wind               grouped --- opened: more severe than its primary
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.decisions.incidents import Change, Incident, step
from monitor.decisions.signals import WindowVerdict, most_severe
from monitor.plan import Incidents
from monitor.statistics.drift_rule import Severity

GROUPED = ("data", "quality", "performance")  # kinds whose subjects have causes in common


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """A change of an incident, at the end of a window."""

    change: Change
    incident: Incident


@dataclass(frozen=True, slots=True)
class KnownIncidents:
    """The incidents of one key, by subject."""

    open: Mapping[str, Incident] = field(default_factory=dict)
    recent: Mapping[str, Incident] = field(default_factory=dict)  # the last ones, resolved

    def looks_at(self, subject: str, start_ms: int) -> bool:
        """Whether a window that starts then may show drift of a subject.

        One with rows from before its last recovery would show the cause that is gone.
        """
        recent = self.recent.get(subject)
        return recent is None or start_ms >= (recent.clear_from_ms or start_ms)

    def clear_panes(self, pane_ms: int) -> dict[str, int]:
        """By subject: the panes of the windows that show whether its open incident is over."""
        return {name: one.clear_length_ms // pane_ms for name, one in self.open.items()}

    def without_older(self, before_ms: int) -> KnownIncidents:
        """Forget what was resolved earlier."""
        kept = {name: one for name, one in self.recent.items() if one.ended_ms >= before_ms}
        return replace(self, recent=kept)


def apply_verdicts(
    known: KnownIncidents,
    verdicts: Mapping[str, Sequence[WindowVerdict]],
    end_ms: int,
    *,
    scope: str,
    plan: Incidents,
) -> tuple[KnownIncidents, list[IncidentEvent]]:
    """Apply the verdicts of windows that end together, by subject.

    Returns the incidents that are known then, and the changes to notify people of.
    """
    still_open = dict(known.open)
    changes = list(_steps(known, still_open, verdicts, end_ms, scope, plan))
    events = [event for event in changes if event.incident.kind not in GROUPED]
    for kind in GROUPED:
        of_kind = [event for event in changes if event.incident.kind == kind]
        if of_kind:
            events += _Group(still_open, kind, end_ms, plan).events(of_kind)
    return KnownIncidents(still_open, _recent(known, still_open, changes, end_ms)), events


def _steps(  # noqa: PLR0913 - what is known, what is new, and what gives it a name
    known: KnownIncidents,
    still_open: dict[str, Incident],
    verdicts: Mapping[str, Sequence[WindowVerdict]],
    end_ms: int,
    scope: str,
    plan: Incidents,
) -> Iterator[IncidentEvent]:
    """Change each subject by itself in ``still_open``, and yield its change."""
    for subject, all_of_it in verdicts.items():
        heeded = [one for one in all_of_it if known.looks_at(subject, one.start_ms)]
        before, recent = still_open.pop(subject, None), known.recent.get(subject)
        signal = most_severe(heeded, end_ms)
        after, change, changed = step(
            before, recent, signal, scope=scope, subject=subject, plan=plan
        )
        if after is not None:
            still_open[subject] = after
        if change is not None and changed is not None:
            yield IncidentEvent(change, changed)


def _recent(
    known: KnownIncidents,
    still_open: Mapping[str, Incident],
    changes: Iterable[IncidentEvent],
    end_ms: int,
) -> dict[str, Incident]:
    """The last resolved incidents of the subjects that have none open."""
    as_resolved = {one.incident.subject: one.incident for one in changes}
    ended = {
        subject: replace(as_resolved.get(subject, incident), resolved_ms=end_ms, told=None)
        for subject, incident in known.open.items()
        if subject not in still_open
    }
    return {**{k: one for k, one in known.recent.items() if k not in still_open}, **ended}


@dataclass(slots=True)
class _Group:
    """The open incidents of one kind at the end of a window. Changes ``still_open``."""

    still_open: dict[str, Incident]
    kind: str
    end_ms: int
    plan: Incidents
    notified: dict[str, Change] = field(default_factory=dict)  # by subject of the primary

    def events(self, changes: Sequence[IncidentEvent]) -> list[IncidentEvent]:
        """What people are notified of, given all changes of this kind, at least one."""
        for event in changes:
            if event.change is Change.RESOLVED and event.incident.primary is None:
                # It stays open until the incidents grouped with it are healthy, too.
                self.still_open[event.incident.subject] = event.incident
        opening = [event.incident for event in changes if self._opens(event)]
        waiting = {incident.subject for incident in opening}
        for event in changes:
            if event.incident.subject not in waiting and event.change is not Change.RESOLVED:
                self._notify(event)
        for incident in sorted(opening, key=_severity_order):
            waiting.discard(incident.subject)
            self._group(incident, waiting)
        return [*self._notifications(), *self._resolved()]

    def _opens(self, event: IncidentEvent) -> bool:
        """Whether an incident is new, or has become more severe than its primary."""
        primary = self._primary_of(event.incident)
        return event.change in (Change.OPENED, Change.REOPENED) or (
            primary is not None and _more_severe(event.incident, primary)
        )

    def _notify(self, event: IncidentEvent) -> None:
        """Notify the change of a primary; of a grouped one, repeat its primary when that is due."""
        primary = self._primary_of(event.incident)
        if primary is None:
            self.notified[event.incident.subject] = event.change
        elif self.end_ms - primary.notified_ms >= self.plan.repeat_after_ms:
            self._repeat(primary)

    def _group(self, incident: Incident, waiting: set[str]) -> None:
        """Group an incident with the oldest primary that fits, or make it a primary itself.

        Subjects of ``waiting`` are still to be grouped and cannot be primaries.
        """
        fitting = [
            primary
            for primary in self._primaries()
            if primary.subject not in waiting | {incident.subject} and _may_group(incident, primary)
        ]
        oldest = min(fitting, key=lambda one: (one.last_begun_ms, one.subject), default=None)
        if oldest is None:
            primary = replace(incident, primary=None, notified_ms=self.end_ms)
            self.still_open[incident.subject] = primary
            again = incident.is_known
            self.notified[incident.subject] = Change.REOPENED if again else Change.OPENED
        else:
            self.still_open[incident.subject] = replace(incident, primary=oldest.id)
            self._repeat(oldest)

    def _repeat(self, primary: Incident) -> None:
        self.still_open[primary.subject] = replace(primary, notified_ms=self.end_ms)
        self.notified.setdefault(primary.subject, Change.REPEATED)

    def _notifications(self) -> Iterator[IncidentEvent]:
        for subject, change in sorted(self.notified.items()):
            primary = self.still_open[subject]
            yield IncidentEvent(change, replace(primary, grouped=self._grouped_with(primary)))

    def _resolved(self) -> list[IncidentEvent]:
        """Primaries that are healthy and have no open incident grouped with them."""
        healthy = [primary for primary in self._primaries() if primary.is_over(self.plan)]
        resolved = [primary for primary in healthy if not self._grouped_with(primary)]
        return [
            IncidentEvent(Change.RESOLVED, self.still_open.pop(one.subject)) for one in resolved
        ]

    def _primaries(self) -> list[Incident]:
        incidents = self.still_open.values()
        return [one for one in incidents if one.kind == self.kind and one.primary is None]

    def _primary_of(self, incident: Incident) -> Incident | None:
        return next((one for one in self._primaries() if one.id == incident.primary), None)

    def _grouped_with(self, primary: Incident) -> tuple[str, ...]:
        incidents = self.still_open.values()
        return tuple(sorted(one.subject for one in incidents if one.primary == primary.id))


def _may_group(incident: Incident, primary: Incident) -> bool:
    """Whether it is not more severe, and opened within the shorter of their two windows."""
    window_ms = min(one.last_begun_ms - one.since_ms for one in (incident, primary))
    near = abs(incident.last_begun_ms - primary.last_begun_ms) < window_ms
    return near and not _more_severe(incident, primary)


def _more_severe(incident: Incident, primary: Incident) -> bool:
    return (incident.severity, primary.severity) == (Severity.CRITICAL, Severity.WARNING)


def _severity_order(incident: Incident) -> tuple[bool, float, str]:
    """Sorts the most severe incident first."""
    persistent = incident.evidence.persistent or 0.0
    return incident.severity is not Severity.CRITICAL, -persistent, incident.subject
