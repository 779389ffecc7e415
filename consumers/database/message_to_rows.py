"""Messages of Driftline's topics as rows of the database, the newest of each key.

Columns come from the messages' Structs; documents are stored as they came, with fields that this
version does not know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from consumers.database.rows import Alert, Row, RowBatch
from consumers.messages.alerts import AlertMessage, decode_alert
from consumers.messages.decisions import RetrainingDecision, decode_decision
from consumers.messages.heartbeats import HeartbeatMessage, decode_heartbeat
from consumers.messages.reading import (
    Decoder,
    MalformedMessage,
    MessageReader,
    UnreadableMessage,
)
from consumers.messages.records import Record, TopicPartition
from consumers.messages.versions import VersionMessage, decode_version
from consumers.messages.windows import WindowMessage, decode_window

T = TypeVar("T")
StoredMessage = (
    WindowMessage | AlertMessage | RetrainingDecision | HeartbeatMessage | VersionMessage
)
Document = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
StoreReader = MessageReader[tuple[StoredMessage, Document]]


def store_reader() -> StoreReader:
    """For the topics that ``store`` reads."""
    return MessageReader(_DECODERS)


def row_batch(records: Iterable[Record], now_ms: int, reader: StoreReader) -> RowBatch:
    """The rows of a batch of messages, and where those begin that cannot be read."""
    batch = _Batch()
    for record in records:
        try:
            message = reader.read(record)
        except UnreadableMessage as error:
            reader.skip(record, error)
            batch.unread.setdefault(record.topic_partition, record.offset)
        else:
            if message is not None:
                batch.add(*message, now_ms)
    return batch.changes


def _with_document(decode: Decoder[T]) -> Decoder[tuple[T, Document]]:
    def read(record: Record) -> tuple[T, Document]:
        message = decode(record)
        try:
            return message, msgspec.json.decode(record.value or b"")
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:  # in fields that are not ours
            raise MalformedMessage(str(error)) from error

    return read


_DECODERS: Mapping[str, Decoder[Any]] = {
    "windows": _with_document(decode_window),
    "alerts": _with_document(decode_alert),
    "retraining": _with_document(decode_decision),
    "heartbeats": _with_document(decode_heartbeat),
    "versions": _with_document(decode_version),
}
TOPICS = tuple(_DECODERS)


@dataclass(frozen=True, slots=True)
class _Batch:
    windows: Rows = field(default_factory=dict)
    distributions: Rows = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    decisions: Rows = field(default_factory=dict)
    heartbeats: Rows = field(default_factory=dict)
    versions: Rows = field(default_factory=dict)
    unread: dict[TopicPartition, int] = field(default_factory=dict)

    @property
    def changes(self) -> RowBatch:
        return RowBatch(
            list(self.windows.values()),
            list(self.distributions.values()),
            self.alerts,
            list(self.decisions.values()),
            list(self.heartbeats.values()),
            list(self.versions.values()),
            self.unread,
        )

    def add(self, message: StoredMessage, document: Document, now_ms: int) -> None:
        if isinstance(message, WindowMessage):
            self._add_window(message, document)
        elif isinstance(message, AlertMessage):
            self.alerts.append(Alert(_transition(message, document), _incident(message, document)))
        elif isinstance(message, RetrainingDecision):
            key = (message.model, message.version, message.decided_ms)
            self.decisions[key] = _decision(message, document)
        elif isinstance(message, VersionMessage):
            self.versions[message.model, message.version] = _version(message)
        else:
            self.heartbeats[message.role, message.slot] = _heartbeat(message, document, now_ms)

    def _add_window(self, message: WindowMessage, document: Document) -> None:
        key = (message.model, message.version, message.segment, message.start_ms, message.end_ms)
        before = self.windows.get(key)
        if before is None or (before["life"], before["revision"]) < (
            message.life,
            message.revision,
        ):
            found = distributions_of(document)
            self.windows[key] = {**_window_key(message), **_window(message, document)}
            self.distributions[key] = {**_window_key(message), "document": found}


def distributions_of(document: Document) -> Document:
    """Takes the distributions out of the document of a window."""
    concept = document["concept"]
    return {
        "features": {one["name"]: _taken(one) for one in document["data"]["features"]},
        **{name: _taken(concept[name]) for name in ("prediction", "errors")},
        "further": {one["name"]: _taken(one) for one in concept.get("further", ())},
    }


def _taken(feature: Document | None) -> Document | None:
    return None if feature is None else feature.pop("distribution", None)


def _window_key(message: WindowMessage) -> Row:
    """What identifies a window and its revision."""
    return {
        "model": message.model,
        "version": message.version,
        "segment": message.segment,
        "start_ms": message.start_ms,
        "end_ms": message.end_ms,
        "life": message.life,
        "revision": message.revision,
    }


def _window(message: WindowMessage, document: Document) -> Row:
    return {
        "plan": message.plan,
        "data_status": message.data.status,
        "performance_status": message.performance.status,
        "data": document["data"],
        "concept": document["concept"],
        "performance": document["performance"],
    }


def _transition(alert: AlertMessage, document: Document) -> Row:
    return {
        "id": alert.id,
        "incident": alert.data.incident,
        "type": alert.type,
        "time_ms": alert.time_ms,
        "event": document,
    }


def _incident(alert: AlertMessage, document: Document) -> Row:
    incident = alert.data
    return {
        "id": incident.incident,
        "model": incident.model,
        "version": incident.version,
        "segment": incident.segment,
        "kind": _text(incident.kind),
        "subject": _text(alert.subject),
        "severity": incident.severity,
        "state": incident.state,
        "reason": incident.reason,
        "caused_by": incident.caused_by,
        "opened_ms": incident.opened_ms,
        "updated_ms": alert.time_ms,
        "resolved_ms": incident.resolved_ms,
        "window": document["data"]["window"],
        "evidence": document["data"]["evidence"],
        "message": _text(incident.message),
    }


def _text(text: str) -> str:
    """PostgreSQL stores no NUL; the name of a feature or a category may hold one."""
    return text.replace("\x00", "\ufffd")


def _decision(message: RetrainingDecision, document: Document) -> Row:
    return {
        "model": message.model,
        "version": message.version,
        "decided_ms": message.decided_ms,
        "life": message.life,
        "document": document,
    }


def _version(message: VersionMessage) -> Row:
    return {
        "model": message.model,
        "version": message.version,
        "state": message.state,
        "since_ms": message.since_ms,
        "changed_by": _text(message.by),
        "why": _text(message.why),
        "life": message.life,
    }


def _heartbeat(message: HeartbeatMessage, document: Document, now_ms: int) -> Row:
    return {
        "role": message.role,
        "slot": message.slot,
        "at_ms": message.at_ms,
        "received_ms": now_ms,
        "document": document,
    }
