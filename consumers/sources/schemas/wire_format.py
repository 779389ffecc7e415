"""The wire format of Confluent's serializers: which schema a value has, and where it begins.

::

    value    0, id (4 bytes, big endian), [message indexes of Protobuf], data
             1, GUID (16 bytes),          [message indexes of Protobuf], data
    header   __value_schema_id: either of them without the data, and then the value is the data

Message indexes are a count and as many positions, each a zigzag varint; a count of 0 is the first
message of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from consumers.messages.records import Headers
from consumers.sources.schemas.registry import SchemaId
from producers.contract.records import Undecodable

HEADER = "__value_schema_id"
MOST_INDEXES = 100
_LAST_SHIFT = 63  # of a varint


class Framed(NamedTuple):
    """A value, and what it is framed with."""

    id: SchemaId
    indexes: tuple[int, ...]  # of Protobuf's messages, the outermost first
    data: bytes


def unframed(value: bytes | None, headers: Callable[[], Headers], *, indexed: bool) -> Framed:
    """``indexed``: as with Protobuf. Raises ``Undecodable``."""
    if value is None:
        raise Undecodable("a tombstone: the record has no value")
    in_header = next((text for name, text in headers() if name == HEADER and text), None)
    frame = value if in_header is None else in_header
    try:
        id_, at = _id(frame)
        indexes, at = _indexes(frame, at) if indexed else ((), at)
    except IndexError:
        raise Undecodable("its bytes end within the id of its schema") from None
    return Framed(id_, indexes, value[at:] if in_header is None else value)


def _id(frame: bytes) -> tuple[SchemaId, int]:
    """The id, and where it ends."""
    kind, length = frame[0], {0: 5, 1: 17}.get(frame[0], 1)
    if kind > 1:
        raise Undecodable(
            f"it begins with byte {kind}: expected 0 or 1 and the id of a schema, or the header"
            f" {HEADER}"
        )
    if len(frame) < length:
        raise IndexError
    given = frame[1:length]
    return (UUID(bytes=given) if kind else int.from_bytes(given)), length


def _indexes(frame: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count, at = _varint(frame, at)
    if not 0 <= count <= MOST_INDEXES:
        raise Undecodable(f"it has {count} message indexes: expected up to {MOST_INDEXES}")
    found = []
    for _ in range(count):
        index, at = _varint(frame, at)
        found.append(index)
    return tuple(found) or (0,), at


def _varint(frame: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint, and where it ends."""
    value = shift = 0
    while True:
        byte = frame[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at
        if shift > _LAST_SHIFT:
            raise Undecodable("a message index is too long")
