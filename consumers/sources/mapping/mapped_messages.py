"""Mapped rows as messages of ``predictions`` and ``labels``.

Rows of one model version make Arrow messages, which cost a tenth of JSON to read. A group that
Arrow cannot hold as it is (values of several types in a column, a feature with the name of a column
of the contract) and a small one are sent as JSON, a message a row. What a row means is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from math import isinf
from typing import Any, NamedTuple, TypeVar

import msgspec
import pyarrow as pa

from consumers.messages.arrow import ARROW_HEADERS, JSON_HEADERS
from consumers.messages.records import Message
from consumers.sources.groups import grouped
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction, MappedRow
from producers.contract.arrow_columns import (
    PREDICTION,
    USUAL_BYTES,
    USUAL_ROWS,
    compact,
    ipc_stream,
)

FEWEST_ROWS = 20  # fewer are sent as JSON

R = TypeVar("R", MappedPrediction, MappedLabel)
Columns = Mapping[str, Sequence[Any]]

_encode = msgspec.json.Encoder(decimal_format="number").encode
_NUMBERS: tuple[set[type], ...] = ({int, float}, {int}, {float}, set())
KINDS: tuple[set[type], ...] = (*_NUMBERS, {str}, {bool})  # of the values of a column, besides None


def messages_of(rows: Sequence[MappedRow], partition_of: Callable[[str], int]) -> Iterator[Message]:
    """In the order of the rows of each model version. ``partition_of`` a topic they go to."""
    predictions = [row for row in rows if isinstance(row, MappedPrediction)]
    labels = [row for row in rows if isinstance(row, MappedLabel)]
    for of_version in _by_key(predictions, lambda row: (row.model, row.version)):
        to = "predictions", partition_of("predictions")
        yield from _messages(to, of_version, _prediction_columns, _prediction)
    for of_model in _by_key(labels, lambda row: row.model):
        to = "labels", partition_of("labels")
        yield from _messages(to, of_model, _label_columns, _label)


def _by_key(rows: Sequence[R], key: Callable[[R], Any]) -> Iterator[list[R]]:
    """The rows of each key, in their order. A key may hold anything, such as a list."""
    for at in grouped([repr(key(row)) for row in rows]).values():
        yield [rows[i] for i in at.tolist()]


def _messages(
    to: tuple[str, int],
    rows: Sequence[R],
    columns: Callable[[Sequence[R]], Columns | None],
    document: Callable[[R], Mapping[str, Any]],
) -> Iterator[Message]:
    """``to`` a topic and partition."""
    topic, partition = to
    table = _table(columns(rows)) if len(rows) >= FEWEST_ROWS else None
    start = 0
    for value in _streams(table) if table is not None else ():
        yield Message(topic, _key(rows[start]), value.bytes, partition, ARROW_HEADERS)
        start += value.rows
    for row in rows[start:]:
        yield Message(topic, _key(row), _encode(document(row)), partition, JSON_HEADERS)


def _key(row: MappedPrediction | MappedLabel) -> bytes:
    return str(row.id).encode(errors="replace")[:200]


# -- JSON --------------------------------------------------------------------------------------


def _prediction(row: MappedPrediction) -> Mapping[str, Any]:
    found = {
        "id": row.id,
        "time": row.time_ms,
        "model": row.model,
        "version": row.version,
        "features": _with_infinite_texts(row.features),
    }
    outputs = {"score": row.score, "prediction": row.prediction, "scores": row.scores}
    return found | {name: value for name, value in outputs.items() if value is not None}


def _with_infinite_texts(features: Mapping[str, Any]) -> Mapping[str, Any]:
    """JSON has no infinite numbers. They are of a wrong type, as they are in Arrow, not missing."""
    if not any(isinstance(value, float) and isinf(value) for value in features.values()):
        return features
    return {
        name: str(value) if isinstance(value, float) and isinf(value) else value
        for name, value in features.items()
    }


def _label(row: MappedLabel) -> Mapping[str, Any]:
    return {"id": row.id, "time": row.time_ms, "model": row.model, "label": row.label}


def json_of(row: MappedRow) -> bytes:
    return _encode(_prediction(row) if isinstance(row, MappedPrediction) else _label(row))


def json_bytes(row: MappedRow) -> int:
    """The size of a row as JSON."""
    return len(json_of(row))


# -- Arrow -------------------------------------------------------------------------------------


class _Stream(NamedTuple):
    bytes: bytes
    rows: int


def _streams(table: pa.Table) -> Iterator[_Stream]:
    """Of the first rows of the table; it ends before a row that is too large."""
    cuts = [(i, min(i + USUAL_ROWS, len(table))) for i in range(0, len(table), USUAL_ROWS)][::-1]
    while cuts:
        start, stop = cuts.pop()
        value = ipc_stream(table[start:stop])
        if len(value) <= USUAL_BYTES:
            yield _Stream(value, stop - start)
        elif stop - start > 1:
            middle = (start + stop) // 2
            cuts += [(middle, stop), (start, middle)]
        else:
            return


def _prediction_columns(rows: Sequence[MappedPrediction]) -> Columns | None:
    """None if a feature has the name of a column, or a row has scores of classes."""
    if any(row.scores is not None for row in rows):
        return None
    names = dict.fromkeys(chain.from_iterable(row.features for row in rows))
    if not names.keys().isdisjoint(PREDICTION):
        return None
    outputs = {
        "score": [row.score for row in rows],
        "prediction": [row.prediction for row in rows],
    }
    return {
        "id": [row.id for row in rows],
        "time": [row.time_ms for row in rows],
        "model": [row.model for row in rows],
        "version": [row.version for row in rows],
        **{name: values for name, values in outputs.items() if values.count(None) < len(rows)},
        **{name: [row.features.get(name) for row in rows] for name in names},
    }


def _label_columns(rows: Sequence[MappedLabel]) -> Columns:
    return {
        "id": [row.id for row in rows],
        "time": [row.time_ms for row in rows],
        "model": [row.model for row in rows],
        "label": [row.label for row in rows],
    }


def _table(columns: Columns | None) -> pa.Table | None:
    """None if Arrow cannot hold the values as they are."""
    if columns is None:
        return None
    arrays = dict[str, pa.Array]()
    for name, values in columns.items():
        array = plain_array(values, _EXPECTED.get(name, KINDS), _TYPES.get(name))
        if array is None:
            return None
        arrays[name] = compact(array)
    return pa.table(arrays)


def plain_array(
    values: Sequence[Any], kinds: Sequence[set[type]] = KINDS, type_: pa.DataType | None = None
) -> pa.Array | None:
    """The values as they are. None if their types are not among ``kinds``, or do not fit.

    The types are compared first, because Arrow takes a boolean after a float for 1.0.
    """
    if set(map(type, values)) - {type(None)} not in kinds:
        return None
    try:
        return pa.array(values, type_)
    except (pa.ArrowException, OverflowError, UnicodeEncodeError):
        return None


_EXPECTED: Mapping[str, Sequence[set[type]]] = {
    "id": ({str},),
    "time": ({int},),
    "model": ({str},),
    "version": ({str},),
    "score": _NUMBERS,
    **dict.fromkeys(("prediction", "label"), (*_NUMBERS, {str})),
}
_TYPES = {"id": pa.string(), "time": pa.int64()}
