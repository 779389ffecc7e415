"""The role ``aggregate``: validates predictions and labels, and counts predictions.

Every record is classified once, in this order: undecodable, contract, unknown model, clock skew
(these become dead letters), too late for its model version and partition, counted. The role has no
files. The event time of each model version in a partition and the counts of the partition are
written to ``positions`` in the transaction of a batch, so both are exact after a restart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from consumers.dead_letters.dead_letter import dead_letter_message, row_as_record
from consumers.dead_letters.redaction import redacted
from consumers.messages.positions import SourceKey
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    RecordBlock,
    TopicPartition,
)
from consumers.messages.summaries import summary_messages
from consumers.messages.times import optional_rfc3339
from consumers.roles.join_rows import label_messages, prediction_messages
from consumers.roles.lost_records import lost_alerts, lost_records
from consumers.roles.profiles import Profiles
from consumers.roles.progress_reports import Lives, ProgressReports
from consumers.roles.set_aside import sentence
from consumers.roles.source_position import OwnedPositions, PartitionBatch, Positions, append_times
from consumers.roles.source_validation import SourceValidator
from consumers.sources.arrow_stream import parts_of
from consumers.sources.groups import (
    Decoded,
    LabelRows,
    Origin,
    PredictionRows,
    RejectedRow,
    concatenated,
    concatenated_labels,
)
from consumers.sources.json_rows import JsonPredictions
from monitor.counts.counting import count_rows, segment_numbers
from monitor.counts.schema import Schema
from monitor.counts.summary import PARTS, Part
from monitor.events.event_time import Arrival, classify_arrivals
from monitor.plan import Plan

PREDICTIONS, LABELS = "predictions", "labels"
AT_ONCE = 200_000  # rows that are counted together; a batch of Arrow messages may hold many more

R = TypeVar("R", PredictionRows, LabelRows)
Times = NDArray[np.int64]
Late = NDArray[np.bool_]


@dataclass(slots=True)
class _SourceBatch:
    """One batch while it is processed."""

    validator: SourceValidator
    partitions: dict[TopicPartition, PartitionBatch]
    retired: Container[tuple[str, str]]  # versions whose rows do not count any more
    redact: Collection[str]  # features whose values are not passed on
    dead_letters: list[Message] = field(default_factory=list)

    def accepted(
        self, topic: str, blocks: Iterable[RecordBlock], decode: Callable[[RecordBlock], Decoded[R]]
    ) -> Iterator[tuple[RecordBlock, PartitionBatch, R]]:
        """The accepted rows of the blocks of a topic, each with its block and its partition."""
        for block in blocks:
            if block.source.topic == topic:
                for part in parts_of(block):
                    for rows in self._accept(part, decode(part)):
                        yield part, self.partitions[part.source], rows

    def _accept(self, block: RecordBlock, decoded: Decoded[R]) -> Sequence[R]:
        """Count the rows of a block as received. Its rejected rows become dead letters."""
        partition = self.partitions[block.source]
        partition.counts["received"] += len(decoded)
        for rejected in sorted(decoded.rejected, key=lambda row: (row.record, row.row)):
            partition.dead[rejected.reason] += 1
            record = block.record(rejected.record)
            self.dead_letters.append(_dead_letter(record, rejected, self.redact))
        return decoded.columns


def _dead_letter(record: Record, rejected: RejectedRow, redact: Collection[str]) -> Message:
    """Of the record, or of its row as JSON if it holds several."""
    is_row = rejected.value is not None
    given = row_as_record(record, rejected.value or b"") if is_row else record
    kept, hidden = redacted(given, redact)
    row = rejected.row if is_row else None
    return dead_letter_message(kept, rejected.reason, rejected.error, row, hidden)


class Versions(Lives, Protocol):
    """The states of model versions, as far as is known without waiting."""

    @property
    def skipped(self) -> UnreadableMessage | None: ...

    def retired(self) -> Container[tuple[str, str]]: ...


class Aggregate:
    """Counts predictions into summaries, and sends predictions and labels to ``join``."""

    reads = (PREDICTIONS, LABELS)

    def __init__(  # noqa: PLR0913 - collaborators, and one setting
        self,
        profiles: Profiles,
        plan_of: Callable[[str], Plan],
        partitions: Callable[[str], int],
        positions: Positions,
        versions: Versions,
        redact: Collection[str] = (),
    ) -> None:
        """``redact``: features whose values stay here."""
        self._redact = frozenset(redact)
        self._profiles, self._plan_of, self._partitions = profiles, plan_of, partitions
        self._positions, self._versions = OwnedPositions(positions), versions
        self._idle: set[TopicPartition] = set()
        self._progress = ProgressReports(partitions, versions)
        self._json = JsonPredictions(profiles.schema)

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._positions.assign(committed)
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"there is no cache, but {len(records)} records were replayed")

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._positions.revoke(partitions)
        self._progress.discard(partitions)
        self._idle.difference_update(partitions)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:  # noqa: ARG002
        self._positions.confirm()
        self._progress.confirm()

    def problem(self) -> str | None:
        """``detect`` drops what is counted meanwhile of a version that is retired or reset."""
        skipped = self._versions.skipped
        return None if skipped is None else f"messages were skipped, first: {sentence(skipped)}"

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
        blocks = batch.blocks
        reached_ms = {**dict.fromkeys(batch.idle, batch.now_ms), **append_times(blocks)}
        if not blocks and not self._progress.is_due(reached_ms):
            return None
        self._idle = (self._idle | set(batch.idle)) - {block.source for block in blocks}
        sources = self._source_batch(batch, reached_ms)
        rows = [*self._predictions(blocks, sources), *self._labels(blocks, sources)]
        begun = self._progress.beginnings(sources.partitions.values())
        messages = [*self._lost(blocks, sources), *begun, *rows]
        for source, offset in batch.next_offsets.items():
            messages += self._positions.advance(source, sources.partitions[source].after(offset))
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
        validator = SourceValidator(self._profiles, self._plan_of, self._json)
        return _SourceBatch(validator, partitions, retired, self._redact)

    def _lost(self, blocks: Iterable[RecordBlock], batch: _SourceBatch) -> Iterable[Message]:
        """Count the records that were deleted before they were read."""
        for block in blocks:
            before = self._positions[block.source]
            lost = lost_records(block, before.next_offset, self._positions.first_offset)
            if lost:
                batch.partitions[block.source].counts["lost"] += lost
                yield from lost_alerts(
                    "aggregate", block, before.next_offset, before.append_ms, lost
                )

    # -- predictions ---------------------------------------------------------------------------

    def _predictions(self, blocks: Iterable[RecordBlock], batch: _SourceBatch) -> Iterable[Message]:
        counted: dict[Schema, list[tuple[PredictionRows, Late]]] = defaultdict(list)
        accepted = batch.accepted(PREDICTIONS, blocks, batch.validator.predictions)
        waiting = 0
        for block, partition, rows in accepted:
            if rows.key in batch.retired:
                partition.counts["retired"] += len(rows)
                continue
            arrived = self._arrived(partition, rows, block.append_ms)
            counted[rows.schema].append(arrived)
            waiting += len(arrived[0])
            if waiting >= AT_ONCE:
                yield from self._counted(counted)
                counted.clear()
                waiting = 0
        yield from self._counted(counted)

    def _counted(
        self, counted: Mapping[Schema, list[tuple[PredictionRows, Late]]]
    ) -> Iterable[Message]:
        for schema in sorted(counted, key=lambda schema: (schema.model, schema.version)):
            rows = concatenated([rows for rows, _ in counted[schema]])
            yield from self._count(rows, np.concatenate([late for _, late in counted[schema]]))

    def _arrived(
        self, partition: PartitionBatch, rows: PredictionRows, append_ms: Times
    ) -> tuple[PredictionRows, Late]:
        """The rows that are not too late for their partition, and whether each is late."""
        plan = self._plan_of(rows.schema.model)
        before_ms = _newest_before(partition, rows.key, rows.origin, append_ms, plan)
        arrivals = classify_arrivals(
            before_ms,
            rows.time_ms - rows.time_ms % plan.windows.pane_ms + plan.windows.pane_ms,
            plan.time.lateness_ms,
            plan.time.accept_late_ms,
        )
        in_time = np.flatnonzero(arrivals != Arrival.TOO_LATE)
        late = arrivals[in_time] == Arrival.LATE
        partition.counts["too_late"] += len(rows) - in_time.size
        partition.counts["counted"] += in_time.size
        partition.counts["late"] += int(late.sum())
        return rows if in_time.size == len(rows) else rows.take(in_time), late

    def _count(self, rows: PredictionRows, late: Late) -> Iterable[Message]:
        if not len(rows):
            return
        part = np.where(late, PARTS.index(Part.LATE), PARTS.index(Part.ON_TIME))
        segments = segment_numbers(rows.schema, rows)
        summaries = count_rows(rows.schema, rows, part, segments, self._redact)
        yield from summary_messages(rows.schema.model, summaries, self._partitions("summaries"))
        life = self._versions.life(*rows.key)
        yield from prediction_messages(rows, late, life, segments, self._partitions("joins"))

    # -- labels --------------------------------------------------------------------------------

    def _labels(self, blocks: Iterable[RecordBlock], batch: _SourceBatch) -> Iterable[Message]:
        counted: dict[str, list[tuple[LabelRows, Times]]] = defaultdict(list)
        accepted = batch.accepted(LABELS, blocks, batch.validator.labels)
        for block, partition, rows in accepted:
            partition.counts["counted"] += len(rows)
            key, plan = (rows.model,), self._plan_of(rows.model)
            seen_ms = _newest_before(partition, key, rows.origin, block.append_ms, plan)
            counted[rows.model].append((rows, seen_ms))
        for _, of_model in sorted(counted.items()):
            rows = concatenated_labels([rows for rows, _ in of_model])
            seen_ms = np.concatenate([seen_ms for _, seen_ms in of_model])
            yield from label_messages(rows, seen_ms, self._partitions("joins"))


def _newest_before(
    partition: PartitionBatch,
    key: SourceKey,
    origin: Origin,
    append_ms: Times,
    plan: Plan,
) -> Times:
    """The newest event time of a version or model before each of its rows, shape (n,).

    A row moves event time to its append time at most, unless the limit for clocks is off: a sender
    whose clock is ahead must not make the rows of others late.
    """
    appended_ms = append_ms[origin.record]
    capped = plan.time.max_clock_skew_ms is not None
    moved_ms = np.minimum(origin.time_ms, appended_ms) if capped else origin.time_ms
    return partition.newest_before(key, moved_ms, appended_ms)
