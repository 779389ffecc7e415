"""The life of an incident, decided from what is open and the newest window. Nobody is told here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from monitor.drift import Evidence, Severity, Tested, evidence
from monitor.plan import Incidents


class Change(StrEnum):
    OPENED = "opened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Incident:
    """One open matter of one model version. Times are ends of windows, in event time."""

    id: str
    subject: str
    severity: Severity
    opened_ms: int
    notified_ms: int
    evidence: Evidence  # the newest
    due_ms: int  # calm event time that is still missing to resolve it


@dataclass(frozen=True, slots=True)
class Heard:
    """What the windows that end at ``end_ms`` say of a subject, if any could decide."""

    end_ms: int
    span_ms: int  # event time since the subject was heard last: what a calm one is worth
    evidence: Evidence | None = None  # None: calm
    slide_ms: int = 0  # of the windows that raised it


@dataclass(frozen=True, slots=True)
class Said:
    """What one window says of a subject: the gravest of its tests, or calm (None)."""

    tested: Tested | None
    start_ms: int
    end_ms: int
    slide_ms: int


def gravest(said: Sequence[Said], end_ms: int, span_ms: int) -> Heard:
    """Of all windows that end together; of equals, the shortest is the evidence.

    The longest that raised it decides how much calm resolves it.
    """
    raised = [(one.tested, one) for one in said if one.tested is not None]
    if not raised:
        return Heard(end_ms, span_ms)
    tested, worst = max(raised, key=lambda pair: (pair[0].weight, pair[1].start_ms))
    found = evidence(tested, worst.start_ms, worst.end_ms)
    return Heard(end_ms, span_ms, found, max(one.slide_ms for _, one in raised))


def step(
    incident: Incident | None, heard: Heard, *, scope: str, subject: str, plan: Incidents
) -> tuple[Incident | None, Change | None, Incident | None]:
    """What stays open, what changed, and the incident that the change is about.

    An incident resolves after ``resolve_after`` calm windows in a row of the kind that raised it,
    told in event time, because windows of all lengths speak of one subject. ``scope`` names the
    model version, so that ids of incidents differ between versions.
    """
    if incident is None:
        if heard.evidence is None:
            return None, None, None
        opened = _opened(heard, heard.evidence, scope, subject, plan)
        return opened, Change.OPENED, opened
    if heard.evidence is None:
        return _calmed(replace(incident, due_ms=incident.due_ms - heard.span_ms))
    return _lasting(incident, heard, heard.evidence, plan)


def _opened(
    heard: Heard, evidence: Evidence, scope: str, subject: str, plan: Incidents
) -> Incident:
    return Incident(
        _identity(scope, subject, heard.end_ms),
        subject,
        evidence.severity,
        heard.end_ms,
        heard.end_ms,
        evidence,
        plan.resolve_after * heard.slide_ms,
    )


def _calmed(incident: Incident) -> tuple[Incident | None, Change | None, Incident]:
    if incident.due_ms <= 0:
        return None, Change.RESOLVED, incident
    return incident, None, incident


def _lasting(
    incident: Incident, heard: Heard, evidence: Evidence, plan: Incidents
) -> tuple[Incident, Change | None, Incident]:
    """A shorter window does not cut short what a longer one wants to see calm."""
    due_ms = max(incident.due_ms, plan.resolve_after * heard.slide_ms)
    lasting = replace(incident, evidence=evidence, due_ms=due_ms)
    if evidence.severity is Severity.CRITICAL and incident.severity is Severity.WARNING:
        grown = replace(lasting, severity=evidence.severity, notified_ms=heard.end_ms)
        return grown, Change.ESCALATED, grown
    if heard.end_ms - incident.notified_ms >= plan.repeat_after_ms:
        repeated = replace(lasting, notified_ms=heard.end_ms)
        return repeated, Change.REPEATED, repeated
    return lasting, None, lasting


def _identity(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
