"""The life of an incident, decided from what is open and the newest window. Nobody is told here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum

from monitor.drift import Severity
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
    calm: int = 0  # calm windows in a row, up to the newest


def step(  # noqa: PLR0913 - the window, the rules, and what they are about
    incident: Incident | None,
    severity: Severity | None,
    *,
    scope: str,
    subject: str,
    end_ms: int,
    plan: Incidents,
) -> tuple[Incident | None, Change | None, Incident | None]:
    """What stays open, what changed, and the incident that the change is about.

    ``severity`` is what the window that ends at ``end_ms`` says of ``subject``, None for calm. A
    window that could not decide is no step at all: do not call this for it. ``scope`` names the
    model version, so that ids of incidents differ between versions.
    """
    if incident is None:
        if severity is None:
            return None, None, None
        opened = Incident(_identity(scope, subject, end_ms), subject, severity, end_ms, end_ms)
        return opened, Change.OPENED, opened
    if severity is None:
        return _calmed(replace(incident, calm=incident.calm + 1), plan)
    return _lasting(replace(incident, calm=0), severity, end_ms, plan)


def _calmed(incident: Incident, plan: Incidents) -> tuple[Incident | None, Change | None, Incident]:
    if incident.calm >= plan.resolve_after:
        return None, Change.RESOLVED, incident
    return incident, None, incident


def _lasting(
    incident: Incident, severity: Severity, end_ms: int, plan: Incidents
) -> tuple[Incident, Change | None, Incident]:
    if severity is Severity.CRITICAL and incident.severity is Severity.WARNING:
        grown = replace(incident, severity=severity, notified_ms=end_ms)
        return grown, Change.ESCALATED, grown
    if end_ms - incident.notified_ms >= plan.repeat_after_ms:
        repeated = replace(incident, notified_ms=end_ms)
        return repeated, Change.REPEATED, repeated
    return incident, None, incident


def _identity(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
