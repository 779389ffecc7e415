"""The messages of the topic ``halves``: requests and responses of pairs, before they are joined.

A half is a record of another service, byte for byte, in the partition of its id, with one more
header that says what it is. Progress says how far the topics of the pairs have been read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from consumers.messages.arrow import JSON_HEADERS
from consumers.messages.progress import Partition, require_append_times
from consumers.messages.reading import SCHEMA, MalformedMessage, decode_json
from consumers.messages.records import Message, Record
from monitor.events.progress import AppendTimes
from producers.contract.records import END_MS

TOPIC = "halves"
HEADER = "driftline.half"
MOST_BYTES = 1_900_000  # of a half; the topic accepts twice the size of the source topics

Side = Literal["request", "response"]
Milliseconds = Annotated[int, Meta(ge=0, lt=END_MS)]


class HalfInfo(Struct, frozen=True, kw_only=True):
    """What a half is, and where its record was."""

    schema: Literal[1] = SCHEMA
    pair: str  # the short name of the topic of the requests
    id: str
    side: Side
    topic: str  # of the record itself, a short name
    partition: Partition
    offset: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    time_ms: int  # the timestamp of the record
    reached_ms: Milliseconds  # the latest timestamp in its partition until then

    @property
    def ident(self) -> bytes:
        """16 bytes, the same for both halves of a pair."""
        return blake2b(f"{self.pair}\0{self.id}".encode(), digest_size=16).digest()


class Half(Struct, frozen=True, array_like=True):
    """A half as it was read; also as it waits in the store."""

    info: HalfInfo
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    def record(self) -> Record:
        """The record of the service."""
        info = self.info
        place = info.topic, info.partition, info.offset
        return Record(*place, self.key, self.value, self.headers, info.time_ms)

    @property
    def size(self) -> int:
        """Bytes of the record."""
        texts = (len(name) + len(text or b"") for name, text in self.headers)
        return len(self.key or b"") + len(self.value or b"") + sum(texts)


class HalvesProgress(Struct, frozen=True, kw_only=True):
    """The timestamps that have been reached in the topics of the pairs, by short name."""

    schema: Literal[1] = SCHEMA
    reached: Mapping[str, AppendTimes]

    def __post_init__(self) -> None:
        require_append_times(*self.reached.values())


def half_message(half: Half, partitions: int) -> Message:
    number = int.from_bytes(half.info.ident[:8], "big") % partitions
    header = (HEADER, msgspec.json.encode(half.info))
    return Message(TOPIC, half.key, half.value, number, [*half.headers, header])


def half_of(record: Record, info: HalfInfo) -> Half:
    """Without the headers of an earlier message of Driftline."""
    received = [header for header in record.headers if not header[0].startswith("driftline.")]
    return Half(info, record.key, record.value, received)


def progress_messages(progress: HalvesProgress, partitions: int) -> Iterable[Message]:
    value = msgspec.json.encode(progress)
    return (Message(TOPIC, None, value, number, JSON_HEADERS) for number in range(partitions))


def decode_halves_message(record: Record) -> Half | HalvesProgress:
    """What the topic holds. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    info = next((text for name, text in record.headers if name == HEADER), None)
    if info is None:
        return decode_json(record.value, HalvesProgress)
    try:
        return half_of(record, msgspec.json.decode(info, type=HalfInfo))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedMessage(f"its header {HEADER}: {error}") from error
