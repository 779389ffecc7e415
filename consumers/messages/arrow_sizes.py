"""What an Arrow IPC stream takes in memory, from its metadata: nothing is decompressed.

Arrow allocates what a compressed buffer claims to hold, and refuses one that holds more. So a check
of the claims bounds the memory of reading a stream. The metadata of a message is a FlatBuffer::

    Message          version, header type, header, body length
    RecordBatch      length, nodes, buffers [(offset, length), ...], compression
    DictionaryBatch  id, RecordBatch
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

# Fields of the tables, by their number
_HEADER, _CUSTOM_METADATA = 2, 4
_DATA = 1
_LENGTH, _NODES, _BUFFERS, _COMPRESSION = 0, 1, 2, 3

_PREFIX = 8  # bytes of a compressed buffer that say how many it holds; -1: it is not compressed


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


def sizes_of_message(value: bytes | None) -> StreamSizes:
    """What a message counts in a batch: one row if it is not a stream."""
    try:
        return stream_sizes(value or b"")
    except InvalidStream:
        return StreamSizes(1, 1, 0)


def _batch_sizes(message: pa.ipc.Message) -> tuple[int, int, int]:
    """Rows, columns and bytes. Raises ``ValueError`` or ``struct.error`` for invalid metadata."""
    metadata = memoryview(message.metadata)
    root = _offset(metadata, 0)
    if message.metadata_version != pa.ipc.MetadataVersion.V5 and _field(
        metadata, root, _CUSTOM_METADATA
    ):
        raise ValueError("of before Arrow 1.0")  # its compression may be in that field
    batch = _child(metadata, root, _HEADER)
    if message.type == "dictionary":
        batch = _child(metadata, batch, _DATA)
    length, nodes = _field(metadata, batch, _LENGTH), _child(metadata, batch, _NODES)
    rows = struct.unpack_from("<q", metadata, length)[0] if length else 0
    columns = struct.unpack_from("<I", metadata, nodes)[0] if nodes else 0
    if rows < 0:
        raise ValueError("a negative number of rows")
    return rows, columns, _bytes(metadata, batch, message.body)


def _bytes(metadata: memoryview, batch: int, body: pa.Buffer | None) -> int:
    """Of all buffers of a record batch."""
    vector = _child(metadata, batch, _BUFFERS)
    if not vector:
        return 0
    count = struct.unpack_from("<I", metadata, vector)[0]
    buffers = np.frombuffer(metadata, np.int64, 2 * count, vector + 4).reshape(count, 2)
    stored = buffers[buffers[:, 1] > 0]
    if not _field(metadata, batch, _COMPRESSION):
        return sum(stored[:, 1].tolist())
    held = _claims(stored[:, 0], b"" if body is None else memoryview(body))
    return sum(np.where(held == -1, stored[:, 1], held).tolist())


def _claims(offsets: Ints, body: bytes | memoryview) -> Ints:
    """How many bytes each compressed buffer claims to hold; -1: it is not compressed."""
    if (offsets % _PREFIX).any() or (offsets < 0).any() or (offsets + _PREFIX > len(body)).any():
        raise ValueError("a buffer outside of the message")
    held: Ints = np.frombuffer(body, np.int64, len(body) // _PREFIX)[offsets // _PREFIX]
    if (held < -1).any():
        raise ValueError("a negative size")
    return held


def _offset(metadata: memoryview, at: int) -> int:
    """The position that an offset at ``at`` points to."""
    return at + int(struct.unpack_from("<I", metadata, at)[0])


def _field(metadata: memoryview, table: int, number: int) -> int:
    """The position of a field of a table; 0 if it has none."""
    fields = table - struct.unpack_from("<i", metadata, table)[0]
    size = struct.unpack_from("<H", metadata, fields)[0]
    at = 4 + 2 * number
    inside = struct.unpack_from("<H", metadata, fields + at)[0] if at < size else 0
    return table + inside if inside else 0


def _child(metadata: memoryview, table: int, number: int) -> int:
    """The position of a table or vector that a field points to; 0 if there is none."""
    at = _field(metadata, table, number)
    return _offset(metadata, at) if at else 0
