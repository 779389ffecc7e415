"""Dead letters as values: why a record was set aside, and the record as it was received. No Kafka.

``consumers.roles.aggregate`` writes them; ``docs/messages.md`` describes their headers.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumers.messages.internal import rfc3339
from consumers.messages.records import Message, Record

TOPIC = "dead-letters"
SOURCES = ("predictions", "labels")
OWN = "driftline."  # begins the names of the headers that were added
SHOWN = 60  # characters of a value in a line


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of the topic ``dead-letters``; what its headers lack is empty or None."""

    record: Record
    reason: str
    error: str
    topic: str  # where it came from, by its short name
    partition: int | None
    offset: int | None
    truncated: str | None  # hash and length of the whole value; None: it is whole

    @classmethod
    def of(cls, record: Record) -> DeadLetter:
        own = {
            name.removeprefix(OWN): (value or b"").decode(errors="replace")
            for name, value in record.headers
            if name.startswith(OWN)
        }
        return cls(
            record,
            own.get("reason", ""),
            own.get("error", ""),
            own.get("topic", ""),
            _whole(own.get("partition")),
            _whole(own.get("offset")),
            own.get("truncated"),
        )

    @property
    def name(self) -> str:
        return f"{TOPIC}/{self.record.partition}/{self.record.offset}"

    @property
    def obstacle(self) -> str | None:
        """Why it cannot be sent back; None if it can."""
        if self.truncated is not None:
            return f"only its beginning was kept ({self.truncated})"
        if self.topic not in SOURCES:
            return f"it names no topic that it came from, but {self.topic!r}"
        return None

    def original(self) -> Message:
        """As it was received, for the partition that it came from."""
        headers = [header for header in self.record.headers if not header[0].startswith(OWN)]
        return Message(self.topic, self.record.key, self.record.value, self.partition, headers)


def dead_letter_document(letter: DeadLetter, *, sent_back: bool | None) -> Mapping[str, Any]:
    """For programs. Bytes that are no UTF-8 stand under another name, in base64."""
    record = letter.record
    return {
        "letter": letter.name,
        "at": rfc3339(record.append_ms),
        "reason": letter.reason,
        "error": letter.error,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "truncated": letter.truncated,
        "sent_back": sent_back,
        **_bytes("key", record.key),
        **_bytes("value", record.value),
    }


def dead_letter_line(letter: DeadLetter, *, sent_back: bool | None) -> str:
    """When, why, where from, what was wrong, what became of it, and how the value begins."""
    value = letter.record.value
    began = "no value" if value is None else value[: 4 * SHOWN].decode(errors="replace")
    shown = began if len(began) <= SHOWN else f"{began[: SHOWN - 1]}…"
    line = (
        f"{rfc3339(letter.record.append_ms)[:19]}Z  {letter.reason:13}"
        f"  {letter.topic}/{letter.partition}/{letter.offset}  {letter.error}"
        f"{'; sent back' if sent_back else ''}  | {shown}"
    )
    return line.translate(_VISIBLE)


# A record may hold anything: what a terminal would obey is shown as a dot.
_VISIBLE = dict.fromkeys((*range(32), *range(127, 160)), "·")


def _bytes(name: str, value: bytes | None) -> dict[str, str | None]:
    if value is None:
        return {name: None}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(value).decode()}


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
