"""Rows as the stream they once were: predictions, and labels when they became known, in one order.

    predictions   p1   p2        p3             p4
    labels                 l1         l2   l3             l4
    sent          p1   p2  l1    p3   l2   l3   p4        l4     (one clock, event time)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from monitor.plan import DAY
from monitor.profile import ReferenceRows
from producers.wire import (
    Feature,
    LabelRecord,
    PredictionRecord,
    encode_label,
    encode_prediction,
)

PREDICTIONS, LABELS = "predictions", "labels"
_CHUNK = 10_000  # rows that are turned from columns into objects at a time


class Event(NamedTuple):
    """A record to be sent when the clock of the replay reaches ``time_ms``."""

    topic: str  # without the prefix
    time_ms: int
    key: bytes
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """What one model version predicted, and what became of it."""

    model: str
    version: str
    rows: ReferenceRows  # in time order

    @property
    def labels(self) -> NDArray[np.int64]:
        """Positions of the labelled rows, in the order in which their labels became known."""
        if self.rows.label is None:
            return np.empty(0, dtype=np.int64)
        known = np.flatnonzero(self.rows.label >= 0)
        return known[np.argsort(self._known_at(known), kind="stable")]

    def __len__(self) -> int:
        """Predictions and labels."""
        return len(self.rows.predictions) + self.labels.size

    def events(self) -> Iterator[Event]:
        """All of them, oldest first; at one moment predictions come before labels."""
        known = self.labels
        times = np.concatenate([self.rows.predictions.time_ms, self._known_at(known)])
        order = np.argsort(times, kind="stable")
        predictions, labels = self._predictions(), self._labels(known)
        for is_label in (order >= len(self.rows.predictions)).tolist():
            yield next(labels if is_label else predictions)

    def finish(self, after_ms: int, partitions: dict[str, int]) -> Iterator[Event]:
        """A record for every partition, far ahead of all others, so that every window closes."""
        last = list(self._records(len(self.rows.predictions) - 1))[-1]
        newest_ms = max(last.time_ms, *self._known_at(self.labels).tolist())
        at_ms = newest_ms + after_ms
        for number in range(partitions[PREDICTIONS]):
            record = PredictionRecord(
                f"finish/{number}", at_ms, self.model, self.version, last.features, last.score
            )
            yield _prediction(record, number)
        for number in range(partitions[LABELS]):
            yield _label(LabelRecord(f"finish/{number}", at_ms, self.model, 0), number)

    def _known_at(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        times = self.rows.label_time_ms
        return (self.rows.predictions.time_ms if times is None else times)[rows]

    def _predictions(self) -> Iterator[Event]:
        return map(_prediction, self._records(0))

    def _records(self, first: int) -> Iterator[PredictionRecord]:
        rows = self.rows.predictions
        names = list(rows.features)
        for start in range(first, len(rows), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            columns = [_objects(rows.features[name][chunk]) for name in names]
            features = (dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True))
            yield from map(
                PredictionRecord,
                rows.ids[chunk],
                rows.time_ms[chunk].tolist(),
                [self.model] * _CHUNK,
                [self.version] * _CHUNK,
                features,
                rows.score[chunk].tolist(),
                rows.predicted[chunk].tolist(),
            )

    def _labels(self, known: NDArray[np.int64]) -> Iterator[Event]:
        label = self.rows.label
        assert label is not None or known.size == 0
        ids = self.rows.predictions.ids
        for row, time_ms in zip(known.tolist(), self._known_at(known).tolist(), strict=True):
            yield _label(LabelRecord(ids[row], time_ms, self.model, int(label[row])))


class Publisher(Protocol):
    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None: ...


Pace = Callable[[int, int], float]  # number of the event, its time -> seconds since the start


def as_fast_as_possible(_: int, __: int) -> float:
    return 0.0


def at_rate(per_second: float) -> Pace:
    """So many records per second."""
    return lambda number, _: number / per_second


def at_speed(speed: float, start_ms: int) -> Pace:
    """So many seconds of event time per second."""
    return lambda _, time_ms: (time_ms - start_ms) / 1000 / speed
