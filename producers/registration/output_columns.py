"""What a model puts out, from the columns of a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.classes import class_numbers
from monitor.counts.task import Field
from monitor.counts.values import Coded
from producers.registration.columns import Columns
from producers.registration.decision_threshold import Threshold
from producers.registration.file_table import InvalidFile
from producers.registration.value_columns import feature_column

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a model puts out, as its task reads it; columns of one value a row."""

    columns: Columns  # with the task, which knows the classes of the file
    score: Floats
    predicted: NDArray[np.int64]
    threshold: Threshold
    classes: Coded | None = None  # the predictions, if they are names of classes

    @property
    def content(self) -> Floats:
        """What tells rows apart, whatever reference they are compared with."""
        if self.classes is None:
            return self.score
        return class_numbers(self.classes.values)[self.classes.code]


def numbers_of(table: pa.Table, name: str, field: Field, columns: Columns) -> Floats:
    """NaN where a value is missing. Raises ``InvalidFile`` for one that the field cannot hold."""
    task = columns.task.name
    column = feature_column(name, table[name], untyped=is_text(table[name]), numeric=True)
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


def is_text(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
