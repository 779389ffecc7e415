"""What the messages of our own topics mean to the database: rows, newest per key.

    records -> messages, checked -> Changes

A message that cannot be understood is skipped, and logged with its place: the topics are our own,
so it is a bug or a stranger, and neither may keep later findings from being seen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from consumers.database.rows import Alert, Row, RowBatch
from consumers.messages.records import Record

log = logging.getLogger(__name__)

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Malformed(ValueError):
    """A message that is not what its topic carries. Says where it differs."""


def changes_of(records: Iterable[Record], now_ms: int) -> RowBatch:
    """What a batch changes; of several messages with one key, only what the last one leaves."""
    gathered = _Gathered()
    for record in records:
        try:
            _READERS.get(record.topic, _refuse)(gathered, record.value, now_ms)
        except Malformed as error:
            where = (record.topic, record.partition, record.offset)
            log.warning("skipped %s/%d@%d: %s", *where, error)
    return gathered.changes


@dataclass(frozen=True, slots=True)
class _Gathered:
    windows: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    decisions: dict[tuple[Any, ...], Row] = field(default_factory=dict)
    heartbeats: dict[tuple[Any, ...], Row] = field(default_factory=dict)

    @property
    def changes(self) -> RowBatch:
        return RowBatch(
            list(self.windows.values()),
            self.alerts,
            list(self.decisions.values()),
            list(self.heartbeats.values()),
        )


# What the messages hold, as far as columns are made of it; what else stands in documents is free.
# No NUL: PostgreSQL keeps it in no text.
_Name = Annotated[str, Meta(min_length=1, max_length=1_000, pattern=r"^[^\x00]*$")]
_Sentence = Annotated[str, Meta(pattern=r"^[^\x00]*$")]
_Count = Annotated[int, Meta(ge=0, le=2**53)]
_Instant = Annotated[datetime, Meta(tz=True)]


class _Part(Struct, frozen=True):
    status: _Name


class _Window(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    model: _Name
    version: _Name
    revision: _Count
    start: _Instant
    end: _Instant
    data: _Part
    performance: _Part | None = None


class _Incident(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    incident: _Name
    model: _Name
    version: _Name
    kind: _Name
    severity: _Name
    state: _Name
    opened_at: _Instant
    resolved_at: _Instant | None = None
    window: dict[str, Any] | None = None
    evidence: dict[str, Any]
    message: _Sentence


class _Event(Struct, frozen=True, kw_only=True):
    id: _Name
    type: _Name
    subject: _Name
    time: _Instant
    data: _Incident


class _Decision(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    model: _Name
    version: _Name
    decision: _Name
    decided_at: _Instant


class _Heartbeat(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    role: _Name
    slot: _Count
    at: _Instant


def _checked(value: bytes | None, shape: type[T]) -> tuple[T, dict[str, Any]]:
    """What columns are made of, and the whole message. JSON with NaN or infinity is not JSON."""
    if value is None:
        raise Malformed("a tombstone: the record has no value")
    try:
        document = msgspec.json.decode(value)
        return msgspec.convert(document, shape), document
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)


def _read_window(into: _Gathered, value: bytes | None, _now_ms: int) -> None:
    message, document = _checked(value, _Window)
    row = {
        "model": message.model,
        "version": message.version,
        "start_ms": _ms(message.start),
        "end_ms": _ms(message.end),
        "revision": message.revision,
        "data_status": message.data.status,
        "performance_status": message.performance and message.performance.status,
        "data": document["data"],
        "concept": document.get("concept"),
        "performance": document.get("performance"),
    }
    key = (message.model, message.version, row["start_ms"], row["end_ms"])
    before = into.windows.get(key)
    if before is None or before["revision"] < message.revision:
        into.windows[key] = row


def _read_alert(into: _Gathered, value: bytes | None, _now_ms: int) -> None:
    event, document = _checked(value, _Event)
    incident, at_ms = event.data, _ms(event.time)
    transition = {
        "id": event.id,
        "incident": incident.incident,
        "type": event.type,
        "time_ms": at_ms,
        "event": document,
    }
    row = {
        "id": incident.incident,
        "model": incident.model,
        "version": incident.version,
        "kind": incident.kind,
        "subject": event.subject,
        "severity": incident.severity,
        "state": incident.state,
        "opened_ms": _ms(incident.opened_at),
        "updated_ms": at_ms,
        "resolved_ms": incident.resolved_at and _ms(incident.resolved_at),
        "window": incident.window,
        "evidence": incident.evidence,
        "message": incident.message,
    }
    into.alerts.append(Alert(transition, row))


def _read_decision(into: _Gathered, value: bytes | None, _now_ms: int) -> None:
    message, document = _checked(value, _Decision)
    key = (message.model, message.version, _ms(message.decided_at))
    into.decisions[key] = {
        **dict(zip(("model", "version", "decided_ms"), key, strict=True)),
        "document": document,
    }


def _read_heartbeat(into: _Gathered, value: bytes | None, now_ms: int) -> None:
    message, document = _checked(value, _Heartbeat)
    into.heartbeats[message.role, message.slot] = {
        "role": message.role,
        "slot": message.slot,
        "at_ms": _ms(message.at),
        "received_ms": now_ms,
        "document": document,
    }


def _refuse(_into: _Gathered, _value: bytes | None, _now_ms: int) -> None:
    raise Malformed("a topic that store does not read")


_READERS: Mapping[str, Callable[[_Gathered, bytes | None, int], None]] = {
    "windows": _read_window,
    "alerts": _read_alert,
    "retraining": _read_decision,
    "heartbeats": _read_heartbeat,
}
TOPICS = tuple(_READERS)
