"""A table ``[[sources]]`` as a function: from a decoded record to rows of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from consumers.messages.records import Record
from consumers.messages.times import milliseconds
from consumers.sources.mapping.features import Features, features_reader
from consumers.sources.mapping.fields import (
    field_reader,
    optional_reader,
    text_reader,
    time_reader,
)
from consumers.sources.mapping.scope import Reader, Scope, Unmappable, path_reader
from driftline.configuration.json_path import Absent, JsonPath
from driftline.configuration.sources import INFERENCE_LOGS, SourceSection


@dataclass(frozen=True, slots=True)
class MappedPrediction:
    """Values as they were found; the contract decides whether they are valid."""

    id: Any
    time_ms: int
    model: Any
    version: Any
    features: Features
    score: Any
    prediction: Any
    scores: Any = None


@dataclass(frozen=True, slots=True)
class MappedLabel:
    id: Any
    time_ms: int
    model: Any
    label: Any


MappedRow = MappedPrediction | MappedLabel


class SourceMapping:
    """One table ``[[sources]]``."""

    def __init__(self, source: SourceSection) -> None:
        self._where = [
            (path_reader(path), frozenset(map(_comparable, values)))
            for path, values in source.where.items()
        ]
        rows = source.rows or ("$.rows" if source.envelope in INFERENCE_LOGS else None)
        self._rows = None if rows is None else JsonPath.parse(rows)
        self._since_ms = None if source.since is None else milliseconds(source.since)
        self._row_readers = [
            reader
            for reader in (_prediction_reader(source), _label_reader(source))
            if reader is not None
        ]

    def takes(self, document: Any, record: Callable[[], Record]) -> bool:
        """Whether the record has the values of ``where``."""
        if not self._where:
            return True
        scope = Scope(document, document, record, 0)
        return all(_comparable(_value(read, scope)) in values for read, values in self._where)

    def rows(self, document: Any, record: Callable[[], Record]) -> list[MappedRow]:
        """All rows of a record. Raises ``Unmappable`` if one of them does not fit."""
        rows = self._all_rows(document, record)
        since_ms = self._since_ms
        return rows if since_ms is None else [row for row in rows if row.time_ms >= since_ms]

    def _all_rows(self, document: Any, record: Callable[[], Record]) -> list[MappedRow]:
        if self._rows is None:
            return list(self._mapped(Scope(document, document, record, 0)))
        found = list[MappedRow]()
        for number, row in enumerate(self._elements(document)):
            try:
                found += self._mapped(Scope(document, row, record, number))
            except Unmappable as error:
                raise Unmappable(f"row {number}: {error}") from None
        return found

    def _elements(self, document: Any) -> list[Any]:
        assert self._rows is not None
        try:
            rows = self._rows.value(document)
        except Absent:
            rows = None
        if not isinstance(rows, list):
            raise Unmappable(f"there is no array of rows at {self._rows.text}")
        return rows

    def _mapped(self, scope: Scope) -> Iterator[MappedRow]:
        for read in self._row_readers:
            row = read(scope)
            if row is not None:
                yield row


RowReader = Callable[[Scope], MappedRow | None]


def _prediction_reader(source: SourceSection) -> RowReader | None:
    if source.features is None:
        return None
    read_id, time_ms = _id_reader(source), time_reader("time", source.time)
    model, version = text_reader("model", source.model), text_reader("version", source.version)
    score, prediction = optional_reader(source.score), optional_reader(source.prediction)
    scores = optional_reader(source.scores)
    features = features_reader(source.features, source.exclude)
    return lambda scope: MappedPrediction(
        read_id(scope),
        time_ms(scope),
        model(scope),
        version(scope),
        features(scope),
        score(scope),
        _class(prediction(scope)),
        scores(scope),
    )


def _label_reader(source: SourceSection) -> RowReader | None:
    if source.label is None:
        return None
    read_id, model = _id_reader(source), text_reader("model", source.model)
    time_ms = time_reader("label time", source.label_time or source.time)
    only_labels = source.features is None
    label = field_reader("label", source.label) if only_labels else optional_reader(source.label)

    def read(scope: Scope) -> MappedLabel | None:
        value = label(scope)
        if value is None:
            return None
        return MappedLabel(read_id(scope), time_ms(scope), model(scope), _class(value))

    return read


def _id_reader(source: SourceSection) -> Reader:
    if source.id is not None:
        return text_reader("id", source.id)

    def place(scope: Scope) -> str:
        record = scope.record()
        return f"{source.topic}/{record.partition}/{record.offset}/{scope.number}"

    return place


def _class(value: Any) -> Any:
    """Booleans as classes are 0 and 1."""
    return int(value) if isinstance(value, bool) else value


def _value(read: Reader, scope: Scope) -> Any:
    try:
        return read(scope)
    except Absent:
        return None


def _comparable(value: Any) -> Any:
    """JSON's true is not 1. None: a value that no list can hold."""
    if isinstance(value, bool):
        return ("boolean", value)
    return value if isinstance(value, str | int | float) else None
