"""Records that retention deleted before a role has read them: how many, and the incident."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from consumers.messages.alerts import (
    HEADERS,
    TYPE_PREFIX,
    AlertEvidence,
    AlertMessage,
    AlertWindow,
    IncidentData,
)
from consumers.messages.reading import SCHEMA
from consumers.messages.records import Message, RecordBlock, TopicPartition
from consumers.messages.times import rfc3339
from monitor.decisions.incidents import Change, Resolution
from monitor.statistics.drift_rule import Severity

SUBJECT = "driftline/lost"


def lost_records(
    block: RecordBlock, expected: int, first_offset: Callable[[TopicPartition], int]
) -> int:
    """The number of offsets from ``expected`` on that were deleted and are not in the block.

    Markers of transactions and aborted records leave gaps as well, so records are lost only where
    the log does not reach back any more. 0 if nothing was read before.
    """
    first = block.record(0).offset
    is_complete = block.next_offset - expected == len(block)
    if expected == 0 or is_complete:
        return 0
    oldest = min(first_offset(block.source), block.next_offset)
    if oldest <= expected:
        return 0
    read = 0 if first >= oldest else sum(block.record(i).offset < oldest for i in range(len(block)))
    return oldest - expected - read


def lost_alerts(
    role: str, block: RecordBlock, expected: int, before_ms: int | None, lost: int
) -> Iterator[Message]:
    """The incident about Driftline itself: it is opened, and over with the records that follow.

    ``before_ms`` is the append time of the records before them.
    """
    source, at_ms = block.source, int(block.append_ms.max())
    incident = _id(SUBJECT, source.name, str(expected))
    at = rfc3339(at_ms)
    opened = IncidentData(
        schema=SCHEMA,
        incident=incident,
        model=None,
        version=None,
        kind=SUBJECT.partition("/")[0],
        severity=Severity.CRITICAL,
        state="open",
        opened_at=at,
        resolved_at=None,
        window=AlertWindow(start=at if before_ms is None else rfc3339(before_ms), end=at),
        evidence=AlertEvidence(
            decided_by="lost", rows=lost, detail=source.name, severity=Severity.CRITICAL
        ),
        message=_sentence(role, source, lost),
    )
    over = replace(opened, state="resolved", reason=Resolution.RECOVERED, resolved_at=at)
    for change, data in ((Change.OPENED, opened), (Change.RESOLVED, over)):
        alert = AlertMessage(
            id=_id(incident, change),
            type=f"{TYPE_PREFIX}{change}",
            source="/driftline",
            subject=SUBJECT,
            time=at,
            data=data,
        )
        yield Message("alerts", incident.encode(), msgspec.json.encode(alert), headers=HEADERS)


def _id(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _sentence(role: str, source: TopicPartition, lost: int) -> str:
    return (
        f"{SUBJECT}: retention has deleted {lost} records of {source.name} before they were read:"
        f" windows of that time are incomplete; add workers to {role}, or raise retention.ms"
    )
