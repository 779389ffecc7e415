"""Columns of Driftline's own Arrow messages, checked before anything is computed from them.

A message of another release, or one that was damaged, must not become a number by accident. All
functions raise ``ValueError`` with the column and what was expected.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from producers.contract.arrow_columns import is_number, is_text

END_MS = 253_370_764_800_000  # 9999-01-01, as in ``producers.contract.records``
_INT64 = np.iinfo(np.int64)


def integers(
    table: pa.Table, name: str, low: int = int(_INT64.min), high: int = int(_INT64.max)
) -> NDArray[np.int64]:
    """Integers of ``[low, high]`` without a gap, shape (n,)."""
    column = _column(table, name)
    found = _integers(column, name)
    if found.size and not (low <= found.min() and found.max() <= high):
        raise ValueError(f"column '{name}' is not within {low} and {high}")
    return found


def times(table: pa.Table, name: str) -> NDArray[np.int64]:
    """Milliseconds since 1970, before the year 9999, shape (n,)."""
    return integers(table, name, 0, END_MS - 1)


def doubles(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Numbers without a gap, shape (n,). NaN is a number here."""
    column = _column(table, name)
    _require(is_number(column.type) and not column.null_count, name, "numbers without a gap")
    found: NDArray[np.float64] = column.to_numpy().astype(np.float64)
    return found


def doubles_or_lists(table: pa.Table, name: str) -> NDArray[np.float64]:
    """Numbers, shape (n,), or a list of as many for each row, shape (n, k), all without a gap."""
    column = _column(table, name)
    if not types.is_fixed_size_list(column.type):
        return doubles(table, name)
    whole = column.combine_chunks()
    flat = whole.flatten()
    fits = types.is_float64(flat.type) and not (whole.null_count or flat.null_count)
    _require(fits, name, "lists of numbers without a gap")
    found = np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float64)
    return found.reshape(len(whole), column.type.list_size)


def bytes_of_doubles(table: pa.Table, name: str) -> list[bytes]:
    """The bytes of some doubles for each row, without a gap."""
    column = _column(table, name)
    _require(types.is_binary(column.type) and not column.null_count, name, "bytes without a gap")
    found: list[bytes] = column.to_pylist()
    _require(all(len(one) % 8 == 0 for one in found), name, "the bytes of doubles")
    return found


def flags(table: pa.Table, name: str) -> NDArray[np.bool_]:
    """Booleans without a gap, shape (n,)."""
    column = _column(table, name)
    fits = types.is_boolean(column.type) and not column.null_count
    _require(fits, name, "booleans without a gap")
    found: NDArray[np.bool_] = column.to_numpy()
    return found


def require_texts(table: pa.Table, *names: str, gaps: bool = False) -> None:
    for name in names:
        column = _column(table, name)
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        _require(is_text(kind) and (gaps or not column.null_count), name, "texts")


def lists_of_integers(table: pa.Table, name: str) -> list[NDArray[np.int64]]:
    """A list of integers for each row, without a gap."""
    whole = _lists(table, name)
    _require(not whole.null_count, name, "lists without a gap")
    flat, ends = _integers(whole.values, name), whole.offsets.to_pylist()
    return [flat[a:b] for a, b in pairwise(ends)]


def require_ascending(table: pa.Table, name: str) -> None:
    """Of lists of integers: each list strictly ascending, from 0 on."""
    whole = _lists(table, name)
    flat, starts = _integers(whole.values, name), whole.offsets.to_numpy()
    rises = np.diff(flat, prepend=-1) > 0
    rises[starts[starts < flat.size]] = True
    _require(bool(rises.all()) and flat.min(initial=0) >= 0, name, "ascending lists")


def lists_of_texts(table: pa.Table, name: str) -> list[list[str] | None]:
    """A list of texts for each row, or None."""
    whole = _lists(table, name)
    fits = is_text(whole.type.value_type) and not whole.values.null_count
    _require(fits, name, "lists of texts")
    found: list[list[str] | None] = whole.to_pylist()
    return found


def _lists(table: pa.Table, name: str) -> pa.ListArray:
    column = _column(table, name)
    _require(types.is_list(column.type), name, "lists")
    return column.combine_chunks()


def _integers(column: pa.ChunkedArray | pa.Array, name: str) -> NDArray[np.int64]:
    _require(
        types.is_integer(column.type) and not column.null_count, name, "integers without a gap"
    )
    try:
        found: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    except pa.ArrowException as error:
        raise ValueError(f"column '{name}': {error}") from error
    return found


def _column(table: pa.Table, name: str) -> pa.ChunkedArray:
    _require(table.column_names.count(name) == 1, name, "to be there once")
    return table[name]


def _require(fits: bool, name: str, expected: str) -> None:
    if not fits:
        raise ValueError(f"column '{name}': expected {expected}")
