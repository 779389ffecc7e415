"""Scored rows as a stream of predictions and labels, ordered by event time.

::

    predictions   p1   p2        p3             p4
    labels                 l1         l2   l3             l4
    sent          p1   p2  l1    p3   l2   l3   p4        l4     (one clock, event time)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replace_rows
from itertools import repeat
from typing import Any, NamedTuple, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from monitor.counts.profile import ReferenceRows
from monitor.counts.task import Field, Task
from monitor.counts.values import Coded, Column
from monitor.tasks.binary import BINARY
from producers.contract.records import (
    Feature,
    LabelRecord,
    PredictionRecord,
    encode_label,
    encode_prediction,
)

PREDICTIONS, LABELS = "predictions", "labels"
Headers = Sequence[tuple[str, bytes]]
_CHUNK = 10_000  # rows that are converted from columns to objects at a time


class Event(NamedTuple):
    """A message that is due when the clock of the replay reaches ``time_ms``."""

    topic: str  # without the prefix
    time_ms: int
    key: bytes
    value: bytes
    partition: int | None = None
    headers: Headers = ()
    records: int = 1  # predictions or labels


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """The predictions and labels of one model version."""

    model: str
    version: str
    rows: ReferenceRows  # in time order
    task: Task = BINARY

    @property
    def json_only(self) -> str | None:
        """Why it cannot be sent as Arrow. None if it can."""
        return None

    @property
    def labels(self) -> NDArray[np.int64]:
        """Positions of the labelled rows, in the order in which their labels became known."""
        labelled = self.rows.labelled
        return labelled[np.argsort(self.label_times(labelled), kind="stable")]

    def __len__(self) -> int:
        """The number of predictions and labels."""
        return len(self.rows.predictions) + self.labels.size

    def first(self, limit: int | None) -> Replay:
        """The first ``limit`` predictions and their labels; all of them for None."""
        if limit is None:
            return self
        rows, label, time_ms = self.rows.predictions, self.rows.label, self.rows.label_time_ms
        first = rows.between(0, limit)
        label = None if label is None else label[:limit]
        time_ms = None if time_ms is None else time_ms[:limit]
        return replace_rows(self, rows=ReferenceRows(first, label, time_ms))

    def events(self) -> Iterator[Event]:
        """All records, oldest first; predictions come before labels of the same time."""
        labelled = self.labels
        times = np.concatenate([self.rows.predictions.time_ms, self.label_times(labelled)])
        order = np.argsort(times, kind="stable")
        predictions, labels = self._predictions(), self._label_events(labelled)
        for is_label in (order >= len(self.rows.predictions)).tolist():
            yield next(labels if is_label else predictions)

    def finish(self, after_ms: int, partitions: Mapping[str, int]) -> Iterator[Event]:
        """A record for every partition, ``after_ms`` after all others, so that every window closes.

        ``partitions`` is the number of partitions by topic.
        """
        rows = self.rows.predictions
        last = next(self._records(len(rows) - 1))
        times = np.concatenate([rows.time_ms, self.label_times(self.labels)])
        at_ms = int(times.max()) + after_ms
        for number in range(partitions[PREDICTIONS]):
            yield _prediction(replace(last, id=f"finish/{number}", time_ms=at_ms), number)
        for number in range(partitions[LABELS]):
            yield _label(LabelRecord(f"finish/{number}", at_ms, self.model, 0), number)

    def label_times(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        times = self.rows.label_time_ms
        return (self.rows.predictions.time_ms if times is None else times)[rows]

    def outputs(self) -> Mapping[str, NDArray[Any]]:
        """The fields of the task that predictions have, one value a row."""
        rows, contract = self.rows.predictions, self.task.contract
        if rows.classes is not None:
            return self._classes(rows.score, rows.classes)
        score, prediction = self.task.sent(rows.score, rows.predicted)
        fields = (("score", contract.score, score), ("prediction", contract.prediction, prediction))
        return {name: sent(values, field) for name, field, values in fields if field is not None}

    def _classes(self, score: NDArray[np.float64], classes: Coded) -> Mapping[str, NDArray[Any]]:
        """Predicted classes, and the probability of each class of the task."""
        found: dict[str, NDArray[Any]] = {"prediction": objects(classes.values)[classes.code]}
        if score.ndim > 1:
            found["scores"] = objects([self._scores(row) for row in score.tolist()])
        return found

    def _scores(self, row: Sequence[float]) -> dict[str, float] | None:
        return None if np.isnan(row[0]) else dict(zip(self.task.score_names, row, strict=True))

    def label_values(self, labelled: NDArray[np.int64]) -> NDArray[Any]:
        """The labels of rows as they are sent."""
        labels = np.empty(0) if self.rows.label is None else self.rows.label[labelled]
        if self.task.contract.label.names:
            return objects(self.task.names(labels))
        return sent(labels, self.task.contract.label)

    def _predictions(self) -> Iterator[Event]:
        return map(_prediction, self._records(0))

    def _records(self, first: int) -> Iterator[PredictionRecord]:
        rows, outputs = self.rows.predictions, self.outputs()
        for start in range(first, len(rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            yield from map(
                PredictionRecord,
                rows.ids[chunk],
                rows.time_ms[chunk].tolist(),
                repeat(self.model),
                repeat(self.version),
                _features({name: values[chunk] for name, values in rows.features.items()}),
                outputs["score"][chunk].tolist() if "score" in outputs else repeat(None),
                outputs["prediction"][chunk].tolist() if "prediction" in outputs else repeat(None),
                outputs["scores"][chunk].tolist() if "scores" in outputs else repeat(None),
            )

    def _label_events(self, labelled: NDArray[np.int64]) -> Iterator[Event]:
        ids, times = self.rows.predictions.ids, self.label_times(labelled)
        for row, time_ms, label in zip(
            labelled.tolist(),
            times.tolist(),
            self.label_values(labelled).tolist(),
            strict=True,
        ):
            yield _label(LabelRecord(ids[row], time_ms, self.model, label))


class Stop(Protocol):
    """A ``threading.Event``."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


