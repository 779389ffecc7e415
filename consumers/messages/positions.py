"""The messages of the compacted topic ``positions``: how far partitions have been read.

=====================================  =======================================================
``<topic>/<partition>``                ``SourcePosition``: next offset, append time and counts.
                                       Of Driftline's own topics only the offset
``predictions/<partition>/<m>/<v>``    ``SeenPosition``: event time of a model version
``labels/<partition>/<m>``             ``SeenPosition``: event time of the labels of a model
=====================================  =======================================================

They are written in the transaction of a batch. Unlike the offsets of a consumer group, Kafka does
not forget them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from consumers.messages.reading import SCHEMA, AnyObject, ForeignMessage, decode_json
from consumers.messages.records import Message, Record, TopicPartition, is_source
from monitor.events.progress import Seen

TOPIC = "positions"
OWN_TOPICS = frozenset(("joins", "summaries", "retraining"))  # what roles read beside the sources
HALVES = "halves"  # the one that is read like a source: with counts

SourceKey = tuple[str, ...]  # model and version; of labels, the model alone


class PairMark(Struct, frozen=True, kw_only=True):
    """How far the halves of one kind of pairs have been dealt with in a partition of ``halves``."""

    clock_ms: int  # all halves with timestamps before it have been read
    done: bytes = b""  # the last timer that was dealt with, without its ident, see ``pair_store``


class SourcePosition(Struct, frozen=True, kw_only=True):
    """The position of a source partition."""

    schema: Literal[1] = SCHEMA
    next_offset: int
    append_ms: int | None  # append time that was reached
    counts: Mapping[str, int]  # since the first record
    dead: Mapping[str, int]  # dead letters by reason
    # Of ``halves``, by the topic of the requests.
    pairs: Mapping[str, PairMark] | UnsetType = UNSET


class SeenPosition(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    seen: Seen


@dataclass(frozen=True, slots=True)
class PositionEntry:
    """``key`` is None for the position of the partition itself."""

    source: TopicPartition
    key: SourceKey | None
    content: SourcePosition | Seen


def offset_messages(
    next_offsets: Mapping[TopicPartition, int], partitions: Callable[[str], int]
) -> Iterable[Message]:
    """Of the partitions of ``OWN_TOPICS``. The roles write those of sources, with counts."""
    for source, next_offset in next_offsets.items():
        if source.topic in OWN_TOPICS:
            position = SourcePosition(next_offset=next_offset, append_ms=None, counts={}, dead={})
            yield position_message(source, position, partitions(TOPIC))


def position_message(source: TopicPartition, position: SourcePosition, partitions: int) -> Message:
    return _message(source, (), msgspec.json.encode(position), partitions)


def seen_message(source: TopicPartition, key: SourceKey, seen: Seen, partitions: int) -> Message:
    value = msgspec.json.encode(SeenPosition(schema=SCHEMA, seen=seen))
    return _message(source, key, value, partitions)


def positions_partition(source: TopicPartition, partitions: int) -> int:
    """The partition of ``positions`` that holds those of a source partition."""
    return source.partition % partitions


def decode_position(record: Record) -> PositionEntry:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    match (record.key or b"").decode(errors="replace").split("/"):
        case [topic, number, *key] if _is_read(topic) and number.isdecimal():
            source = TopicPartition(topic, int(number))
            if not key:
                position = decode_json(record.value, SourcePosition, AnyObject)
                return PositionEntry(source, None, position)
            seen = decode_json(record.value, SeenPosition, AnyObject).seen
            return PositionEntry(source, tuple(key), seen)
        case _:
            raise ForeignMessage(f"its key {record.key!r} names no partition that is read")


def _is_read(topic: str) -> bool:
    return is_source(topic) or topic in OWN_TOPICS or topic == HALVES


def _message(source: TopicPartition, key: SourceKey, value: bytes, partitions: int) -> Message:
    name = "/".join((source.topic, str(source.partition), *key))
    return Message(TOPIC, name.encode(), value, positions_partition(source, partitions))
