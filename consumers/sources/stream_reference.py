"""A reference from the stream itself: mapped rows of a stretch of time, with their labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from consumers.sources.mapping.mapped_messages import plain_array
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction, MappedRow
from monitor.counts.category_text import category_of

ID, TIME, SCORE, PREDICTION = "row id", "row time", "row score", "row prediction"
LABEL, LABEL_TIME = "row label", "row label time"
MOSTLY = 0.9  # of the values are numbers: the others are left out


@dataclass(slots=True)
class StreamReference:
    """Collects rows of ``[from_ms, until_ms)``. A label that comes again replaces the earlier."""

    from_ms: int
    until_ms: int
    predictions: dict[str, MappedPrediction] = field(default_factory=dict)  # by id, the earliest
    labels: dict[str, MappedLabel] = field(default_factory=dict)
    seen: int = 0  # predictions of any time

    def add(self, rows: Iterable[MappedRow]) -> None:
        for row in rows:
            if isinstance(row, MappedLabel):
                known = self.labels.get(str(row.id))
                if known is None or known.time_ms <= row.time_ms:
                    self.labels[str(row.id)] = row
                continue
            self.seen += 1
            if self.from_ms <= row.time_ms < self.until_ms:
                self.predictions.setdefault(str(row.id), row)

    def table(self) -> pa.Table:
        return reference_table(self.predictions, self.labels)


def reference_table(
    predictions: Mapping[str, MappedPrediction], labels: Mapping[str, MappedLabel]
) -> pa.Table:
    """Rows and labels by id: a column of each kind, if a row has one, and of each feature.

    A label of a time before its prediction does not count.
    """
    rows = list(predictions.values())
    known = [_label_of(row, labels.get(name)) for name, row in predictions.items()]
    columns: dict[str, Sequence[Any]] = {
        ID: [str(row.id) for row in rows],
        TIME: [row.time_ms for row in rows],
        SCORE: [row.score for row in rows],
        PREDICTION: [row.prediction for row in rows],
        LABEL: [None if label is None else label.label for label in known],
        LABEL_TIME: [None if label is None else label.time_ms for label in known],
    }
    columns = {name: values for name, values in columns.items() if any_given(values)}
    names = dict.fromkeys(name for row in rows for name in row.features)
    features = {name: [row.features.get(name) for row in rows] for name in names}
    return pa.table({name: _array(values) for name, values in {**features, **columns}.items()})


def _label_of(row: MappedPrediction, label: MappedLabel | None) -> MappedLabel | None:
    return None if label is None or label.time_ms < row.time_ms else label


def any_given(values: Sequence[Any]) -> bool:
    return any(value is not None for value in values)


def _array(values: Sequence[Any]) -> pa.Array:
    """Of one type. Texts among numbers are left out; other mixtures are texts."""
    numbers = [_is_number(value) for value in values]
    given = sum(value is not None for value in values)
    if any(numbers) and sum(numbers) >= MOSTLY * given:
        values = [one if number else None for one, number in zip(values, numbers, strict=True)]
    array = plain_array(values)
    return pa.array([category_of(value) for value in values]) if array is None else array


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
