"""What an Arrow IPC stream takes in memory, from its metadata: nothing is decompressed.

Arrow allocates what a compressed buffer claims to hold, and refuses one that holds more. So a check
of the claims bounds the memory of reading a stream. The metadata of a message is a FlatBuffer::

    Message          version, header type, header, body length
    RecordBatch      length, nodes, buffers [(offset, length), ...], compression
    DictionaryBatch  id, RecordBatch
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

# Fields of the tables, by their number
_HEADER, _CUSTOM_METADATA = 2, 4
_DATA = 1
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3
_MOST_FIELDS = 5

_NOT_COMPRESSED = -1  # in place of the number of bytes that a compressed buffer holds

_i32, _i64 = struct.Struct("<i").unpack_from, struct.Struct("<q").unpack_from
_u16, _u32 = struct.Struct("<H").unpack_from, struct.Struct("<I").unpack_from


class InvalidStream(ValueError):
    """Bytes that are not an Arrow IPC stream. The message says why."""


@dataclass(frozen=True, slots=True)
class StreamSizes:
    """``values`` are rows times columns, ``bytes`` those of all buffers after decompression."""

    rows: int
    values: int
    bytes: int


def stream_sizes(value: bytes) -> StreamSizes:
    """Raises ``InvalidStream``."""
    rows = values = size = 0
    try:
        for message in pa.ipc.MessageReader.open_stream(value):
            if message.type == "record batch":
                of_batch, columns, held = _batch_sizes(message)
                rows, values, size = rows + of_batch, values + of_batch * columns, size + held
            elif message.type == "dictionary":
                size += _batch_sizes(message)[-1]
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise InvalidStream(" ".join(str(error).split())) from None
    return StreamSizes(rows, values, size)


def sizes_of_message(value: bytes | None) -> StreamSizes | None:
    """None if it is not a stream."""
    try:
        return stream_sizes(value or b"")
    except InvalidStream:
        return None


def _batch_sizes(message: pa.ipc.Message) -> tuple[int, int, int]:
    """Rows, columns and bytes. Raises ``ValueError`` or ``struct.error`` for invalid metadata."""
    metadata = memoryview(message.metadata)
    fields = _fields(metadata, _u32(metadata, 0)[0])
    if fields[_CUSTOM_METADATA] and message.metadata_version != pa.ipc.MetadataVersion.V5:
        raise ValueError("of before Arrow 1.0")  # its compression may be in that field
    batch = _fields(metadata, _target(metadata, fields[_HEADER]))
    if message.type == "dictionary":
        batch = _fields(metadata, _target(metadata, batch[_DATA]))
    rows = _i64(metadata, batch[_LENGTH])[0] if batch[_LENGTH] else 0
    nodes = _target(metadata, batch[_NODES])
    if rows < 0:
        raise ValueError("a negative number of rows")
    return rows, _u32(metadata, nodes)[0] if nodes else 0, _bytes(metadata, batch, message.body)


def _bytes(metadata: memoryview, batch: Sequence[int], body: pa.Buffer | None) -> int:
    """Of all buffers of a record batch."""
    vector = _target(metadata, batch[_BUFFERS])
    if not vector:
        return 0
    numbers = struct.unpack_from(f"<{2 * _u32(metadata, vector)[0]}q", metadata, vector + 4)
    offsets, lengths = numbers[::2], numbers[1::2]
    if min(numbers, default=0) < 0:
        raise ValueError("a negative size")
    if not batch[_COMPRESSION]:
        return sum(lengths)
    held = memoryview(b"" if body is None else body)
    return sum(
        _claim(held, offset, length)
        for offset, length in zip(offsets, lengths, strict=True)
        if length
    )


def _claim(body: memoryview, offset: int, length: int) -> int:
    """How many bytes a compressed buffer claims to hold."""
    claim: int = _i64(body, offset)[0]
    if claim < _NOT_COMPRESSED:
        raise ValueError("a negative size")
    return length if claim == _NOT_COMPRESSED else claim


def _fields(metadata: memoryview, table: int) -> Sequence[int]:
    """The position of each field of a table; 0 if it has none."""
    offsets = table - _i32(metadata, table)[0]
    count = (_u16(metadata, offsets)[0] - 4) // 2
    found = struct.unpack_from(f"<{count}H", metadata, offsets + 4)
    return [table + offset if offset else 0 for offset in found] + [0] * (_MOST_FIELDS - count)


def _target(metadata: memoryview, at: int) -> int:
    """The position of the table or vector that a field points to; 0 if there is none."""
    return at + int(_u32(metadata, at)[0]) if at else 0
