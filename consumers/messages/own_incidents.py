"""Incidents about Driftline itself: no model has them, and no statistics open them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from consumers.messages.alerts import (
    HEADERS,
    TYPE_PREFIX,
    AlertEvidence,
    AlertMessage,
    AlertWindow,
    IncidentData,
)
from consumers.messages.reading import SCHEMA
from consumers.messages.records import Message
from consumers.messages.times import rfc3339
from monitor.decisions.incidents import Change, Resolution
from monitor.statistics.drift_rule import Severity


@dataclass(frozen=True, slots=True)
class OwnIncident:
    """A critical incident. Times are the broker's clock, in ms."""

    subject: str
    about: tuple[str, ...]  # what tells it from others of its subject
    opened_ms: int
    detail: str
    sentence: str
    from_ms: int | None = None  # start of its window; None: when it was opened
    rows: int | None = None

    @property
    def id(self) -> str:
        return _id(self.subject, *self.about)

    def message(self, change: Change, at_ms: int) -> Message:
        """The alert about a change: opened, or resolved."""
        alert = AlertMessage(
            id=_id(self.id, change),
            type=f"{TYPE_PREFIX}{change}",
            source="/driftline",
            subject=self.subject,
            time=rfc3339(at_ms),
            data=self._data(at_ms, is_over=change is Change.RESOLVED),
        )
        return Message("alerts", self.id.encode(), msgspec.json.encode(alert), headers=HEADERS)

    def _data(self, at_ms: int, *, is_over: bool) -> IncidentData:
        from_ms = self.opened_ms if self.from_ms is None else self.from_ms
        return IncidentData(
            schema=SCHEMA,
            incident=self.id,
            model=None,
            version=None,
            kind=self.subject.partition("/")[0],
            severity=Severity.CRITICAL,
            state="resolved" if is_over else "open",
            reason=Resolution.RECOVERED if is_over else None,
            opened_at=rfc3339(self.opened_ms),
            resolved_at=rfc3339(at_ms) if is_over else None,
            window=AlertWindow(start=rfc3339(from_ms), end=rfc3339(at_ms)),
            evidence=AlertEvidence(
                decided_by=self.subject.partition("/")[2],
                rows=self.rows,
                detail=self.detail,
                severity=Severity.CRITICAL,
            ),
            message=f"{self.subject}: {self.sentence}",
        )


def _id(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]
