"""Messages of every topic, as the roles have written them, changed in all thinkable ways."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from consumers.messages.arrow import ARROW_HEADERS, JSON_HEADERS, is_arrow
from consumers.messages.reading import ForeignMessage
from consumers.messages.records import Record
from tests.consumers.sources.mutations import OF_BYTES, SCALARS, TIMES

INTEGERS = [0, 1, -1, 2**31, 2**53 + 1, 2**62, -(2**63), 2**63 - 1]
FLOATS = [0.0, -1.0, 0.5, 2.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), -float("inf")]
TYPES = [pa.int8(), pa.int32(), pa.int64(), pa.uint64(), pa.float32(), pa.float64(), pa.string()]
NAMES = ["", "m", "nobody", "x/y", "ü" * 100, "a\x00b", "m" * 300]


def mutated(rng: random.Random, records: Sequence[Record], offset: int) -> Record:
    """One of ``records`` with one to three changes, at another offset."""
    found = replace(rng.choice(records), offset=offset)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        found = _changed(rng, found)
    return found


def _changed(rng: random.Random, record: Record) -> Record:
    kind = rng.random()
    if kind < 0.05:
        return replace(record, key=rng.choice([None, b"", b"m/1", b"\xff", b"time/m/1", b"m"]))
    if kind < 0.10:
        return replace(record, headers=rng.choice([(), ARROW_HEADERS, JSON_HEADERS]))
    if kind < 0.13:
        return replace(record, append_ms=rng.choice([0, record.append_ms + 10**12]))
    if kind < 0.35:
        return replace(record, value=rng.choice(OF_BYTES)(rng, record.value or b"{}"))
    return replace(record, value=_with_other_content(rng, record))


def _with_other_content(rng: random.Random, record: Record) -> bytes | None:
    if record.value and _is_arrow(record):
        return _other_columns(rng, record.value)
    try:
        document = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return record.value
    _change_somewhere(rng, document)
    return json.dumps(document).encode(errors="surrogatepass")


def _is_arrow(record: Record) -> bool:
    try:
        return is_arrow(record)
    except ForeignMessage:
        return False


# -- JSON --------------------------------------------------------------------------------------


def _change_somewhere(rng: random.Random, document: Any) -> None:
    """Change one member of the document, however deep."""
    within = rng.choice(list(_containers(document)) or [{}])
    keys = list(within) if isinstance(within, dict) else list(range(len(within)))
    if not keys:
        return
    key, kind = rng.choice(keys), rng.random()
    if kind < 0.2:
        del within[key]
    elif kind < 0.3 and isinstance(within, dict):
        within[rng.choice(["news", "", "schema", str(key) + " "])] = within.pop(key)
    else:
        within[key] = _other(rng, within[key])


def _containers(document: Any) -> Any:
    if isinstance(document, Mapping):
        yield document
        for value in document.values():
            yield from _containers(value)
    elif isinstance(document, list):
        yield document
        for value in document:
            yield from _containers(value)


def _other(rng: random.Random, value: Any) -> Any:
    """Another value, more often than not of the same type, so that it can be read."""
    if rng.random() < 0.3:
        return rng.choice([*SCALARS, *TIMES])
    likely: Mapping[type, list[Any]] = {
        bool: [not value],
        int: [*INTEGERS, value, 1_000 * value] if isinstance(value, int) else [],
        float: [*FLOATS, value],
        str: [*NAMES, *TIMES, value],
        list: [[], value, value * 50] if isinstance(value, list) else [],
    }
    return rng.choice(likely.get(type(value), [*SCALARS, {}]))


# -- Arrow -------------------------------------------------------------------------------------


def _other_columns(rng: random.Random, value: bytes) -> bytes:
    """The table with a column that is changed, or the bytes if they are no table any more."""
    try:
        table = pa.ipc.open_stream(value).read_all()
        table.validate(full=True)
        return _written(_other_table(rng, table))
    except (pa.ArrowException, ValueError, OverflowError, OSError, TypeError):
        return value


def _other_table(rng: random.Random, table: pa.Table) -> pa.Table:
    kind = rng.random()
    if kind < 0.15:
        return _other_metadata(rng, table)
    if kind < 0.25 or not table.num_columns:
        return table.slice(0, 0) if rng.random() < 0.3 else pa.concat_tables([table] * 3)
    number = rng.randrange(table.num_columns)
    field, column = table.schema.field(number), table.column(number)
    if kind < 0.35:
        return table.remove_column(number)
    if kind < 0.45:
        return table.set_column(number, rng.choice([*table.column_names, "news"]), column)
    if kind < 0.60:
        return table.set_column(number, field.name, column.cast(rng.choice(TYPES), safe=False))
    return table.set_column(number, field.name, _other_values(rng, column))


def _other_metadata(rng: random.Random, table: pa.Table) -> pa.Table:
    metadata = dict(table.schema.metadata or {})
    if metadata:
        name = rng.choice(sorted(metadata))
        metadata[name] = rng.choice([b"", b"2", b"m", b"nobody", b"\xff", b"joins", b"summaries"])
    if rng.random() < 0.2:
        metadata.pop(rng.choice(sorted(metadata) or [b""]), None)
    return table.replace_schema_metadata(metadata)


def _other_values(rng: random.Random, column: pa.ChunkedArray) -> pa.Array:
    """Some values of a column are others of its type, or null."""
    values = column.to_pylist()
    for _ in range(rng.choice([1, 1, len(values)])):
        if values:
            at = rng.randrange(len(values))
            values[at] = None if rng.random() < 0.2 else _of_type(rng, column.type, values[at])
    return pa.array(values, column.type)


def _of_type(rng: random.Random, kind: pa.DataType, value: Any) -> Any:
    if pa.types.is_integer(kind):
        limits = np.iinfo(kind.to_pandas_dtype())
        fitting = [one for one in INTEGERS if limits.min <= one <= limits.max]
        return rng.choice([*fitting, int(limits.max), int(limits.min)])
    if pa.types.is_floating(kind):
        return rng.choice(FLOATS)
    if pa.types.is_boolean(kind):
        return not value
    if pa.types.is_fixed_size_binary(kind):
        return rng.randbytes(kind.byte_width)
    if pa.types.is_list(kind):
        return [] if rng.random() < 0.5 else [*(value or []), *(value or [])]
    return rng.choice(NAMES)


def _written(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
