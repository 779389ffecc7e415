"""Classes, and the probability of each, from the columns of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from monitor.counts.classes import class_numbers
from monitor.counts.schema import Schema
from monitor.counts.task import Field, Objects, Sent, Task
from monitor.counts.values import Coded, as_coded
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold
from producers.registration.file_table import InvalidFile
from producers.registration.output_columns import Floats, Outputs, is_text, numbers_of
from producers.registration.value_columns import feature_column

PROBABILITY = Field("a number from 0 to 1", 0.0, 1.0, required=False, rounding=1e-4)


def class_outputs(table: pa.Table, columns: Columns, schema: Schema | None) -> Outputs:
    """The task knows the classes of reference and file. Raises ``InvalidFile``."""
    assert columns.prediction is not None
    names, scores = class_names(table, columns.prediction), _scores(table, columns)
    numbers = class_numbers(names.values)[names.code]
    if np.isnan(numbers).any():
        raise InvalidFile(f"a prediction in column {columns.prediction!r} is missing")
    task = _known_task(columns, schema).knowing(
        _values(table, columns, names, scores), scored=scores is not None
    )
    by_row = None if scores is None else _by_row(scores, table.num_rows)
    sent = Sent(np.full(table.num_rows, np.nan), numbers, names, by_row)
    threshold = Threshold(0.5, "not used by the task")
    return Outputs(replace(columns, task=task), *task.read(sent, 0.5), threshold, names)


def class_names(table: pa.Table, name: str) -> Coded:
    """The class of each row; None where it is missing."""
    column = feature_column(name, table[name], untyped=is_text(table[name]), numeric=False)
    return as_coded(column.values.tolist())


def _known_task(columns: Columns, schema: Schema | None) -> Task:
    same = schema is not None and schema.task.name == columns.task.name
    return schema.task if schema is not None and same else columns.task


def _values(
    table: pa.Table, columns: Columns, names: Coded, scores: Mapping[str, Floats] | None
) -> Iterator[Any]:
    """The classes of the rows, and those that have a probability."""
    yield from (names.values[code] for code in names.code.tolist())
    if columns.label is not None:
        labels = class_names(table, columns.label)
        yield from (labels.values[code] for code in labels.code.tolist())
    yield from scores or ()


def _scores(table: pa.Table, columns: Columns) -> Mapping[str, Floats] | None:
    """By class; NaN where there is none."""
    if columns.scores is None:
        return None
    named = columns.of_classes
    if not named:
        table, named = _of_structs(table, columns.scores)
    return {of: numbers_of(table, name, PROBABILITY, columns) for of, name in named.items()}


def _of_structs(table: pa.Table, name: str) -> tuple[pa.Table, Mapping[str, str]]:
    column = table[name]
    if not pa.types.is_struct(column.type):
        raise InvalidFile(
            f"column {name!r} has values of type {column.type}: --scores expects structs, or the"
            " names of columns with one * for the class, such as 'p_*'"
        )
    fields = [field.name for field in column.type]
    return pa.table(column.combine_chunks().flatten(), fields), {of: of for of in fields}


def _by_row(scores: Mapping[str, Floats], rows: int) -> Objects:
    """None of a row without any."""
    found = np.empty(rows, dtype=object)
    columns = [values.tolist() for values in scores.values()]
    for i, own in enumerate(zip(*columns, strict=True)):
        found[i] = {of: p for of, p in zip(scores, own, strict=True) if p == p} or None
    return found
