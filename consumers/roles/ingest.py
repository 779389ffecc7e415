"""The role ``ingest``: maps the topics of other services to ``predictions`` and ``labels``.

A record is mapped as a whole or not at all, so that one that is corrected can be sent again. It is
classified once: undecodable, unmappable (these become dead letters), filtered, mapped, or a half of
a pair, which goes to ``halves`` for ``pair``. The role has no files. Offsets and counts of a
partition are on ``positions``, in the transaction of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    RecordBlock,
    TopicPartition,
)
from consumers.roles.ingest_halves import PairedTopics, reached_times
from consumers.roles.lost_records import lost_alerts, lost_records
from consumers.roles.refusals import REFUSED, letter, reason_of
from consumers.roles.source_position import OwnedPositions, PartitionBatch, Positions, append_times
from consumers.sources.mapping.mapped_messages import messages_of
from consumers.sources.mapping.mapping import MappedRow
from consumers.sources.mapping.pairs import HalfReader
from consumers.sources.mapping.record_mapper import RecordMapper

AT_ONCE = 20_000  # records that are mapped before their messages are made


class Ingest:
    """``mapper_of`` a topic, by its short name, maps its records; ``halves`` reads those of the
    topics of pairs.

    ``waiting`` sees to it that topics wait for the reference of a version, and returns them.
    ``redacts``: dead letters have no value, because a feature that is redacted may be in it.
    """

    def __init__(  # noqa: PLR0913 - collaborators, and settings
        self,
        mapper_of: Callable[[str], RecordMapper],
        partitions: Callable[[str], int],
        positions: Positions,
        *,
        halves: Mapping[str, HalfReader] | None = None,
        redacts: bool = False,
        waiting: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._redacts, self._waiting = redacts, waiting
        self._mapper_of, self._partitions = mapper_of, partitions
        self._paired = PairedTopics(halves or {}, partitions)
        self._positions = OwnedPositions(positions)

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._waiting()
        self._positions.assign(committed)
        return {}

    def replay(self, records: Sequence[Record]) -> None:
        raise AssertionError(f"there is no cache, but {len(records)} records were replayed")

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._positions.revoke(partitions)
        self._paired.discard(partitions)

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:  # noqa: ARG002
        self._positions.confirm()
        self._paired.confirm()

    def problem(self) -> str | None:
        return None

    def status(self) -> Mapping[str, Mapping[str, object]]:
        """A topic that waits has no offset: what it holds is no lag."""
        waiting = self._waiting()
        return {
            partition.name: {
                "offset": None if partition.topic in waiting else position.next_offset,
                "counts": {**position.counts, "dead": dict(position.dead)},
            }
            for partition, position in self._positions.items()
        }

    def handle(self, batch: Batch) -> Output | None:
        self._waiting()
        reached_ms = self._paired.idle_ms(batch)
        if not batch.blocks and not self._paired.is_due(reached_ms):
            return None
        partitions = {at: self._partition(at, reached_ms.get(at)) for at in batch.idle}
        messages = list[Message]()
        for block in batch.blocks:
            partition = self._partition(block.source, append_times([block])[block.source])
            partitions[block.source] = partition
            messages += self._lost(block, partition)
            if block.source.topic in self._paired:
                messages += self._halves(block, partition, batch.now_ms)
                reached_ms[block.source] = partition.append_ms or 0
            else:
                messages += self._mapped(block, partition)
        for source, offset in batch.next_offsets.items():
            messages += self._positions.advance(source, partitions[source].after(offset))
        return Output([*messages, *self._paired.progress(reached_ms)])

    def _partition(self, source: TopicPartition, append_ms: int | None) -> PartitionBatch:
        return PartitionBatch(source, self._positions[source], append_ms=append_ms)

    def _lost(self, block: RecordBlock, partition: PartitionBatch) -> Iterator[Message]:
        before = partition.before
        lost = lost_records(block, before.next_offset, self._positions.first_offset)
        if lost:
            partition.counts["lost"] += lost
            yield from lost_alerts("ingest", block, before.next_offset, before.append_ms, lost)

    def _mapped(self, block: RecordBlock, partition: PartitionBatch) -> Iterator[Message]:
        partition.counts["received"] += len(block)
        for start in range(0, len(block), AT_ONCE):
            rows = list[MappedRow]()
            for i in range(start, min(start + AT_ONCE, len(block))):
                try:
                    rows += self._rows(block, i, partition)
                except REFUSED as error:
                    yield self._refused(block.record(i), error, partition)
            partition.counts["rows"] += len(rows)
            yield from self._messages(rows, block.source.partition)

    def _halves(
        self, block: RecordBlock, partition: PartitionBatch, now_ms: int
    ) -> Iterator[Message]:
        partition.counts["received"] += len(block)
        reached_ms = reached_times(block, partition.before, now_ms).tolist()
        partition.append_ms = reached_ms[-1]
        for i, at_ms in enumerate(reached_ms):
            try:
                message = self._paired.message(block, i, at_ms)
            except REFUSED as error:
                yield self._refused(block.record(i), error, partition)
            else:
                partition.counts["filtered" if message is None else "halves"] += 1
                if message is not None:
                    yield message

    def _refused(self, record: Record, error: Exception, partition: PartitionBatch) -> Message:
        partition.dead[reason_of(error)] += 1
        return letter(record, error, redacts=self._redacts)

    def _rows(self, block: RecordBlock, i: int, partition: PartitionBatch) -> Sequence[MappedRow]:
        mapper = self._mapper_of(block.source.topic)
        rows = mapper.rows(block.values[i], lambda: block.record(i))
        partition.counts["filtered" if rows is None else "mapped"] += 1
        return rows or ()

    def _messages(self, rows: Sequence[MappedRow], source: int) -> Iterator[Message]:
        """Rows of one partition stay in one, so they are no later than they were there."""
        yield from messages_of(rows, lambda topic: source % self._partitions(topic))
