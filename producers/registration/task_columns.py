"""Scores, predictions and labels of a file, as the task of the model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.category_text import category_of, spelled_plainly
from monitor.counts.schema import Schema
from monitor.counts.task import NO_LABEL, Field
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold, threshold_of
from producers.registration.file_table import InvalidFile
from producers.registration.value_columns import feature_column

Floats = NDArray[np.float64]


def outputs_of(
    table: pa.Table, columns: Columns, schema: Schema | None
) -> tuple[Floats, NDArray[np.int64], Threshold]:
    """Score and prediction of each row, as the task reads them, and the decision threshold."""
    contract, given = columns.task.contract, columns.threshold
    if given is None and schema is not None:
        given = schema.threshold
    score, prediction = (np.full(table.num_rows, np.nan) for _ in range(2))
    if contract.score is not None and columns.score is not None:
        score = _numbers(table, columns.score, contract.score, columns)
    if contract.prediction is not None and columns.prediction is not None:
        prediction = _predictions(table, columns.prediction, contract.prediction, columns)
    threshold = Threshold(0.5 if given is None else given, "not used by the task")
    if contract.prediction is not None and contract.prediction.whole:
        sent = None if columns.prediction is None else prediction.astype(np.int64)
        threshold = threshold_of(given, score, sent)
    return *columns.task.columns(score, prediction, threshold.value), threshold


def labels_of(table: pa.Table, columns: Columns) -> Floats | None:
    field = columns.task.contract.label
    if columns.label is None:
        return None
    if field.whole:
        return _classes(table, columns.label, columns.positive)
    return _numbers(table, columns.label, replace(field, required=False), columns)


def _numbers(table: pa.Table, name: str, field: Field, columns: Columns) -> Floats:
    """NaN where a value is missing. Raises ``InvalidFile`` for one that the field cannot hold."""
    task = columns.task.name
    column = feature_column(name, table[name], untyped=_is_text(table[name]), numeric=True)
    values = column.values
    for row in np.flatnonzero([not isinstance(value, float | None) for value in values])[:1]:
        raise InvalidFile(
            f"column {name!r} is not numeric: it has {values[row]!r}; the task {task} expects"
            f" {field.expected}"
        )
    numbers = values.astype(np.float64)
    wrong = numbers[~field.holds(numbers)]
    if wrong.size:
        value = "is missing" if np.isnan(wrong[0]) else f"is {wrong[0]:.15g}"
        raise InvalidFile(
            f"a value in column {name!r} {value}: the task {task} expects {field.expected} (--task"
            " names another task)"
        )
    return field.rounded(numbers)


def _is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))


def _predictions(table: pa.Table, name: str, field: Field, columns: Columns) -> Floats:
    if not field.whole:
        numbers = _numbers(table, name, field, columns)
        _check_inferred(name, numbers, columns)
        return numbers
    predicted = _classes(table, name, columns.positive, also_numbers=True)
    if np.isnan(predicted).any():
        raise InvalidFile(f"a prediction in column {name!r} is missing")
    return predicted


def _check_inferred(name: str, numbers: Floats, columns: Columns) -> None:
    """Predictions of two values may be classes. Raises ``InvalidFile`` if nobody named the task."""
    if columns.inferred and np.unique(numbers).size <= 2:
        raise InvalidFile(
            f"column {name!r} has no more than two values: of a classifier, give the column of its"
            " scores with --score; of a regression, say so with --task regression"
        )


def _classes(
    table: pa.Table, name: str, positive: str | None, *, also_numbers: bool = False
) -> NDArray[np.float64]:
    """0 and 1, and ``NO_LABEL`` where the value is missing.

    With ``also_numbers`` the column may have 0 and 1 although ``positive`` is another name.
    """
    texts = [_class(value) for value in table[name].to_pylist()]
    distinct = {text for text in texts if text is not None}
    named = _class(positive)
    has_numbers = also_numbers and named not in distinct
    one = _positive(name, sorted(distinct), None if has_numbers else named)
    return np.array([NO_LABEL if text is None else text == one for text in texts], dtype=np.float64)


def _class(value: Any) -> str | None:
    """1, 1.0 and "1" are the same, and so are ``true`` and "True"."""
    text = category_of(value)
    return None if text is None else spelled_plainly(text)


def _positive(column: str, values: Sequence[str], positive: str | None) -> str:
    """The one of the distinct values, at most two, that means 1."""
    listed = ", ".join(map(repr, values[:5])) + (", …" if len(values) > 5 else "")
    if len(values) > 2:
        raise InvalidFile(
            f"column {column!r} has {len(values)} different values ({listed}): those of the task"
            " binary have two; --task names another task"
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
