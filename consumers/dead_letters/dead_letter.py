"""The format of dead letters: a record that was set aside, with the reason in its headers.

``ingest``, ``aggregate`` and ``pair`` write dead letters, ``join`` and ``pair`` also the messages
of their topics that they cannot read; the commands ``driftline dead-letters`` read them.
``docs/messages.md`` describes the headers.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from consumers.messages.arrow import JSON_HEADERS
from consumers.messages.records import Message, Record, is_source
from producers.contract.arrow_columns import CONTENT_TYPE

TOPIC = "dead-letters"
OWN = ("joins", "halves")  # of Driftline's own topics, those whose messages can become dead letters
UNREADABLE = "unreadable"  # the reason: a message of Driftline of another release, or broken
HEADER_PREFIX = "driftline."  # of the headers that are added to those of the record
MAX_BYTES = 1_900_000  # of a dead letter; the topic accepts twice the size of the source topics
TRUNCATED_BYTES = 64 * 1024  # kept of a larger value
MAX_ERROR_BYTES = 2_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the topic ``dead-letters``. Fields without a header are empty or None."""

    record: Record
    reason: str
    error: str
    topic: str  # the source topic, by its short name
    partition: int | None
    offset: int | None
    truncated: str | None  # hash and length of the whole value; None: the value is complete
    redacted: str | None = None  # what of the record was not kept

    @classmethod
    def from_record(cls, record: Record) -> DeadLetter:
        added = {
            name.removeprefix(HEADER_PREFIX): (value or b"").decode(errors="replace")
            for name, value in record.headers
            if name.startswith(HEADER_PREFIX)
        }
        return cls(
            record,
            added.get("reason", ""),
            added.get("error", ""),
            added.get("topic", ""),
            _integer(added.get("partition")),
            _integer(added.get("offset")),
            added.get("truncated"),
            added.get("redacted"),
        )

    @property
    def name(self) -> str:
        return f"{TOPIC}/{self.record.partition}/{self.record.offset}"

    @property
    def unsendable(self) -> str | None:
        """Why it cannot be sent again; None if it can."""
        if self.truncated is not None:
            return f"only the first part of the value was kept ({self.truncated})"
        if self.redacted is not None:
            return f"what the setting 'redact' names was not kept ({self.redacted})"
        if not is_source(self.topic) and self.topic not in OWN:
            return f"its headers name no source topic, but {self.topic!r}"
        return None

    def original(self) -> Message:
        """The record as it was received, for the partition that it came from."""
        return Message(
            self.topic, self.record.key, self.record.value, self.partition, _received(self.record)
        )


def dead_letter_message(
    record: Record, reason: str, error: str, row: int | None = None, hidden: str | None = None
) -> Message:
    """The record byte for byte, with the reason. ``row``: its position in a record of several.
    ``hidden``: what of it was not kept, see ``redaction``.

    Of a record over ``MAX_BYTES``, the first part of the value is kept with a hash of the whole.
    """
    headers: list[tuple[str, bytes | None]] = [
        ("driftline.reason", reason.encode()),
        ("driftline.error", error.encode()[:MAX_ERROR_BYTES]),
        ("driftline.topic", record.topic.encode()),
        ("driftline.partition", str(record.partition).encode()),
        ("driftline.offset", str(record.offset).encode()),
        *([] if row is None else [("driftline.row", str(row).encode())]),
        *([] if hidden is None else [("driftline.redacted", hidden.encode())]),
    ]
    key, value, received = record.key, record.value, _received(record)
    rest = len(key or b"") + sum(len(name.encode()) + len(text or b"") for name, text in received)
    if rest + len(value or b"") > MAX_BYTES:  # compressed, it fitted into the source topic
        headers.append(("driftline.truncated", _fingerprint(value or b"")))
        value = value and value[:TRUNCATED_BYTES]
        if rest + TRUNCATED_BYTES > MAX_BYTES:
            received, key = [], key and key[:TRUNCATED_BYTES]
    return Message(TOPIC, key, value, headers=[*received, *headers])


def row_as_record(record: Record, value: bytes) -> Record:
    """A row of a record that holds several, as JSON: it can be sent again alone."""
    others = [header for header in record.headers if header[0] != CONTENT_TYPE]
    return replace(record, value=value, headers=[*others, *JSON_HEADERS])


def _received(record: Record) -> list[tuple[str, bytes | None]]:
    """The headers that came with a record, without those of an earlier dead letter."""
    return [header for header in record.headers if not header[0].startswith(HEADER_PREFIX)]


def _fingerprint(value: bytes) -> bytes:
    return f"sha256={hashlib.sha256(value).hexdigest()} bytes={len(value)}".encode()


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
