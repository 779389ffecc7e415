"""Scores, predictions and labels of a file, as the task of the model reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.category_text import category_of, spelled_plainly
from monitor.counts.classes import class_numbers
from monitor.counts.schema import Schema
from monitor.counts.task import NO_LABEL, Field
from monitor.tasks.multiclass import MULTICLASS
from producers.registration.class_columns import class_names, class_outputs
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold, threshold_of
from producers.registration.file_table import InvalidFile
from producers.registration.output_columns import Outputs, is_text, numbers_of
from producers.registration.value_columns import feature_column

Floats = NDArray[np.float64]


def with_task_of_classes(table: pa.Table, columns: Columns) -> tuple[Columns, list[str]]:
    """With the task of classes, and a sentence, if the inferred one is of numbers, and these are
    texts or booleans.
    """
    field, name = columns.task.contract.prediction, columns.prediction
    if not columns.inferred or field is None or name is None or field.whole or field.names:
        return columns, []
    column = feature_column(name, table[name], untyped=is_text(table[name]), numeric=None)
    if column.is_numeric:
        return columns, []
    note = f"the task is {MULTICLASS.name}, because the predictions in {name!r} are {column.why}"
    return replace(columns, task=MULTICLASS), [note]


def outputs_of(table: pa.Table, columns: Columns, schema: Schema | None) -> Outputs:
    """Raises ``InvalidFile``."""
    contract, given = columns.task.contract, columns.threshold
    if contract.scores is not None:
        return class_outputs(table, columns, schema)
    if given is None and schema is not None:
        given = schema.threshold
    score, prediction = (np.full(table.num_rows, np.nan) for _ in range(2))
    if contract.score is not None and columns.score is not None:
        score = numbers_of(table, columns.score, contract.score, columns)
    if contract.prediction is not None and columns.prediction is not None:
        prediction = _predictions(table, columns.prediction, contract.prediction, columns)
    threshold = Threshold(0.5 if given is None else given, "not used by the task")
    if contract.prediction is not None and contract.prediction.whole:
        sent = None if columns.prediction is None else prediction.astype(np.int64)
        threshold = threshold_of(given, score, sent)
    return Outputs(columns, *columns.task.columns(score, prediction, threshold.value), threshold)


def labels_of(table: pa.Table, columns: Columns) -> Floats | None:
    field = columns.task.contract.label
    if columns.label is None:
        return None
    if field.names:
        names = class_names(table, columns.label)
        return class_numbers(names.values)[names.code]
    if field.whole:
        return _classes(table, columns.label, columns.positive)
    return numbers_of(table, columns.label, replace(field, required=False), columns)


def _predictions(table: pa.Table, name: str, field: Field, columns: Columns) -> Floats:
    if not field.whole:
        numbers = numbers_of(table, name, field, columns)
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
            " scores with --score, or say --task multiclass; of a regression, --task regression"
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
