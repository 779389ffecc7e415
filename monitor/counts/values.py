"""A column of values as received, as numbers, or as codes of few distinct values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.counts.category_text import BOOLEANS
from monitor.counts.summary import Quality

VALID = -1  # the quality of a value without any of the kinds of ``Quality``
_PLAIN_TYPES = frozenset({float, int, type(None)})
_NUMBER_TYPES = frozenset({float, int})

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The number of each row, and its ``Quality`` or ``VALID``.

    A boolean is of a wrong type, and has the number 1 or 0 for references of flags.
    """

    number: NDArray[np.float64]  # shape (n,), NaN where there is no number
    quality: NDArray[np.int8]  # shape (n,)

    def with_booleans(self, *, as_numbers: bool) -> Numbers:
        """Booleans as valid numbers, or without a number."""
        wrong = self.quality == Quality.WRONG_TYPE
        if not wrong.any():
            return self
        boolean = wrong & ~np.isnan(self.number)
        if as_numbers:
            return Numbers(self.number, np.where(boolean, VALID, self.quality).astype(np.int8))
        return Numbers(np.where(boolean, np.nan, self.number), self.quality)

    def take(self, rows: Indices) -> Numbers:
        return Numbers(self.number[rows], self.quality[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """The value of row ``i`` is ``values[code[i]]``. A value may have several codes."""

    values: Sequence[Any]
    code: Indices  # shape (n,)

    def take(self, rows: Indices) -> Coded:
        return Coded(self.values, self.code[rows])


Column = Sequence[Any] | NDArray[Any]  # raw values as received: None is missing
Read = Numbers | Coded


def missing(rows: int) -> Coded:
    """A column without any value."""
    return Coded([None], np.zeros(rows, dtype=np.int64))


def as_numbers(values: Column | Read) -> Numbers:
    if isinstance(values, Numbers):
        return values
    if isinstance(values, Coded):
        return as_numbers(values.values).take(values.code)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiu":
        return _with_quality(values.astype(np.float64, copy=False))
    if _PLAIN_TYPES.issuperset(map(type, values)):
        return _with_quality(_converted(values))
    return _one_by_one(values)


def as_coded(values: Column | Read) -> Coded:
    if isinstance(values, Coded):
        return values
    if isinstance(values, Numbers):
        raise TypeError("numbers that were read have lost their other values")
    raw = values.tolist() if isinstance(values, np.ndarray) else values
    try:
        return _coded(raw)
    except TypeError:  # of a value that cannot be hashed, such as a list
        return Coded(raw, np.arange(len(raw), dtype=np.int64))


def given(values: Column | Read) -> NDArray[np.bool_]:
    """Whether each row has a value, shape (n,)."""
    if isinstance(values, Coded):
        return given(values.values)[values.code]
    assert not isinstance(values, Numbers)
    return np.array([value is not None for value in values], dtype=bool)


def taken(column: Coded | None, rows: Indices) -> Coded | None:
    return None if column is None else column.take(rows)


def taken_values(values: Column, rows: Indices) -> Column:
    """The values of some rows."""
    if isinstance(values, np.ndarray):
        return values[rows]
    return [values[i] for i in rows.tolist()]


def concatenated_numbers(columns: Sequence[Numbers]) -> Numbers:
    return Numbers(
        np.concatenate([column.number for column in columns]),
        np.concatenate([column.quality for column in columns]),
    )


def concatenated_codes(columns: Sequence[Coded]) -> Coded:
    values = [value for column in columns for value in column.values]
    before = np.cumsum([0, *(len(column.values) for column in columns)])
    codes = [column.code + first for column, first in zip(columns, before, strict=False)]
    return Coded(values, np.concatenate(codes))


def _coded(values: Sequence[Any]) -> Coded:
    if values and type(values[0]) is str and values.count(values[0]) == len(values):
        return Coded(values[:1], np.zeros(len(values), dtype=np.int64))
    kinds = set(map(type, values))
    # True equals 1, and is another category.
    mixed = bool in kinds and not kinds.isdisjoint(_NUMBER_TYPES)
    keys = list(zip(map(type, values), values, strict=True)) if mixed else values
    index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    code = np.fromiter(map(index.__getitem__, keys), np.int64, len(values))
    return Coded([value for _, value in index] if mixed else list(index), code)


def _with_quality(number: NDArray[np.float64]) -> Numbers:
    quality = np.full(number.size, VALID, dtype=np.int8)
    if not np.isfinite(number).all():
        quality[np.isnan(number)] = Quality.MISSING
        quality[np.isinf(number)] = Quality.NOT_FINITE
    return Numbers(number, quality)


def _converted(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond the range of a double
        return np.array([_number(value) for value in values], dtype=np.float64)


def _number(value: float | int | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:
        return np.inf if value and value > 0 else -np.inf


def _one_by_one(values: Sequence[Any] | NDArray[Any]) -> Numbers:
    numeric = [
        isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
        for value in values
    ]
    read = _with_quality(
        np.array([_number(v) if ok else np.nan for v, ok in zip(values, numeric, strict=True)])
    )
    for i, value in enumerate(values):
        if not numeric[i] and value is not None:
            read.quality[i] = Quality.WRONG_TYPE
            read.number[i] = _of_boolean(value)
    return read


def _of_boolean(value: Any) -> float:
    """1 or 0; NaN for any other value."""
    spelled = BOOLEANS.get(value) if isinstance(value, str) else None
    if spelled is not None:
        return float(spelled == "true")
    return float(value) if isinstance(value, bool | np.bool_) else np.nan
