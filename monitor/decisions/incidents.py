"""The life of one incident: what opens, escalates, repeats and resolves it.

Here each subject is taken by itself; ``monitor.decisions.incident_groups`` decides which of the
changes people are notified of.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from monitor.decisions.signals import SubjectSignal
from monitor.plan import Incidents
from monitor.statistics.drift_rule import Evidence, Severity


class Change(StrEnum):
    OPENED = "opened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """Why an incident is resolved."""

    RECOVERED = "recovered"  # its subject was healthy for long enough
    RETIRED = "retired"  # the model version was retired
    STALE = "stale"  # no rows came any more that could show a recovery
    REBASED = "rebased"  # the version is compared with another reference


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident of one key. Times are ends of windows, in event time."""

    id: str
    subject: str
    severity: Severity
    opened_ms: int
    notified_ms: int
    evidence: Evidence  # the newest
    due_ms: int  # healthy event time that is still missing to resolve it
    since_ms: int = 0  # start of the window that opened it
    primary: str | None = None  # id of the incident that is notified in its place
    grouped: tuple[str, ...] = ()  # in a notification: the other open subjects of its group
    told: Evidence | None = None  # that of the last notification, with its distribution

    @property
    def kind(self) -> str:
        return self.subject.partition("/")[0]


class Step(NamedTuple):
    """What a signal makes of an incident."""

    open: Incident | None  # None: there is no open incident
    change: Change | None = None
    changed: Incident | None = None  # the incident that the change is about


def step(
    incident: Incident | None, signal: SubjectSignal, *, scope: str, subject: str, plan: Incidents
) -> Step:
    """Apply the newest signal of a subject to its open incident, if there is one.

    An incident resolves after ``resolve_after`` consecutive healthy windows of the length that
    opened it. They are counted in event time, because a subject is tested in windows of several
    lengths. ``scope`` is the name of the key, so that ids differ between versions and segments.
    """
    if incident is None:
        if signal.evidence is None:
            return Step(None)
        opened = _opened(signal, signal.evidence, scope, subject, plan)
        return Step(opened, Change.OPENED, opened)
    if signal.evidence is None:
        return _after_healthy(replace(incident, due_ms=incident.due_ms - signal.span_ms))
    return _after_drift(incident, signal, signal.evidence, plan)


def _opened(
    signal: SubjectSignal, evidence: Evidence, scope: str, subject: str, plan: Incidents
) -> Incident:
    return Incident(
        _identity(scope, subject, signal.end_ms),
        subject,
        evidence.severity,
        signal.end_ms,
        signal.end_ms,
        evidence,
        plan.resolve_after * signal.slide_ms,
        evidence.start_ms,
    )


def _after_healthy(incident: Incident) -> Step:
    if incident.due_ms <= 0:
        return Step(None, Change.RESOLVED, incident)
    return Step(incident)


def _after_drift(
    incident: Incident, signal: SubjectSignal, evidence: Evidence, plan: Incidents
) -> Step:
    """The healthy time that is due never gets shorter: a longer window may have asked for it."""
    due_ms = max(incident.due_ms, plan.resolve_after * signal.slide_ms)
    updated = replace(incident, evidence=evidence, due_ms=due_ms)
    if evidence.severity is Severity.CRITICAL and incident.severity is Severity.WARNING:
        escalated = replace(updated, severity=evidence.severity, notified_ms=signal.end_ms)
        return Step(escalated, Change.ESCALATED, escalated)
    if signal.end_ms - incident.notified_ms >= plan.repeat_after_ms:
        repeated = replace(updated, notified_ms=signal.end_ms)
        return Step(repeated, Change.REPEATED, repeated)
    return Step(updated)


def _identity(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
