"""Predictions and labels as Arrow: the columns of a message, and how much it may hold.

A message is an Arrow IPC stream. Its rows mean what the same rows would mean as JSON.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from pyarrow import types

CONTENT_TYPE = "content-type"  # the header that distinguishes Arrow from JSON
ARROW = b"application/vnd.apache.arrow.stream"
ARROW_HEADER = (CONTENT_TYPE, ARROW)

PREDICTION = ("id", "time", "model", "version", "score", "prediction")  # the others are features
LABEL = ("id", "time", "model", "label")  # any others are ignored
SCORES = "scores"  # a column of structs: numbers by class; any other of this name is a feature
OPTIONAL = ("score", "prediction")  # by the task; where a row lacks one it needs, it says so

MAX_ROWS = 50_000  # of a message: they take a worker much less than a second
MAX_VALUES = 2**23  # rows times columns: as doubles they take 64 MiB
MAX_BYTES = 64 * 2**20  # of all buffers after decompression
MAX_TEXT_BYTES = 128 * 2**20  # of the texts and names of all rows, each spelt out as in JSON

# Of a message that Driftline sends.
USUAL_ROWS = 1_000
USUAL_BYTES = 700_000  # Kafka takes 1 MB by default
_FEW_TEXTS = 100  # they are sent as a dictionary in every message

_TEXT = "text, dictionary-encoded or not"
_EXPECTED = {
    "id": _TEXT,
    "time": "timestamps, or integers: milliseconds since 1970 UTC",
    "model": _TEXT,
    "version": _TEXT,
    "score": "numbers",
    "prediction": "numbers, or classes: booleans or text",
    "label": "numbers, or classes: booleans or text",
    SCORES: "a struct of numbers",
}


def unfit(schema: pa.Schema, names: tuple[str, ...]) -> str | None:
    """Why columns of this schema are not predictions or labels. None if they are.

    ``names`` is ``PREDICTION`` or ``LABEL``.
    """
    for name in names:
        if name not in schema.names and name not in OPTIONAL:
            return f"column '{name}' is missing: expected {_EXPECTED[name]}"
    times = Counter(schema.names)
    used = [field for field in schema if field.name in names or names == PREDICTION]
    own = {*names, *scores_of(schema)}
    errors = (_wrong_field(field, times[field.name], field.name in own) for field in used)
    return next(filter(None, errors), None)


def ipc_stream(rows: pa.Table) -> bytes:
    """The value of a message with these rows."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue().to_pybytes())


def scores_of(schema: pa.Schema) -> tuple[str, ...]:
    """The column of scores of classes, if there is one."""
    return tuple(f.name for f in schema if f.name == SCORES and types.is_struct(f.type))


def features_of(schema: pa.Schema) -> list[str]:
    """The columns of predictions that are features."""
    own = {*PREDICTION, *scores_of(schema)}
    return [name for name in schema.names if name not in own]


def compact(column: pa.Array) -> pa.Array:
    """A column with few different texts as a dictionary; any other as it is."""
    if not types.is_string(column.type):
        return column
    coded = column.dictionary_encode()
    return coded if len(coded.dictionary) <= _FEW_TEXTS else column


def is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_float32(kind) or types.is_float64(kind))


def _wrong_field(field: pa.Field, times: int, of_contract: bool) -> str | None:
    """``times``: how often its name is there."""
    kind, name = field.type, field.name
    if times > 1:
        return f"column '{name}' is there {times} times: expected one"
    if of_contract:
        fits, expected = _of_contract(name, kind), _EXPECTED[name]
    else:
        fits, expected = _of_feature(kind), f"numbers, booleans or {_TEXT}"
    return None if fits else f"column '{name}' has type {kind}: expected {expected}"


def _of_contract(name: str, kind: pa.DataType) -> bool:
    if types.is_null(kind):
        return True
    if _EXPECTED[name] is _TEXT:
        return is_text(kind.value_type if types.is_dictionary(kind) else kind)
    if name == "time":
        return bool(types.is_timestamp(kind) or types.is_integer(kind))
    if name == SCORES:
        return all(is_number(child.type) or types.is_null(child.type) for child in kind)
    return _of_feature(kind) if name in ("prediction", "label") else is_number(kind)


def _of_feature(kind: pa.DataType) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return is_number(kind) or is_text(kind) or bool(types.is_boolean(kind) or types.is_null(kind))
