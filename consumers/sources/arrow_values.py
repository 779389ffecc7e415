"""Columns of Arrow as arrays and codes. No function creates an object for each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from consumers.sources.groups import Floats, Ints
from monitor.counts.task import Objects
from monitor.counts.values import Coded, concatenated_codes, missing
from producers.contract.arrow_columns import is_number
from producers.contract.records import END_MS
from producers.contract.short_floats import shortest_doubles

# Of each unit of timestamps: milliseconds are its number times the one, divided by the other.
UNITS_MS = {"s": (1_000, 1), "ms": (1, 1), "us": (1, 1_000), "ns": (1, 1_000_000)}
INVALID_MS = -1


def texts(column: pa.ChunkedArray) -> pa.StringArray:
    """As one array; it spells out the texts of a dictionary."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string()).combine_chunks()


def times_ms(column: pa.ChunkedArray) -> Ints:
    """Milliseconds since 1970, rounded down. ``INVALID_MS`` or ``END_MS`` if out of range."""
    kind, (factor, divisor) = column.type, (1, 1)
    if types.is_null(kind):
        return np.full(len(column), INVALID_MS)
    if types.is_timestamp(kind):
        column, (factor, divisor) = column.cast(pa.int64()), UNITS_MS[kind.unit]
    given = column.fill_null(0).to_numpy().astype(np.int64)  # beyond 64 bits: negative
    ms = np.clip(given // divisor, INVALID_MS, END_MS)
    if column.null_count:
        ms[column.is_null().to_numpy()] = INVALID_MS
    return np.asarray(np.minimum(ms * factor, END_MS))


def numbers(column: pa.ChunkedArray) -> Floats:
    """NaN for null."""
    if types.is_null(column.type):
        return np.full(len(column), np.nan)
    if types.is_float32(column.type):
        return shortest_doubles(column.to_numpy())
    with np.errstate(invalid="ignore"):  # a NaN that signals
        return np.asarray(column.to_numpy(), dtype=np.float64)


def scores(column: pa.ChunkedArray) -> Objects:
    """Of structs: the numbers by name that are not null or NaN; None for null."""
    structs = column.combine_chunks()
    names = [child.name for child in structs.type]
    columns = [numbers(pa.chunked_array([child])).tolist() for child in structs.flatten()]
    found = np.empty(len(structs), dtype=object)
    rows = zip(*columns, strict=True) if columns else iter([()] * len(structs))
    for i, (own, valid) in enumerate(zip(rows, structs.is_valid().to_pylist(), strict=True)):
        if valid:
            found[i] = {n: value for n, value in zip(names, own, strict=True) if value == value}
    return found


def plain_numbers(column: pa.ChunkedArray) -> Floats:
    """NaN for null, infinite for what is no number."""
    if is_number(column.type) or types.is_null(column.type):
        return numbers(column)
    return np.where(column.is_null().to_numpy(), np.nan, np.inf)


def coded(column: pa.ChunkedArray) -> Coded:
    """The distinct values and their codes; None for null and NaN."""
    if types.is_null(column.type) or not len(column):
        return missing(len(column))
    if not types.is_dictionary(column.type):
        return _of_dictionary(column.combine_chunks().dictionary_encode())
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    first = chunks[0].dictionary
    if all(chunk.dictionary.equals(first) for chunk in chunks[1:]):
        return _of_dictionary(pa.chunked_array(chunks).combine_chunks())
    return concatenated_codes([_of_dictionary(chunk) for chunk in chunks])


def _of_dictionary(array: pa.DictionaryArray) -> Coded:
    distinct = array.dictionary
    if types.is_float32(distinct.type):
        distinct = pa.array(shortest_doubles(distinct.to_numpy(zero_copy_only=False)))
    values: list[Any] = [None if value != value else value for value in distinct.to_pylist()]
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(len(values))
        values.append(None)
    return Coded(values, indices.to_numpy().astype(np.int64, copy=False))