class Publisher(Protocol):
    def send(  # noqa: PLR0913 - of a message
        self,
        topic: str,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        headers: Headers = (),
        records: int = 1,
    ) -> None: ...


Pace = Callable[[int, int], float]  # number of the event, its time -> seconds since the start


def as_fast_as_possible(_: int, __: int) -> float:
    return 0.0


def at_rate(per_second: float) -> Pace:
    """``per_second`` records per second of real time."""
    return lambda number, _: number / per_second


def at_speed(speed: float, start_ms: int) -> Pace:
    """``speed`` seconds of event time per second of real time."""
    return lambda _, time_ms: (time_ms - start_ms) / 1000 / speed


def send(
    events: Iterable[Event],
    publisher: Publisher,
    *,
    pace: Pace,
    seconds: Callable[[], float],
    stop: Stop,
) -> Iterator[Event]:
    """Send each event when it is due and yield it. Ends early if ``stop`` is set."""
    start_s, number = seconds(), 0
    for event in events:
        number += event.records
        ahead_s = start_s + pace(number - 1, event.time_ms) - seconds()
        if stop.wait(ahead_s) if ahead_s > 0 else stop.is_set():
            return
        topic, _, key, value, partition, headers, records = event
        publisher.send(topic, key, value, partition, headers, records)
        yield event


def _features(columns: Mapping[str, Column]) -> Iterator[dict[str, Feature]]:
    """One dictionary per row; without columns, endless empty ones."""
    if not columns:
        return repeat({})
    values = [c.tolist() if isinstance(c, np.ndarray) else c for c in columns.values()]
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """One element for each value, whatever it is; shape (n,)."""
    found: NDArray[Any] = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def sent(values: NDArray[np.float64], field: Field) -> NDArray[Any]:
    """The numbers of a field as they are sent."""
    return values.astype(np.int64) if field.whole else values


def _prediction(record: PredictionRecord, partition: int | None = None) -> Event:
    value = encode_prediction(record)
    return Event(PREDICTIONS, record.time_ms, record.id.encode(), value, partition)


def _label(record: LabelRecord, partition: int | None = None) -> Event:
    return Event(LABELS, record.time_ms, record.id.encode(), encode_label(record), partition)
