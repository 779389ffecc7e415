"""Rows of Arrow messages as JSON records, for the row decoder and for dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import types

from consumers.sources.arrow_values import UNITS_MS, numbers, scores
from consumers.sources.groups import Ints
from producers.contract.arrow_columns import PREDICTION, scores_of

_encode = msgspec.json.Encoder().encode  # NaN and infinity become null: JSON has neither


def documents(table: pa.Table, rows: Ints, names: tuple[str, ...]) -> list[bytes]:
    """``names`` is ``PREDICTION`` or ``LABEL``."""
    chosen = _with_doubles(table.take(pa.array(rows)))
    columns: dict[str, Sequence[Any]] = {
        name: _values(name, chosen[name]) for name in names if name in chosen.column_names
    }
    columns |= {name: scores(chosen[name]).tolist() for name in scores_of(chosen.schema)}
    if names == PREDICTION:
        columns["features"] = _features(chosen.drop_columns(list(columns)))
    return [
        _encode(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def _with_doubles(table: pa.Table) -> pa.Table:
    """Without 32-bit floats, which are the doubles of their shortest digits."""
    for i, field in enumerate(table.schema):
        if types.is_float32(field.type):
            table = table.set_column(i, field.name, pa.array(numbers(table[i]), from_pandas=True))
    return table


def _features(table: pa.Table) -> Sequence[dict[str, Any]]:
    return table.to_pylist() if table.num_columns else [{} for _ in range(table.num_rows)]


def _values(name: str, column: pa.ChunkedArray) -> list[Any]:
    """Of a column of the contract, as JSON has them."""
    if types.is_timestamp(column.type):
        factor, divisor = UNITS_MS[column.type.unit]
        whole = column.cast(pa.int64()).to_pylist()
        return [None if one is None else one // divisor * factor for one in whole]
    values = column.to_pylist()
    return [_class(value) for value in values] if name in ("prediction", "label") else values


def _class(value: float | str | None) -> float | str | None:
    """A column with missing classes may hold the others as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
