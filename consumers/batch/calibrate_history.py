"""The histories that ``driftline calibrate`` can replay: the flights, a file, a topic in Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from consumers.batch.inputs import between
from consumers.kafka.topic_reader import TopicReader
from consumers.messages.records import Record
from consumers.sources.arrow_documents import documents
from consumers.sources.arrow_stream import read_table
from consumers.sources.groups import sent_of
from driftline.errors import BadInput
from driftline.settings import Settings
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows, looks_categorical
from monitor.counts.task import Contract, Task
from monitor.counts.values import Column
from monitor.tasks.binary import BINARY
from monitor.tasks.registry import TASKS
from producers.contract.arrow_columns import ARROW_HEADER, PREDICTION
from producers.contract.records import (
    ContractViolation,
    PredictionRecord,
    Undecodable,
    decode_prediction,
)
from producers.example.examples import train_example
from producers.example.flights import CATEGORICAL, REFERENCE_MS
from producers.kafka.profile_table import registered_versions
from producers.registration.columns import Columns, resolved
from producers.registration.rows_file import read_file
from producers.simulation.simulate import Simulation, scored_flights


@dataclass(frozen=True, slots=True, eq=False)
class ScoredHistory:
    """The history of a model: rows with scores, in time order."""

    source: str  # a description
    rows: ReferenceRows
    categorical: tuple[str, ...]  # all others are numeric
    task: Task


class HistorySource(Protocol):
    def read(self, settings: Settings, model: str, version: str) -> ScoredHistory: ...


@dataclass(frozen=True, slots=True)
class FlightsHistory:
    """The bundled flights, scored by the example model: by default the reference month."""

    from_ms: int | None
    until_ms: int | None

    def read(self, settings: Settings, model: str, version: str) -> ScoredHistory:
        profile = train_example(settings, model, version, seed=0).profile
        first_ms = REFERENCE_MS[0] if self.from_ms is None else self.from_ms
        end_ms = REFERENCE_MS[1] if self.until_ms is None else self.until_ms
        chosen = Simulation(model=model, version=version, from_ms=first_ms, until_ms=end_ms)
        rows = scored_flights(profile, chosen)
        return ScoredHistory("the bundled flights", rows, CATEGORICAL, BINARY)


@dataclass(frozen=True, slots=True)
class FileHistory:
    """A file of rows that a user's own model has scored."""

    path: Path
    columns: Columns
    from_ms: int | None
    until_ms: int | None

    def read(self, settings: Settings, model: str, version: str) -> ScoredHistory:  # noqa: ARG002
        file = read_file(self.path, self.columns)
        rows = between(file.rows, self.from_ms, self.until_ms)
        return ScoredHistory(str(self.path), rows, file.categorical, file.columns.task)


@dataclass(frozen=True, slots=True)
class TopicHistory:
    """The predictions of a model version that are in Kafka now; it may be unregistered."""

    columns: Columns
    from_ms: int | None
    until_ms: int | None
    task: Task | None = None  # None: that of the registration, or else binary

    def read(self, settings: Settings, model: str, version: str) -> ScoredHistory:
        head = registered_versions(settings).get((model, version))
        task = self.task or (BINARY if head is None else TASKS[head.task_name]())
        with TopicReader(settings, "predictions") as reader:
            found, task = predictions_of(
                reader.records(), model, version, self.columns.ignore, task
            )
        rows = between(found, self.columns.earliest_ms, None)  # earlier ones are dead letters
        columns = self.columns.among(list(rows.predictions.features))
        known = {} if head is None else head.kinds
        categorical = _categorical(rows.predictions.features, columns, known)
        chosen = between(rows, self.from_ms, self.until_ms)
        source = f"the topic {settings.topic('predictions')}"
        return ScoredHistory(source, chosen, categorical, task)


def predictions_of(
    records: Iterable[Record],
    model: str,
    version: str,
    ignore: Sequence[str] = (),
    task: Task = BINARY,
) -> tuple[ReferenceRows, Task]:
    """The predictions of a model version in the order of event time, without labels.

    The task is returned with the classes of the rows.

    Records that break the contract are skipped, as `aggregate` makes them dead letters. Raises
    ``BadInput`` if there is no prediction of the model version.
    """
    row_counts = Counter[str]()
    rows: list[PredictionRecord] = []
    for row in _decoded(records, task.contract):
        row_counts[f"{row.model}/{row.version}"] += 1
        if (row.model, row.version) == (model, version):
            rows.append(row)
    if not rows:
        present = ", ".join(
            f"{name} ({count:,} rows)" for name, count in row_counts.most_common(10)
        )
        raise BadInput(
            f"there are no predictions of {model}/{version} in Kafka (there are:"
            f" {present or 'none'}): choose with --model and --version"
        )
    rows.sort(key=lambda row: row.time_ms)
    knowing = _knowing(task, rows)
    return ReferenceRows(_columns(rows, ignore, knowing)), knowing


def _knowing(task: Task, rows: Sequence[PredictionRecord]) -> Task:
    """The task with the classes of the rows."""
    of_scores = dict.fromkeys(name for row in rows for name in row.scores or ())
    values = chain((row.prediction for row in rows), of_scores)
    return task.knowing(values, scored=bool(of_scores))


def _categorical(
    features: Mapping[str, Column], columns: Columns, known: Mapping[str, bool]
) -> tuple[str, ...]:
    """The features that are categorical: by the options, the profile, or their values."""
    numeric = {**known, **dict.fromkeys(columns.categorical, False)}
    numeric |= dict.fromkeys(columns.numeric, True)
    return tuple(
        n for n, values in features.items() if not numeric.get(n, not looks_categorical(values))
    )


def _columns(rows: Sequence[PredictionRecord], ignore: Sequence[str], task: Task) -> Predictions:
    every = set[str]().union(*(row.features for row in rows))
    names = sorted(every - set(resolved(ignore, every)))
    sent = sent_of(task.contract, rows)
    score, predicted = task.read(sent, 0.5)
    return Predictions(
        [row.id for row in rows],
        np.array([row.time_ms for row in rows], dtype=np.int64),
        score,
        predicted,
        {name: _column([row.features.get(name) for row in rows]) for name in names},
        sent.classes,
    )


def _decoded(records: Iterable[Record], contract: Contract) -> Iterator[PredictionRecord]:
    for value in chain.from_iterable(map(_values, records)):
        try:
            yield decode_prediction(value, contract)
        except (Undecodable, ContractViolation):
            continue


def _values(record: Record) -> Iterable[bytes | None]:
    """The rows of a record as JSON."""
    if ARROW_HEADER not in record.headers:
        return [record.value]
    try:
        table = read_table(record.value, PREDICTION)
    except (Undecodable, ContractViolation):
        return []
    return documents(table, np.arange(table.num_rows), PREDICTION)


def _column(values: Sequence[object]) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
