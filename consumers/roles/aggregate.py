"""The role ``aggregate``: validates predictions and labels, and counts predictions.

Every record is classified once, in this order: undecodable, contract, unknown model, clock skew
(these become dead letters), too late for its model version and partition, counted. The role has no
files. The event time of each model version in a partition and the counts of the partition are
written to ``positions`` in the transaction of a batch, so both are exact after a restart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from consumers.dead_letters.dead_letter import dead_letter_message
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import summary_messages
from consumers.messages.times import optional_rfc3339
from consumers.roles.join_rows import join_messages, label_rows, prediction_rows
from consumers.roles.prediction_columns import prediction_columns
from consumers.roles.profiles import Profiles
from consumers.roles.progress_reports import ProgressReports
from consumers.roles.source_position import PartitionBatch, Position, Positions, append_times
from consumers.roles.source_validation import Rejected, SourceValidator
from monitor.counts.counting import count_data
from monitor.counts.schema import Schema
from monitor.counts.summary import Part
from monitor.events.event_time import Arrival, classify_arrivals
from monitor.plan import Plan
from producers.contract.records import LabelRecord, PredictionRecord

PREDICTIONS, LABELS = "predictions", "labels"

R = TypeVar("R", PredictionRecord, LabelRecord)
K = TypeVar("K")
Times = NDArray[np.int64]


REACHED_EVERY_MS = 1_000  # append times that have moved by less are not reported


@dataclass(slots=True)
class _SourceBatch:
    """One batch while it is processed."""

    validator: SourceValidator
    partitions: dict[TopicPartition, PartitionBatch]
    retired: Container[tuple[str, str]]  # versions whose rows do not count any more
    dead_letters: list[Message] = field(default_factory=list)

    def reject(self, record: Record, rejected: Rejected) -> None:
        self.partitions[record.topic_partition].dead[rejected.reason] += 1
        self.dead_letters.append(dead_letter_message(record, rejected.reason, str(rejected)))


@dataclass(frozen=True, slots=True)
class _Row(Generic[R]):
    """A valid row, and the broker's clock when it was appended."""

    content: R
    append_ms: int


class Versions(Protocol):
    """The states of model versions, as far as is known without waiting."""

    def retired(self) -> Container[tuple[str, str]]: ...

    def reset_ms(self, model: str, version: str) -> int | None: ...


