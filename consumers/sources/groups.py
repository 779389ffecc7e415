"""Rows of one partition as columns: decoded, then valid for a registered model version."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.counts.classes import class_numbers
from monitor.counts.columns import Numeric
from monitor.counts.schema import Schema
from monitor.counts.task import Contract, Field, Objects, Sent
from monitor.counts.values import (
    Coded,
    Read,
    as_coded,
    as_numbers,
    concatenated_codes,
    concatenated_numbers,
    missing,
    taken,
)
from producers.contract.arrow_columns import MAX_ROWS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

K = TypeVar("K")
R = TypeVar("R", bound=Sized)


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that becomes a dead letter. ``value`` is the row if its record holds several."""

    record: int  # position of its record in the block
    reason: str
    error: str
    row: int = 0  # position in its record
    value: bytes | None = None  # None: that of its record


@dataclass(frozen=True, slots=True)
class Decoded(Generic[R]):
    """A block of records: the rows as columns, by model version, and those that were rejected."""

    columns: Sequence[R]
    rejected: Sequence[RejectedRow]

    def __len__(self) -> int:
        return sum(map(len, self.columns)) + len(self.rejected)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """Where rows come from and when they happened; all of shape (n,)."""

    record: Ints  # position of each row's record in the block
    ids: pa.StringArray
    time_ms: Ints
    row: Ints  # position of each row in its record

    def take(self, rows: Ints) -> Origin:
        ids = self.ids.take(pa.array(rows))
        return Origin(self.record[rows], ids, self.time_ms[rows], self.row[rows])

    def order(self) -> Ints | None:
        """The order of the log. None if the rows are in it."""
        place = self.record * MAX_ROWS + self.row
        if (place[1:] >= place[:-1]).all():
            return None
        return np.argsort(place, kind="stable")


@dataclass(frozen=True, slots=True, eq=False)
class DecodedPredictions:
    """Rows of one model version that follow the contract; it may not be registered."""

    key: tuple[str, str]  # model, version
    origin: Origin
    sent: Sent
    contract: Contract  # that was followed
    features: Callable[[Schema], Mapping[str, Read]]

    def take(self, rows: Ints) -> DecodedPredictions:
        def features(schema: Schema) -> Mapping[str, Read]:
            return _taken(self.features(schema), rows)

        origin, sent = self.origin.take(rows), self.sent.take(rows)
        return DecodedPredictions(self.key, origin, sent, self.contract, features)

    def rows(self, schema: Schema) -> PredictionRows:
        """What was sent, as the task of the schema reads it."""
        score, predicted = schema.task.read(self.sent, schema.threshold)
        features, classes = self.features(schema), self.sent.classes
        return PredictionRows(schema, self.origin, score, predicted, features, classes)


@dataclass(frozen=True, slots=True, eq=False)
class PredictionRows:
    """Rows of a registered model version."""

    schema: Schema
    origin: Origin
    score: Floats
    predicted: Ints
    features: Mapping[str, Read]  # one that is not among them is missing in all rows
    classes: Coded | None = None  # the predictions, if they are names of classes

    def __len__(self) -> int:
        return len(self.score)

    @property
    def key(self) -> tuple[str, str]:
        return self.schema.model, self.schema.version

    @property
    def time_ms(self) -> Ints:
        return self.origin.time_ms

    def take(self, rows: Ints) -> PredictionRows:
        origin, score, predicted = self.origin.take(rows), self.score[rows], self.predicted[rows]
        features, classes = _taken(self.features, rows), taken(self.classes, rows)
        return PredictionRows(self.schema, origin, score, predicted, features, classes)

    def in_order(self) -> PredictionRows:
        """In the order of the log."""
        order = self.origin.order()
        return self if order is None else self.take(order)


@dataclass(frozen=True, slots=True, eq=False)
class LabelRows:
    """Labels of one model that follow the contract."""

    model: str
    origin: Origin
    label: Floats

    def __len__(self) -> int:
        return self.label.size

    def take(self, rows: Ints) -> LabelRows:
        return LabelRows(self.model, self.origin.take(rows), self.label[rows])

    def in_order(self) -> LabelRows:
        """In the order of the log."""
        order = self.origin.order()
        return self if order is None else self.take(order)


def grouped(keys: Sequence[K]) -> dict[K, Ints]:
    """The positions of each distinct key, ascending."""
    index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    code = np.fromiter(map(index.__getitem__, keys), np.int64, len(keys))
    return dict(zip(index, _positions(code, len(index)), strict=True))


