"""The values of a feature in a file, and whether they are numbers or categories, and why.

Parquet and Arrow say the type of a column. In a CSV file every field is a text. A column of texts
has numbers if nearly all of them are (``_text_kind``); the others stay texts, and count as values
of a wrong type. Who knows better says so (``--numeric``, ``--categorical``), and in a file of live
rows the reference decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as types
from numpy.typing import NDArray

from monitor.counts.category_text import BOOLEANS, category_of, spelled_plainly
from producers.registration.file_table import InvalidFile

MOST_OTHERS = 0.1  # of the texts of a numeric column may be no number,
FEW_OTHERS = 3  # or half of them, if they are no more than so many different ones
CODES = 0.01  # with more whole numbers with leading zeros than this, a column holds codes
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_NOT_FINITE = re.compile(r"\s*[+-]?(?:nan|inf|infinity)\s*", re.ASCII | re.IGNORECASE)
_CODE = re.compile(r"\s*[+-]?0\d+\s*", re.ASCII)
_SEPARATED = re.compile(r"\s*[+-]?\d{1,3}(?:[,.' ]\d{3})+(?:[.,]\d+)?\s*", re.ASCII)
_WHOLE = re.compile(r"-?(?:0|[1-9]\d*)\.0+", re.ASCII)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureColumn:
    """``values``: floats with NaN, or objects with None, where a value is missing."""

    name: str
    values: NDArray[Any]  # shape (n,)
    is_numeric: bool
    why: str
    warning: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """The distinct values of a column, and which of them each row has; -1 is missing."""

    values: Sequence[Any]
    code: Ints  # shape (n,)

    @property
    def count(self) -> Ints:
        """The rows of each value."""
        return np.bincount(self.code[self.code >= 0], minlength=len(self.values))

    def rows(self, values: Sequence[Any], dtype: type = object) -> NDArray[Any]:
        """One of ``values``, or None or NaN, in each row."""
        found: NDArray[Any] = np.empty(len(values) + 1, dtype=dtype)
        found[:-1], found[-1] = values, None
        return np.asarray(found[self.code])


def coded(column: pa.ChunkedArray) -> Coded:
    """Python values, integers and decimals with all of their digits."""
    encoded = column.combine_chunks().dictionary_encode()
    code = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return Coded(encoded.dictionary.to_pylist(), code.astype(np.int64))


def feature_column(
    name: str, column: pa.ChunkedArray, *, untyped: bool, numeric: bool | None
) -> FeatureColumn:
    """``untyped``: of a CSV file. ``numeric``: as is said elsewhere; None: as the values look.

    Raises ``InvalidFile`` if the column has neither numbers nor texts nor booleans.
    """
    kind = column.type
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    if not is_text and not any(is_one(kind) for is_one in _READABLE):
        raise InvalidFile(
            f"column {name!r} has values of type {kind}: expected numbers, strings or booleans;"
            " --ignore leaves a column out"
        )
    values = coded(column)
    if untyped:
        return _of_texts(name, values, numeric)
    if is_text or types.is_boolean(kind):
        return _of_texts_or_booleans(name, values, "texts" if is_text else "booleans", numeric)
    if numeric is False:
        return _categorical(name, values, f"{kind}, as categories")
    return _numeric(name, values, list(map(float, values.values)), str(kind))


def texts_as_numbers(name: str, column: pa.ChunkedArray) -> FeatureColumn:
    """Of any column that the user calls numeric."""
    texts = column.cast(pa.string()) if types.is_large_string(column.type) else column
    return feature_column(name, texts, untyped=not types.is_boolean(column.type), numeric=True)


_READABLE = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)


def _of_texts_or_booleans(
    name: str, column: Coded, why: str, numeric: bool | None
) -> FeatureColumn:
    if not numeric:
        return _categorical(name, column, why)
    return FeatureColumn(name, column.rows(column.values), True, why)


def _categorical(name: str, column: Coded, why: str, warning: str | None = None) -> FeatureColumn:
    values = [v if isinstance(v, bool | str) else category_of(v) for v in column.values]
    return FeatureColumn(name, column.rows(values), False, why, warning)


def _numeric(
    name: str, column: Coded, values: Sequence[Any], why: str, warning: str | None = None
) -> FeatureColumn:
    dtype = np.float64 if all(isinstance(value, float) for value in values) else np.object_
    return FeatureColumn(name, column.rows(values, dtype), True, why, warning)


# -- the fields of a CSV file ------------------------------------------------------------------


def _of_texts(name: str, column: Coded, numeric: bool | None) -> FeatureColumn:
    texts = _Texts(column)
    is_numeric, why = texts.kind if numeric is None else (numeric, "as it was told")
    warning = texts.warning(is_numeric, insisted=numeric is not None)
    if is_numeric:
        return _numeric(name, column, list(map(_number_or_text, column.values)), why, warning)
    values: list[Any] = list(map(_category, column.values))
    if texts.rows(_is_boolean) == texts.total:
        values = [BOOLEANS[text] == "true" for text in column.values]
    return FeatureColumn(name, column.rows(values), False, why, warning)


class _Texts:
    """The distinct texts of a column, and how many rows look like what."""

    def __init__(self, column: Coded) -> None:
        self._column, self._count = column, column.count
        self.total = int(self._count.sum())

    def rows(self, is_one: Callable[[str], object]) -> int:
        chosen = [bool(is_one(text)) for text in self._column.values]
        return int(self._count[np.array(chosen, dtype=bool)].sum())

    @property
    def others(self) -> list[str]:
        """Texts that are no numbers, the most frequent first."""
        ranked = np.argsort(-self._count, kind="stable")
        texts = (self._column.values[i] for i in ranked.tolist())
        return [text for text in texts if not _is_number(text)]

    @property
    def kind(self) -> tuple[bool, str]:
        """Whether these are numbers, and why."""
        numbers, codes = self.rows(_NUMBER.fullmatch), self.rows(_CODE.fullmatch)
        others = self.others
        rest = self.rows(lambda text: not _is_number(text))
        if self.total and self.rows(_is_boolean) == self.total:
            return False, "booleans"
        if not numbers:
            return False, "texts"
        if codes > CODES * numbers:
            return False, "whole numbers with leading zeros are codes"
        if not rest:
            return True, "all are numbers"
        few = len(others) <= FEW_OTHERS and numbers >= rest
        if few or rest <= MOST_OTHERS * self.total:
            return True, "nearly all are numbers"
        return False, "texts among the numbers"

    def warning(self, is_numeric: bool, *, insisted: bool) -> str | None:
        """What the user should know, or None."""
        others, numbers = self.others, self.rows(_is_number)
        rest = self.total - numbers
        if self.rows(_seems_separated) > rest / 2:
            return (
                f"{others[0]!r} and others seem to be numbers with thousands separators: they are"
                " read as texts, write them without"
            )
        if is_numeric and rest:
            return (
                f"{rest:,} of {self.total:,} values are no numbers, such as {others[0]!r}: they"
                f" count as values of a wrong type; if it means missing: --na {others[0]!r}"
            )
        if numbers and not is_numeric and not insisted and self.kind[1].startswith("texts"):
            return (
                f"{numbers:,} of {self.total:,} values are numbers, others are texts, such as"
                f" {others[0]!r}: --numeric takes the column as numbers, --na {others[0]!r} takes"
                " that text as missing"
            )
        return None


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text))


def _seems_separated(text: str) -> bool:
    return bool(_SEPARATED.fullmatch(text)) and not _is_number(text)


def _is_boolean(text: str) -> bool:
    return text in BOOLEANS


def _number_or_text(text: str) -> float | bool | str:
    if _is_number(text):
        return float(text)
    return BOOLEANS[text] == "true" if text in BOOLEANS else text


def _category(text: str) -> str:
    """A whole number that was written with a fraction of zeros is that number."""
    return spelled_plainly(text) if _WHOLE.fullmatch(text) else text
