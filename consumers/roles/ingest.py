"""The role ``ingest``: maps the topics of other services to ``predictions`` and ``labels``.

A record is mapped as a whole or not at all, so that one that is corrected can be sent again. It is
classified once: undecodable, unmappable (these become dead letters), filtered, mapped. The role has
no files. Offsets and counts of a partition are on ``positions``, in the transaction of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from consumers.dead_letters.dead_letter import dead_letter_message
from consumers.dead_letters.redaction import without_value
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    RecordBlock,
    TopicPartition,
)
from consumers.roles.lost_records import lost_alerts, lost_records
from consumers.roles.source_position import OwnedPositions, PartitionBatch, Positions, append_times
from consumers.sources.mapping.mapped_messages import messages_of
from consumers.sources.mapping.mapping import MappedRow
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.mapping.scope import Unmappable
from producers.contract.records import Undecodable

AT_ONCE = 20_000  # records that are mapped before their messages are made
_REFUSED = (Undecodable, Unmappable)


class Ingest:
    """``mapper_of`` a topic, by its short name, maps its records.

    ``waiting`` sees to it that topics wait for the reference of a version, and returns them.
    ``redacts``: dead letters have no value, because a feature that is redacted may be in it.
    """

    def __init__(
        self,
        mapper_of: Callable[[str], RecordMapper],
        partitions: Callable[[str], int],
        positions: Positions,
        *,
        redacts: bool = False,
        waiting: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._redacts, self._waiting = redacts, waiting
        self._mapper_of, self._partitions = mapper_of, partitions
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

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:  # noqa: ARG002
        self._positions.confirm()

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
        if not batch.blocks:
            return None
        messages = list[Message]()
        appended_ms = append_times(batch.blocks)
        for block in batch.blocks:
            before = self._positions[block.source]
            partition = PartitionBatch(block.source, before, append_ms=appended_ms[block.source])
            messages += self._lost(block, partition)
            messages += self._mapped(block, partition)
            messages += self._positions.advance(block.source, partition.after(block.next_offset))
        return Output(messages)

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
                except _REFUSED as error:
                    reason = "unmappable" if isinstance(error, Unmappable) else "undecodable"
                    partition.dead[reason] += 1
                    yield self._dead_letter(block.record(i), reason, str(error))
            partition.counts["rows"] += len(rows)
            yield from self._messages(rows, block.source.partition)

    def _dead_letter(self, record: Record, reason: str, error: str) -> Message:
        kept, hidden = without_value(record) if self._redacts else (record, None)
        return dead_letter_message(kept, reason, error, hidden=hidden)

    def _rows(self, block: RecordBlock, i: int, partition: PartitionBatch) -> Sequence[MappedRow]:
        mapper = self._mapper_of(block.source.topic)
        rows = mapper.rows(block.values[i], lambda: block.record(i))
        partition.counts["filtered" if rows is None else "mapped"] += 1
        return rows or ()

    def _messages(self, rows: Sequence[MappedRow], source: int) -> Iterator[Message]:
        """Rows of one partition stay in one, so they are no later than they were there."""
        yield from messages_of(rows, lambda topic: source % self._partitions(topic))
