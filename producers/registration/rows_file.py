"""Reads scored rows from a CSV, Parquet or Arrow file with any column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.category_text import category_of, spelled_plainly
from monitor.counts.columns import Numeric, Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.schema import Schema
from monitor.counts.task import BINARY, NO_LABEL
from producers.registration.column_facts import ColumnFacts
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold, threshold_of
from producers.registration.file_table import InvalidFile, read_table
from producers.registration.row_ids import content_ids
from producers.registration.time_column import time_column
from producers.registration.value_columns import FeatureColumn, feature_column

__all__ = ["Columns", "FileRows", "InvalidFile", "read_file", "read_rows"]


@dataclass(frozen=True, slots=True, eq=False)
class FileRows:
    """The rows of a file in time order, and how it was understood."""

    path: Path
    columns: Columns
    rows: ReferenceRows
    features: Sequence[FeatureColumn]
    threshold: Threshold
    unnamed: Sequence[str]  # columns without a name, which were left out
    notes: Sequence[str]  # about times and labels

    @property
    def categorical(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.features if not column.is_numeric)

    @property
    def numeric(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.features if column.is_numeric)

    def facts(self, column: FeatureColumn) -> ColumnFacts:
        """About the values of a feature in ``rows``."""
        values = self.rows.predictions.features[column.name]
        return ColumnFacts.of(values, is_numeric=column.is_numeric)


def read_rows(path: Path, columns: Columns, schema: Schema | None = None) -> ReferenceRows:
    """The rows of ``path``, sorted by time. See ``read_file``."""
    return read_file(path, columns, schema).rows


def read_file(
    path: Path, columns: Columns, schema: Schema | None = None, *, may_lack_labels: bool = False
) -> FileRows:
    """Read scored rows. Raises ``InvalidFile`` or ``InvalidTime``.

    ``schema`` is that of the reference, if these are live rows: it decides what is a number, and
    gives the threshold.
    """
    table, unnamed = read_table(path, columns.missing)
    columns, notes = columns.among(table.column_names), list[str]()
    if may_lack_labels and columns.label not in (None, *table.column_names):
        notes.append(f"there is no column {columns.label!r}: the rows have no labels")
        columns = columns.without_labels()
    _check(table, path, columns)
    times = time_column(columns.time, table[columns.time], columns)
    order = np.argsort(times.ms, kind="stable")
    table, time_ms = table.take(pa.array(order)), times.ms[order]
    features = _features(table, columns, schema, untyped=path.suffix == ".csv")
    score = _scores(table, columns.score)
    predicted, threshold = _predicted(table, columns, schema, score)
    values = {feature.name: feature.values for feature in features}
    ids = _ids(table, columns.id) if columns.id else content_ids(time_ms, score, values)
    label = _labels(table, columns)
    rows = ReferenceRows(
        Predictions(ids, time_ms, score, predicted, values),
        label,
        None if label is None else _label_times(table, columns, time_ms, label),
    )
    notes += times.notes
    return FileRows(path, columns, rows, features, threshold, unnamed, notes)


def _check(table: pa.Table, path: Path, columns: Columns) -> None:
    for name in columns.named:
        if name not in table.column_names:
            names = ", ".join(table.column_names)
            raise InvalidFile(
                f"there is no column {name!r} in {path}: its columns are {names}"
                f"{_other_separator(table.column_names)}"
            )
    if not table.num_rows:
        raise InvalidFile(f"{path} has no rows: expected at least one")


def _other_separator(names: Sequence[str]) -> str:
    for separator in ";\t|":
        if len(names) == 1 and separator in names[0]:
            return f"; they seem to be separated by {separator!r}: expected commas"
    return ""


def _features(
    table: pa.Table, columns: Columns, schema: Schema | None, *, untyped: bool
) -> list[FeatureColumn]:
    known = {} if schema is None else schema.features
    found = []
    for name in columns.features(table.column_names):
        numeric = isinstance(known[name], Numeric) if name in known else None
        if name in (*columns.numeric, *columns.categorical):
            numeric = name in columns.numeric
        as_text = untyped or (name in columns.numeric and pa.types.is_string(table[name].type))
        found.append(feature_column(name, table[name], untyped=as_text, numeric=numeric))
    return found


def _scores(table: pa.Table, name: str) -> NDArray[np.float64]:
    column = feature_column(name, table[name], untyped=_is_text(table[name]), numeric=True)
    values = column.values
    for row in np.flatnonzero([not isinstance(value, float | None) for value in values])[:1]:
        raise InvalidFile(
            f"column {name!r} is not numeric: it has {values[row]!r}; expected scores from 0 to 1"
        )
    score = values.astype(np.float64)
    wrong = score[~BINARY.is_score(score)]
    if wrong.size:
        value = "is missing" if np.isnan(wrong[0]) else f"is {wrong[0]:.15g}"
        raise InvalidFile(
            f"a score in column {name!r} {value}: expected probabilities between 0 and 1"
            " (only binary classification is supported, no regression and no margins)"
        )
    return BINARY.rounded(score)


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _ids(table: pa.Table, name: str) -> list[str]:
    ids = [category_of(value) for value in table[name].to_pylist()]
    if not all(text is not None and 1 <= len(text) <= 200 for text in ids):
        raise InvalidFile(f"an id in column {name!r} is missing or longer than 200 characters")
    if len(set(ids)) < len(ids):
        ((duplicate, count),) = Counter(ids).most_common(1)
        raise InvalidFile(
            f"the id {duplicate!r} in column {name!r} belongs to {count} rows: ids must be"
            " unique; without --id rows get ids by their content"
        )
    return [str(text) for text in ids]


def _predicted(
    table: pa.Table, columns: Columns, schema: Schema | None, score: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Threshold]:
    given = columns.threshold
    if given is None and schema is not None:
        given = schema.threshold
    if columns.prediction is None:
        threshold = threshold_of(given, score, None)
        return BINARY.predicted(score, threshold.value), threshold
    predicted = _classes(table, columns.prediction, columns.positive, also_numbers=True)
    if not BINARY.is_known(predicted).all():
        raise InvalidFile(f"a prediction in column {columns.prediction!r} is missing")
    return predicted, threshold_of(given, score, predicted)


def _labels(table: pa.Table, columns: Columns) -> NDArray[np.int64] | None:
    return None if columns.label is None else _classes(table, columns.label, columns.positive)


def _classes(
    table: pa.Table, name: str, positive: str | None, *, also_numbers: bool = False
) -> NDArray[np.int64]:
    """0 and 1, and ``NO_LABEL`` where the value is missing.

    With ``also_numbers`` the column may have 0 and 1 although ``positive`` is another name.
    """
    texts = [_class(value) for value in table[name].to_pylist()]
    distinct = {text for text in texts if text is not None}
    named = _class(positive)
    has_numbers = also_numbers and named not in distinct
    one = _positive(name, sorted(distinct), None if has_numbers else named)
    return np.array([NO_LABEL if text is None else text == one for text in texts], dtype=np.int64)


def _class(value: Any) -> str | None:
    """1, 1.0 and "1" are the same, and so are ``true`` and "True"."""
    text = category_of(value)
    return None if text is None else spelled_plainly(text)


def _positive(column: str, values: Sequence[str], positive: str | None) -> str:
    """The one of the distinct values, at most two, that means 1."""
    listed = ", ".join(map(repr, values[:5])) + (", …" if len(values) > 5 else "")
    if len(values) > 2:
        raise InvalidFile(
            f"column {column!r} has {len(values)} different values ({listed}): only binary"
            " classification is supported"
        )
    if positive is None:
        return _usual_positive(column, values, listed)
    if positive not in values and len(values) == 2:
        raise InvalidFile(
            f"column {column!r} has the values {listed}, but not the positive one {positive!r}"
        )
    return positive


def _usual_positive(column: str, values: Sequence[str], listed: str) -> str:
    for zero, one in (("0", "1"), ("false", "true")):
        if {zero, one}.issuperset(values):
            return one
    raise InvalidFile(
        f"column {column!r} has the values {listed}: give the positive one with --positive"
    )


def _label_times(
    table: pa.Table, columns: Columns, time_ms: NDArray[np.int64], label: NDArray[np.int64]
) -> NDArray[np.int64] | None:
    """Shape (n,). Rows without a label have the time of the prediction."""
    if columns.label_time is None:
        return None if columns.label_delay_ms is None else time_ms + columns.label_delay_ms
    is_labelled = BINARY.is_known(label)
    label_time_ms = time_ms.copy()
    given = table[columns.label_time].filter(pa.array(is_labelled))
    any_later = replace(columns, latest_ms=None)
    label_time_ms[is_labelled] = time_column(columns.label_time, given, any_later).ms
    if (label_time_ms < time_ms).any():
        raise InvalidFile(
            f"a time in column {columns.label_time!r} is before the time of its prediction"
        )
    return label_time_ms
