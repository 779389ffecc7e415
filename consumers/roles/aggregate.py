"""The role ``aggregate``: validates predictions and labels, and counts predictions.

Every record is classified once, in this order: undecodable, contract, unknown model, clock skew
(these become dead letters), too late for its partition, counted. The role has no files. The newest
event time and the counts of a partition are committed as the metadata of its offset, so both are
exact after a restart or a rebalance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from consumers.dead_letters.dead_letter import dead_letter_message
from consumers.messages.reading import SCHEMA
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import summary_messages
from consumers.messages.times import rfc3339
from consumers.messages.watermarks import SourceWatermarks, watermark_messages
from consumers.roles.join_rows import join_messages, label_rows, prediction_rows
from consumers.roles.prediction_columns import prediction_columns
from consumers.roles.profiles import Profiles
from consumers.roles.source_progress import OffsetMetadata, PartitionBatch
from consumers.roles.source_validation import Rejected, SourceValidator
from monitor.counts.counting import count_data
from monitor.counts.schema import Schema
from monitor.counts.summary import Part
from monitor.events.event_time import Arrival, Progress, Sources, classify_arrivals, newest_before
from monitor.plan import Plan
from producers.contract.records import LabelRecord, PredictionRecord

PREDICTIONS, LABELS = "predictions", "labels"

R = TypeVar("R", PredictionRecord, LabelRecord)


@dataclass(slots=True)
class _SourceBatch:
    """One batch while it is processed."""

    validator: SourceValidator
    partitions: dict[TopicPartition, PartitionBatch]
    dead_letters: list[Message] = field(default_factory=list)

    def reject(self, record: Record, rejected: Rejected) -> None:
        self.partitions[record.topic_partition].dead[rejected.reason] += 1
        self.dead_letters.append(dead_letter_message(record, rejected.reason, str(rejected)))


class Aggregate:
    """Counts predictions into summaries, and sends predictions and labels to ``join``."""

    reads = (PREDICTIONS, LABELS)

    def __init__(
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
    ) -> None:
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._metadata: dict[TopicPartition, OffsetMetadata] = {}
        self._pending: dict[TopicPartition, OffsetMetadata] = {}
        self._idle: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        for partition, at in committed.items():
            self._metadata[partition] = OffsetMetadata.decode(at.metadata)
            self._next[partition] = at.next_offset
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"there is no cache, but {len(records)} records were replayed")

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._pending = {}
        for partition in partitions:
            self._metadata.pop(partition, None)
            self._next.pop(partition, None)
            self._idle.discard(partition)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._metadata.update(self._pending)
        self._next.update(next_offsets)
        self._pending = {}

    def problem(self) -> str | None:
        return None

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            partition.name: {
                "offset": max(self._next.get(partition, 0), 0),
                "watermark": None if metadata.newest_ms is None else rfc3339(metadata.newest_ms),
                "idle": partition in self._idle,
                "counts": {**metadata.counts, "dead": dict(metadata.dead)},
            }
            for partition, metadata in self._metadata.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        if not batch.records and set(batch.idle) <= self._idle:
            return None
        active = self._idle & {record.topic_partition for record in batch.records}
        self._idle = (self._idle | set(batch.idle)) - active
        sources = self._source_batch(batch)
        messages = [
            *self._predictions(batch.records, sources),
            *self._labels(batch.records, sources),
        ]
        self._pending = {key: partition.after() for key, partition in sources.partitions.items()}
        for topic in ("summaries", "joins"):
            messages += watermark_messages(topic, self._watermarks(), self._partitions(topic))
        offset_metadata = {key: metadata.encode() for key, metadata in self._pending.items()}
        return Output(sources.dead_letters + messages, offset_metadata)

    def _source_batch(self, batch: Batch) -> _SourceBatch:
        partitions = {key: PartitionBatch(self._metadata[key]) for key in batch.next_offsets}
        return _SourceBatch(SourceValidator(self._profiles, self._plan_of), partitions)

    # -- predictions ---------------------------------------------------------------------------

    def _predictions(self, records: Sequence[Record], batch: _SourceBatch) -> Iterable[Message]:
        rows: dict[tuple[str, str], list[tuple[PredictionRecord, Part]]] = defaultdict(list)
        for partition, valid in _valid(PREDICTIONS, records, batch, batch.validator.prediction):
            for row, arrival in zip(valid, self._arrivals(partition, valid), strict=True):
                if arrival is Arrival.TOO_LATE:
                    partition.counts["too_late"] += 1
                    continue
                late = arrival is Arrival.LATE
                partition.counts["counted"] += 1
                partition.counts["late"] += late
                rows[row.model, row.version].append((row, Part.LATE if late else Part.ON_TIME))
        for key, its_rows in sorted(rows.items()):
            yield from self._count(batch.validator.schemas[key], its_rows)

    def _arrivals(
        self, partition: PartitionBatch, rows: Sequence[PredictionRecord]
    ) -> Iterable[Arrival]:
        """Whether each row is on time, late or too late for its partition."""
        times_ms = np.array([row.time_ms for row in rows], dtype=np.int64)
        plans = [self._plan_of(row.model) for row in rows]
        before_ms = newest_before(partition.before.newest_ms, times_ms)
        partition.newest_ms = int(times_ms.max())
        arrivals = classify_arrivals(
            before_ms,
            np.array([_pane_end_ms(plan, row) for plan, row in zip(plans, rows, strict=True)]),
            np.array([plan.time.lateness_ms for plan in plans]),
            np.array([plan.time.accept_late_ms for plan in plans]),
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
            times_ms = np.array([row.time_ms for row in valid], dtype=np.int64)
            before_ms = newest_before(partition.before.newest_ms, times_ms)
            partition.newest_ms = int(times_ms.max())
            partition.counts["counted"] += len(valid)
            for row, seen_ms in zip(valid, before_ms.tolist(), strict=True):
                rows[row.model].append((row, seen_ms))
        for model, labels in sorted(rows.items()):
            yield from join_messages(label_rows(model, labels), self._partitions("joins"))

    # -- watermarks ----------------------------------------------------------------------------

    def _watermarks(self) -> SourceWatermarks:
        return SourceWatermarks(
            schema=SCHEMA, predictions=self._sources(PREDICTIONS), labels=self._sources(LABELS)
        )

    def _sources(self, topic: str) -> Sources:
        return Sources(
            self._partitions(topic),
            {
                partition.partition: Progress(
                    self._pending.get(partition, metadata).newest_ms, partition in self._idle
                )
                for partition, metadata in self._metadata.items()
                if partition.topic == topic
            },
        )


def _pane_end_ms(plan: Plan, row: PredictionRecord) -> int:
    return plan.windows.pane_of(row.time_ms) + plan.windows.pane_ms


def _valid(
    topic: str, records: Sequence[Record], batch: _SourceBatch, validate: Callable[[Record], R]
) -> Iterable[tuple[PartitionBatch, list[R]]]:
    """The valid rows of each partition of a topic, in order. The others become dead letters."""
    valid: dict[TopicPartition, list[R]] = defaultdict(list)
    for record in records:
        if record.topic != topic:
            continue
        batch.partitions[record.topic_partition].counts["received"] += 1
        try:
            valid[record.topic_partition].append(validate(record))
        except Rejected as rejected:
            batch.reject(record, rejected)
    return [(batch.partitions[partition], rows) for partition, rows in valid.items() if rows]
