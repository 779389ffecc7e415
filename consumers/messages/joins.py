"""Rows on the topic ``joins``: predictions and labels by the hash of their id, as Arrow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumers.messages.arrow import ARROW_HEADERS, arrow_metadata, is_arrow, read_arrow, whole
from consumers.messages.identities import identities
from consumers.messages.names import require_name
from consumers.messages.progress import SourceProgress, decode_source_progress
from consumers.messages.reading import MalformedMessage
from consumers.messages.records import Message, Record
from producers.contract.column_checks import (
    bytes_of_doubles,
    doubles,
    flags,
    integers,
    require_texts,
    times,
)
from producers.contract.summaries import encode_table

KIND = "joins"
MOST_LIVES = 2**31 - 1
ROW_BYTES = 60  # that hold one score


def identity(model: str, record_id: str) -> bytes:
    """16 bytes for an id of a model."""
    column = ident_column(identities(model, pa.array([record_id], pa.string())))
    return cast("bytes", column[0].as_py())


def identity_partition(ident: bytes, partitions: int) -> int:
    return int.from_bytes(ident[:8], "big") % partitions


def ident_column(idents: NDArray[np.uint64]) -> pa.Array:
    """Of hashes of shape (n, 2): 16 bytes each, of which the first word decides the partition."""
    big_endian = np.ascontiguousarray(idents, dtype=">u8")
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(idents), [None, pa.py_buffer(big_endian)]
    )


@dataclass(frozen=True, slots=True, eq=False)
class JoinRows:
    """Predictions (``version`` set) and labels of one model, as columns of one length."""

    model: str
    ident: Sequence[bytes]  # or an Arrow column, to be written
    version: Sequence[str | None]  # likewise
    time_ms: NDArray[np.int64]
    late: NDArray[np.bool_]
    score: NDArray[np.float64]  # shape (n,), or (n, classes): of each class
    value: NDArray[np.float64]  # predicted class or label
    seen_ms: NDArray[np.int64]  # newest label time before a label in its partition
    life: NDArray[np.int64]  # of the version of a prediction: its number; 0 for a label
    segment: NDArray[np.int64] | None = None  # the number of its segments; None: all are 0


@dataclass(frozen=True, slots=True, eq=False)
class JoinColumns:
    """The rows of a message, as it was read."""

    model: str
    ident: NDArray[np.uint8]  # shape (n, 16)
    version: NDArray[np.int64]  # position in ``versions``, shape (n,); -1: a label
    versions: list[str]
    time_ms: NDArray[np.int64]
    late: NDArray[np.bool_]
    score: NDArray[np.float64]
    value: NDArray[np.float64]  # predicted class or label
    seen_ms: NDArray[np.int64]  # newest label time before a label in its partition
    life: NDArray[np.int64]  # of the version of a prediction: its number; 0 for a label
    segment: NDArray[np.int64]  # the number of its segments; 0 for a label
    scores: Sequence[bytes] | None = None  # of each class, as doubles


def join_message(rows: JoinRows, partition: int) -> Message:
    return Message("joins", None, _encode(rows), partition, ARROW_HEADERS)


def decode_join_message(record: Record) -> JoinColumns | SourceProgress:
    """What the topic ``joins`` holds. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    if not is_arrow(record):
        return decode_source_progress(record.value)
    _, table = read_arrow(record.value, KIND)
    try:
        return _decode(table)
    except (KeyError, ValueError, pa.ArrowException) as error:
        raise MalformedMessage(str(error)) from error


def _encode(rows: JoinRows) -> bytes:
    table = pa.table(
        {
            "ident": _column(rows.ident, pa.binary(16)),
            "version": _column(rows.version, pa.string()).dictionary_encode(),
            "time_ms": rows.time_ms,
            "late": rows.late,
            **_score_columns(rows.score),
            "value": rows.value.astype(np.float64, copy=False),
            "seen_ms": rows.seen_ms,
            "life": rows.life.astype(np.int32),
            "segments": _no_segments(len(rows.ident)),
            **({} if rows.segment is None else {"segment": rows.segment}),
        }
    )
    metadata = {**arrow_metadata(KIND), "model": rows.model}
    return encode_table(table.replace_schema_metadata(metadata))


def _score_columns(score: NDArray[np.float64]) -> dict[str, Any]:
    """Only rows with scores of classes have the column ``scores``."""
    if score.ndim == 1:
        return {"score": score}
    return {"score": np.zeros(len(score)), "scores": pa.array(score_bytes(score), pa.binary())}


def most_rows(rows: int, score: NDArray[np.float64]) -> int:
    """As many bytes in a message as ``rows`` that have one score each; they have 60."""
    own = 1 if score.ndim == 1 else score.shape[1] + 1
    return max(1, rows * ROW_BYTES // (ROW_BYTES + 8 * (own - 1)))


def score_bytes(score: NDArray[np.float64]) -> list[bytes]:
    """The scores of the classes of each row, shape (n, classes)."""
    return [row.tobytes() for row in np.ascontiguousarray(score, dtype="<f8")]


def _decode(table: pa.Table) -> JoinColumns:
    require_texts(table, "version", gaps=True)
    version = table["version"].cast(pa.string()).combine_chunks().dictionary_encode()
    return JoinColumns(
        require_name(table.schema.metadata[b"model"].decode()),
        _idents(table["ident"]),
        version.indices.fill_null(-1).to_numpy().astype(np.int64),
        [require_name(one) for one in version.dictionary.to_pylist()],
        times(table, "time_ms"),
        flags(table, "late"),
        doubles(table, "score"),
        _values(doubles(table, "value"), version.is_valid().to_numpy(zero_copy_only=False)),
        integers(table, "seen_ms"),
        _lives(table),
        segment_numbers_of(table),
        bytes_of_doubles(table, "scores") if "scores" in table.column_names else None,
    )


def _values(values: NDArray[np.float64], predicted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Classes of predictions, and labels; earlier releases wrote int8. Raises ``ValueError``."""
    whole(values[predicted])
    if not np.isfinite(values).all():
        raise ValueError("a label is not a finite number")
    return values


def _lives(table: pa.Table) -> NDArray[np.int64]:
    """An earlier release wrote none."""
    if "life" not in table.column_names:
        return np.zeros(len(table), dtype=np.int64)
    return integers(table, "life", 0, MOST_LIVES)


def segment_numbers_of(table: pa.Table) -> NDArray[np.int64]:
    """Of each row. Only messages of versions with segments have the column."""
    if "segment" not in table.column_names:
        return np.zeros(len(table), dtype=np.int64)
    return integers(table, "segment", 0)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)


def _idents(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    if column.null_count:
        raise ValueError("column 'ident': expected hashes without a gap")
    found = column.cast(pa.binary(16)).combine_chunks()
    bytes_ = np.frombuffer(found.buffers()[1] or b"", dtype=np.uint8)
    return bytes_[16 * found.offset :][: 16 * len(found)].reshape(-1, 16)


def _no_segments(rows: int) -> pa.Array:
    """The segments of each row: a list of texts, empty so far."""
    return pa.ListArray.from_arrays(np.zeros(rows + 1, dtype=np.int32), pa.array([], pa.string()))