def positions_by_key(*columns: Coded) -> dict[tuple[Any, ...], Ints]:
    """The positions of each combination of values, ascending."""
    if all(len(set(column.values)) == 1 for column in columns):
        return {tuple(column.values[0] for column in columns): np.arange(columns[0].code.size)}
    sizes = [len(column.values) for column in columns]
    code = np.ravel_multi_index([column.code for column in columns], sizes)
    distinct, number = np.unique(code, return_inverse=True)
    keys = [
        tuple(column.values[i] for column, i in zip(columns, codes, strict=True))
        for codes in zip(*np.unravel_index(distinct, sizes), strict=True)
    ]
    index = {key: i for i, key in enumerate(dict.fromkeys(keys))}  # a value may have several codes
    code = np.array([index[key] for key in keys], dtype=np.int64)[number]
    return dict(zip(index, _positions(code, len(index)), strict=True))


def _positions(code: Ints, codes: int) -> list[Ints]:
    """The positions of each code, ascending."""
    if codes == 1:
        return [np.arange(code.size)]
    order = np.argsort(code, kind="stable")
    return np.split(order, np.searchsorted(code[order], np.arange(1, codes))) if codes else []


def sent_of(contract: Contract, rows: Sequence[Any]) -> Sent:
    """The fields of decoded records."""
    score = _sent_numbers(contract.score, [row.score for row in rows])
    field, prediction = contract.prediction, [row.prediction for row in rows]
    if field is None or not field.names:
        return Sent(score, _sent_numbers(field, prediction))
    scores = np.array([row.scores for row in rows] + [None], dtype=object)[:-1]
    return sent_classes(score, as_coded(prediction), scores)


def sent_labels(rows: Sequence[Any]) -> Floats:
    """Of decoded records: numbers, and the numbers of the names of classes."""
    given = [row.label for row in rows]
    if not any(isinstance(label, str | bool) for label in given):
        return np.array(given, dtype=np.float64)
    coded = as_coded(given)
    return class_numbers(coded.values)[coded.code]


def concatenated_sent(parts: Sequence[Sent]) -> Sent:
    """Of one contract."""
    scores = [part.scores for part in parts if part.scores is not None]
    return Sent(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.prediction for part in parts]),
        _all_classes([part.classes for part in parts]),
        np.concatenate(scores) if scores else None,
    )


def sent_classes(score: Floats, classes: Coded, scores: Objects | None) -> Sent:
    return Sent(score, class_numbers(classes.values)[classes.code], classes, scores)


def _sent_numbers(field: Field | None, given: Sequence[float | None]) -> Floats:
    """NaN if the task does not read it."""
    return np.full(len(given), np.nan) if field is None else sent_numbers(given)


def sent_numbers(given: Sequence[float | None]) -> Floats:
    """As in ``Sent.score``."""
    absent = given.count(None)
    if absent == len(given):
        return np.full(len(given), np.nan)
    if not absent:
        return np.array(given, dtype=np.float64)
    return np.array([np.nan if one is None else one for one in given], dtype=np.float64)


def concatenated(parts: Sequence[PredictionRows]) -> PredictionRows:
    """Rows of one schema, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    names = dict.fromkeys(name for part in parts for name in part.features)
    return PredictionRows(
        parts[0].schema,
        concatenated_origins([part.origin for part in parts]),
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        {name: _column(name, parts) for name in names},
        _all_classes([part.classes for part in parts]),
    )


def _all_classes(parts: Sequence[Coded | None]) -> Coded | None:
    known = [part for part in parts if part is not None]
    return concatenated_codes(known) if known else None


def concatenated_labels(parts: Sequence[LabelRows]) -> LabelRows:
    """Rows of one model, one part after the other."""
    if len(parts) == 1:
        return parts[0]
    origin = concatenated_origins([part.origin for part in parts])
    return LabelRows(parts[0].model, origin, np.concatenate([part.label for part in parts]))


def concatenated_origins(origins: Sequence[Origin]) -> Origin:
    return Origin(
        np.concatenate([origin.record for origin in origins]),
        pa.concat_arrays([origin.ids for origin in origins]),
        np.concatenate([origin.time_ms for origin in origins]),
        np.concatenate([origin.row for origin in origins]),
    )


def _taken(features: Mapping[str, Read], rows: Ints) -> Mapping[str, Read]:
    return {name: column.take(rows) for name, column in features.items()}


def _column(name: str, parts: Sequence[PredictionRows]) -> Read:
    columns = [part.features.get(name, missing(len(part))) for part in parts]
    if isinstance(parts[0].schema.features.get(name), Numeric):
        return concatenated_numbers([as_numbers(column) for column in columns])
    return concatenated_codes([column for column in columns if isinstance(column, Coded)])
