"""The life of one incident: what opens, escalates, repeats, resolves and opens it again.

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
    REOPENED = "reopened"
    ESCALATED = "escalated"
    REPEATED = "repeated"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """Why an incident is resolved."""

    RECOVERED = "recovered"  # its subject was healthy for long enough
    RETIRED = "retired"  # the model version was retired
    STALE = "stale"  # no rows came any more that could show a recovery
    REBASED = "rebased"  # the version is compared with another reference


WORSE = 1.25  # times the deviation that people were told: worth to tell again


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident of one key. Times are ends of windows, in event time."""

    id: str
    subject: str
    severity: Severity
    opened_ms: int
    notified_ms: int
    evidence: Evidence  # the newest
    since_ms: int = 0  # start of the window that opened it, or opened it again
    primary: str | None = None  # id of the incident that is notified in its place
    grouped: tuple[str, ...] = ()  # in a notification: the other open subjects of its group
    told: Evidence | None = None  # that of the last notification, with its distribution
    length_ms: int | None = None  # of the windows that must be clear; None: of an earlier release
    clear: int = 0  # consecutive windows of that length that were clear
    clear_from_ms: int | None = None  # start of the first of them
    begun_ms: int | None = None  # end of the window that opened it again
    resolved_ms: int | None = None
    told_deviation: float | None = None  # that of the last step worth telling
    is_known: bool = False  # opened again, and people were told of it before it was resolved

    @property
    def kind(self) -> str:
        return self.subject.partition("/")[0]

    @property
    def last_begun_ms(self) -> int:
        return self.opened_ms if self.begun_ms is None else self.begun_ms

    @property
    def ended_ms(self) -> int:
        """Of an incident that is resolved."""
        return self.last_begun_ms if self.resolved_ms is None else self.resolved_ms

    @property
    def clear_length_ms(self) -> int:
        """The length of the windows that show whether it is over."""
        return self.opened_ms - self.since_ms if self.length_ms is None else self.length_ms

    def is_over(self, plan: Incidents) -> bool:
        return self.clear >= plan.resolve_after


class Step(NamedTuple):
    """What a signal makes of an incident."""

    open: Incident | None  # None: there is no open incident
    change: Change | None = None
    changed: Incident | None = None  # the incident that the change is about


def step(  # noqa: PLR0913 - the incident, its past, the signal, and what gives it a name
    incident: Incident | None,
    recent: Incident | None,
    signal: SubjectSignal,
    *,
    scope: str,
    subject: str,
    plan: Incidents,
) -> Step:
    """Apply the newest signal of a subject to its open incident, if there is one.

    An incident is resolved by evidence that its cause is gone: ``resolve_after`` consecutive
    windows, of the length of the shortest window that found it, in which every test is far from
    its limit (*clear*). Drift that only longer windows find makes it wait for windows of their
    length, but not while those of its own length are clear: then the longer ones still hold rows
    from before.

    ``recent`` is the last incident of the subject, which is resolved. Drift within
    ``reopen_within`` of its end opens it again. ``scope`` is the name of the key, so that ids
    differ between versions and segments.
    """
    if incident is None:
        if signal.evidence is None:
            return Step(None)
        if recent is not None and signal.end_ms - recent.ended_ms <= plan.reopen_within_ms:
            reopened = _reopened(recent, signal, signal.evidence)
            return Step(reopened, Change.REOPENED, reopened)
        opened = _opened(signal, signal.evidence, scope, subject)
        return Step(opened, Change.OPENED, opened)
    updated = _with_clear_windows(incident, signal)
    if signal.evidence is not None and not updated.clear:
        return _after_drift(updated, signal, signal.evidence, plan)
    if updated.is_over(plan):
        return Step(None, Change.RESOLVED, updated)
    return Step(updated)


def _opened(signal: SubjectSignal, evidence: Evidence, scope: str, subject: str) -> Incident:
    return Incident(
        _identity(scope, subject, signal.end_ms),
        subject,
        evidence.severity,
        signal.end_ms,
        signal.end_ms,
        evidence,
        evidence.start_ms,
        length_ms=signal.length_ms,
        told_deviation=_deviation(evidence),
    )


def _reopened(recent: Incident, signal: SubjectSignal, evidence: Evidence) -> Incident:
    return replace(
        recent,
        severity=evidence.severity,
        notified_ms=signal.end_ms,
        evidence=evidence,
        since_ms=evidence.start_ms,
        primary=None,
        grouped=(),
        is_known=recent.is_known or recent.primary is None,
        length_ms=max(signal.length_ms, recent.clear_length_ms),
        clear=0,
        clear_from_ms=None,
        begun_ms=signal.end_ms,
        resolved_ms=None,
        told_deviation=_deviation(evidence),
    )


def _with_clear_windows(incident: Incident, signal: SubjectSignal) -> Incident:
    """Count the window of the incident's length, if one ends now."""
    length_ms = incident.clear_length_ms
    if 0 < signal.length_ms < length_ms:  # drift in a shorter window is no recovery
        return replace(incident, clear=0, clear_from_ms=None)
    if length_ms not in signal.clear:
        return incident
    start_ms = signal.clear[length_ms]
    if start_ms is None:
        return replace(incident, clear=0, clear_from_ms=None)
    first_ms = start_ms if incident.clear_from_ms is None else incident.clear_from_ms
    return replace(incident, clear=incident.clear + 1, clear_from_ms=first_ms)


def _after_drift(
    incident: Incident, signal: SubjectSignal, evidence: Evidence, plan: Incidents
) -> Step:
    length_ms = max(incident.clear_length_ms, signal.length_ms)
    updated = replace(incident, evidence=evidence, length_ms=length_ms)
    told = replace(updated, notified_ms=signal.end_ms, told_deviation=_deviation(evidence))
    if evidence.severity is Severity.CRITICAL and incident.severity is Severity.WARNING:
        escalated = replace(told, severity=evidence.severity)
        return Step(escalated, Change.ESCALATED, escalated)
    is_due = signal.end_ms - incident.notified_ms >= plan.repeat_after_ms
    if is_due and _is_worse(updated):
        return Step(told, Change.REPEATED, told)
    return Step(updated)


def _is_worse(incident: Incident) -> bool:
    """Than when people were told of it."""
    told = incident.told_deviation
    return told is None or _deviation(incident.evidence) > WORSE * told


def _deviation(evidence: Evidence) -> float:
    if evidence.baseline is not None:
        return abs(evidence.value - evidence.baseline)
    return evidence.value


def _identity(*parts: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:32]