class Aggregate:
    """Counts predictions into summaries, and sends predictions and labels to ``join``."""

    reads = (PREDICTIONS, LABELS)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        positions: Positions,
        versions: Versions,
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._store, self._versions = positions, versions
        self._positions: dict[TopicPartition, Position] = {}
        self._pending: dict[TopicPartition, Position] = {}
        self._idle: set[TopicPartition] = set()
        self._progress = ProgressReports(partitions)

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._positions.update(self._store.of_committed(committed))
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"there is no cache, but {len(records)} records were replayed")

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        self._progress.discard(partitions)
        for partition in partitions:
            self._positions.pop(partition, None)
            self._idle.discard(partition)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:  # noqa: ARG002
        self._positions.update(self._pending)
        self._progress.confirm()
        self._pending = {}

    def problem(self) -> str | None:
        return None

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            partition.name: {
                "offset": position.next_offset,
                "watermark": optional_rfc3339(position.newest_ms),
                "idle": partition in self._idle,
                "counts": {**position.counts, "dead": dict(position.dead)},
            }
            for partition, position in self._positions.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        reached_ms = {**dict.fromkeys(batch.idle, batch.now_ms), **append_times(batch.records)}
        if not batch.records and not self._progress.is_due(reached_ms):
            return None
        self._idle = (self._idle | set(batch.idle)) - {r.topic_partition for r in batch.records}
        sources = self._source_batch(batch, reached_ms)
        messages = [
            *self._predictions(batch.records, sources),
            *self._labels(batch.records, sources),
        ]
        for source, offset in batch.next_offsets.items():
            self._pending[source] = sources.partitions[source].after(offset)
            messages += self._store.messages(source, self._positions[source], self._pending[source])
        messages += self._progress.messages(sources.partitions.values(), reached_ms)
        return Output(sources.dead_letters + messages)

    def _source_batch(self, batch: Batch, reached_ms: Mapping[TopicPartition, int]) -> _SourceBatch:
        retired = self._versions.retired()
        partitions = {
            source: PartitionBatch(
                source,
                self._positions[source].since_resets(self._versions.reset_ms),
                append_ms=reached_ms[source],
            )
            for source in batch.next_offsets
        }
        validator = SourceValidator(self._profiles, self._plan_of)
        return _SourceBatch(validator, partitions, retired)

    # -- predictions ---------------------------------------------------------------------------

    def _predictions(self, records: Sequence[Record], batch: _SourceBatch) -> Iterable[Message]:
        rows: dict[tuple[str, str], list[tuple[PredictionRecord, Part]]] = defaultdict(list)
        for partition, valid in _valid(PREDICTIONS, records, batch, batch.validator.prediction):
            for key, its_rows in _grouped(valid, lambda row: (row.model, row.version)).items():
                if key in batch.retired:
                    partition.counts["retired"] += len(its_rows)
                    continue
                arrivals = self._arrivals(partition, key, its_rows)
                rows[key] += _counted(partition, its_rows, arrivals)
        for key, counted in sorted(rows.items()):
            if counted:
                yield from self._count(batch.validator.schemas[key], counted)

    def _arrivals(
        self,
        partition: PartitionBatch,
        key: tuple[str, str],
        rows: Sequence[_Row[PredictionRecord]],
    ) -> Iterable[Arrival]:
        """Whether each row of a version is on time, late or too late for its partition."""
        plan = self._plan_of(key[0])
        times_ms, moved_ms, append_ms = _times(rows, plan)
        arrivals = classify_arrivals(
            partition.newest_before(key, moved_ms, append_ms),
            times_ms - times_ms % plan.windows.pane_ms + plan.windows.pane_ms,
            plan.time.lateness_ms,
            plan.time.accept_late_ms,
        )
        return map(Arrival, arrivals.tolist())

    def _count(
        self, schema: Schema, rows: Sequence[tuple[PredictionRecord, Part]]
    ) -> Iterable[Message]:
        parts = np.array([part for _, part in rows], dtype=object)
        columns = prediction_columns([row for row, _ in rows], schema)
        summaries = count_data(schema, columns, parts)
        yield from summary_messages(schema.model, summaries, self._partitions("summaries"))
        join_rows = prediction_rows(schema.model, schema.version, columns, parts)
        yield from join_messages(join_rows, self._partitions("joins"))

    # -- labels --------------------------------------------------------------------------------

    def _labels(self, records: Sequence[Record], batch: _SourceBatch) -> Iterable[Message]:
        rows: dict[str, list[tuple[LabelRecord, int]]] = defaultdict(list)
        for partition, valid in _valid(LABELS, records, batch, batch.validator.label):
            partition.counts["counted"] += len(valid)
            for (model,), its_rows in _grouped(valid, lambda row: (row.model,)).items():
                _, moved_ms, append_ms = _times(its_rows, self._plan_of(model))
                before_ms = partition.newest_before((model,), moved_ms, append_ms)
                labels = (row.content for row in its_rows)
                rows[model] += zip(labels, before_ms.tolist(), strict=True)
        for model, labels_of_model in sorted(rows.items()):
            yield from join_messages(label_rows(model, labels_of_model), self._partitions("joins"))


def _valid(
    topic: str, records: Sequence[Record], batch: _SourceBatch, validate: Callable[[Record], R]
) -> Iterable[tuple[PartitionBatch, list[_Row[R]]]]:
    """The valid rows of each partition of a topic, in order. The others become dead letters."""
    valid: dict[TopicPartition, list[_Row[R]]] = defaultdict(list)
    for record in records:
        if record.topic != topic:
            continue
        batch.partitions[record.topic_partition].counts["received"] += 1
        try:
            valid[record.topic_partition].append(_Row(validate(record), record.append_ms))
        except Rejected as rejected:
            batch.reject(record, rejected)
    return [(batch.partitions[partition], rows) for partition, rows in valid.items() if rows]


def _grouped(rows: Iterable[_Row[R]], key: Callable[[R], K]) -> Mapping[K, list[_Row[R]]]:
    groups: dict[K, list[_Row[R]]] = defaultdict(list)
    for row in rows:
        groups[key(row.content)].append(row)
    return groups


def _counted(
    partition: PartitionBatch,
    rows: Iterable[_Row[PredictionRecord]],
    arrivals: Iterable[Arrival],
) -> Iterable[tuple[PredictionRecord, Part]]:
    """The rows that are not too late, each with the part that it belongs to."""
    for row, arrival in zip(rows, arrivals, strict=True):
        if arrival is Arrival.TOO_LATE:
            partition.counts["too_late"] += 1
            continue
        late = arrival is Arrival.LATE
        partition.counts["counted"] += 1
        partition.counts["late"] += late
        yield row.content, Part.LATE if late else Part.ON_TIME


def _times(rows: Sequence[_Row[R]], plan: Plan) -> tuple[Times, Times, Times]:
    """The event times of rows, the times to which they move event time on, the append times.

    A row moves event time to its append time at most, unless the limit for clocks is off: a sender
    whose clock is ahead must not make the rows of others late.
    """
    times_ms = np.array([row.content.time_ms for row in rows], dtype=np.int64)
    append_ms = np.array([row.append_ms for row in rows], dtype=np.int64)
    capped = plan.time.max_clock_skew_ms is not None
    return times_ms, np.minimum(times_ms, append_ms) if capped else times_ms, append_ms
