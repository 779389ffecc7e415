"""A CSV, Parquet or Arrow file as a table; the fields of a CSV file are texts.

A CSV file has no types, so nothing is guessed here: what a text means depends on the column
(``value_columns``). An empty field is missing, and so are the texts that the user names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet

from driftline.errors import BadInput
from producers.contract.short_floats import shortest_doubles

SUFFIXES = (".csv", ".parquet", ".arrow", ".feather")
_PANDAS_INDEX = re.compile(r"__index_level_\d+__")


class InvalidFile(BadInput):
    """A file that cannot be used. The message names the column and what is wrong with it."""


def read_table(path: Path, missing: Sequence[str] = ()) -> tuple[pa.Table, list[str]]:
    """The named columns of ``path``, and the names or positions of columns that have no name.

    ``missing`` are texts of a CSV file that mean a missing value, besides the empty field. Raises
    ``InvalidFile``.
    """
    try:
        table = _read(path, missing)
        table.validate(full=True)
    except FileNotFoundError as error:
        raise InvalidFile(f"{path} cannot be read: the file does not exist") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InvalidFile(f"{path} cannot be read: {_reason(error)}") from error
    table, unnamed = _named(_in_plain_types(table))
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise InvalidFile(f"{path} has the column {twice[0]!r} twice: expected different names")
    return table, unnamed


def _read(path: Path, missing: Sequence[str]) -> pa.Table:
    if path.suffix == ".csv":
        return _read_csv(path, missing)
    if path.suffix == ".parquet":
        return pa.parquet.read_table(path)
    if path.suffix in SUFFIXES:
        return pa.feather.read_table(path)
    raise ValueError(f"expected a file name that ends in {', '.join(SUFFIXES)}")


def _read_csv(path: Path, missing: Sequence[str]) -> pa.Table:
    if not path.read_bytes().strip(b"\r\n \xef\xbb\xbf"):
        raise ValueError("it is empty: expected a line of column names and at least one row")
    one_thread = pa.csv.ReadOptions(use_threads=False)  # only then errors have the row's number
    lines = pa.csv.ParseOptions(newlines_in_values=True)
    with pa.csv.open_csv(path, one_thread, lines) as reader:
        names = reader.schema.names
    texts = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=["", *missing],
        strings_can_be_null=True,
    )
    return pa.csv.read_csv(path, one_thread, lines, texts)


def _reason(error: Exception) -> str:
    """The reason in one line, with the row and its fields if there are too many or too few."""
    text = " ".join(str(error).split())
    if fields := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", text):
        row, expected, got, line = fields.groups()
        return (
            f"line {row} has {got} fields, but the line of names has {expected}; it begins"
            f" {line[:80]!r}: a comma too many or too few, or a text with commas that is not quoted"
        )
    if "invalid UTF8" in text:
        return f"it is not UTF-8 ({text}): save it as UTF-8"
    return text


def _named(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table without columns that have no name, such as the index of a data frame."""
    is_named = [
        bool(name.strip()) and not _PANDAS_INDEX.fullmatch(name) for name in table.column_names
    ]
    unnamed = [f"column {i + 1}" for i, has_name in enumerate(is_named) if not has_name]
    return table.select([i for i, has_name in enumerate(is_named) if has_name]), unnamed


def _in_plain_types(table: pa.Table) -> pa.Table:
    """Without dictionaries and short floats, whose values are those of their shortest digits.

    So 0.1 is the same number, whether it was written with 32 bits, with 64, or as a text.
    """
    columns = [_in_plain_type(column) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)


def _in_plain_type(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _in_plain_type(column.cast(kind.value_type))
    if pa.types.is_null(kind):
        return column.cast(pa.string())
    if not (pa.types.is_float16(kind) or pa.types.is_float32(kind)):
        return column
    short = column.combine_chunks().drop_null().to_numpy(zero_copy_only=False)
    long, missing = np.full(len(column), np.nan), column.is_null().to_numpy()
    long[~missing] = shortest_doubles(short)
    return pa.chunked_array([pa.array(long, mask=missing)])
