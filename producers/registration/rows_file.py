"""Reads scored rows from a CSV, Parquet or Arrow file with any column names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.category_text import category_of
from monitor.counts.columns import Numeric, Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.schema import Schema
from producers.registration.column_facts import ColumnFacts
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold
from producers.registration.file_table import InvalidFile, read_table
from producers.registration.row_ids import content_ids
from producers.registration.task_columns import labels_of, outputs_of, with_task_of_classes
from producers.registration.time_column import time_column
from producers.registration.value_columns import FeatureColumn, feature_column

__all__ = ["FileRows", "InvalidFile", "read_file", "read_rows"]


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
    columns, of_task = with_task_of_classes(table, columns)
    notes += of_task
    times = time_column(columns.time, table[columns.time], columns)
    order = np.argsort(times.ms, kind="stable")
    table, time_ms = table.take(pa.array(order)), times.ms[order]
    features = _features(table, columns, schema, untyped=path.suffix == ".csv")
    outputs = outputs_of(table, columns, schema)
    columns, values = outputs.columns, {feature.name: feature.values for feature in features}
    ids = _ids(table, columns.id) if columns.id else content_ids(time_ms, outputs.content, values)
    label = labels_of(table, columns)
    rows = ReferenceRows(
        Predictions(ids, time_ms, outputs.score, outputs.predicted, values, outputs.classes),
        label,
        None if label is None else _label_times(table, columns, time_ms, label),
    )
    notes += times.notes
    return FileRows(path, columns, rows, features, outputs.threshold, unnamed, notes)


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


def _label_times(
    table: pa.Table, columns: Columns, time_ms: NDArray[np.int64], label: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Shape (n,). Rows without a label have the time of the prediction."""
    if columns.label_time is None:
        return None if columns.label_delay_ms is None else time_ms + columns.label_delay_ms
    is_labelled = ~np.isnan(label)
    label_time_ms = time_ms.copy()
    given = table[columns.label_time].filter(pa.array(is_labelled))
    any_later = replace(columns, latest_ms=None)
    label_time_ms[is_labelled] = time_column(columns.label_time, given, any_later).ms
    if (label_time_ms < time_ms).any():
        raise InvalidFile(
            f"a time in column {columns.label_time!r} is before the time of its prediction"
        )
    return label_time_ms
