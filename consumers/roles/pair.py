"""The role ``pair``: joins requests with their responses, and maps both as one record.

``ingest`` writes each half to ``halves``, in the partition of its id. Halves wait in a RocksDB
store, one for each partition, which is written after the transaction of a batch. If it is behind
the committed offset, the log is replayed; if it is ahead or missing, it is rebuilt. Offsets, counts
and how far halves have been dealt with are on ``positions``, in the transaction of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from consumers.dead_letters.dead_letter import UNREADABLE, dead_letter_message
from consumers.messages.halves import Half, HalvesProgress, decode_halves_message
from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    RecordBlock,
    TopicPartition,
    by_partition,
)
from consumers.messages.times import optional_rfc3339
from consumers.roles.disk import fit_for
from consumers.roles.lost_records import lost_alerts, lost_records
from consumers.roles.pair_step import Halves, Pairing, PairStep
from consumers.roles.pair_store import PairChanges, PairStore
from consumers.roles.refusals import REFUSED, Unpaired, letter, reason_of
from consumers.roles.set_aside import skipped_problem
from consumers.roles.source_position import OwnedPositions, PartitionBatch, Positions, append_times
from consumers.sources.mapping.mapped_messages import messages_of
from consumers.sources.mapping.mapping import MappedRow
from consumers.sources.mapping.scope import Unmappable
from driftline.configuration.pairs import SIDES
from monitor.events.event_time import earliest
from monitor.plan import duration_text

LEAST_SETTLED = 1_000  # timers after a batch; of a larger batch two for each record, so it keeps up


class MapsPairs(Protocol):
    """See ``PairMapper``."""

    def rows(self, request: Record, response: Record) -> Sequence[MappedRow] | None: ...


class Pair:
    """``mappers`` and ``pairings`` are by the short name of the topic of the requests.

    ``redacts``: dead letters have no value, because a feature that is redacted may be in it.
    """

    reads = ("halves",)

    def __init__(  # noqa: PLR0913 - collaborators, and one setting
        self,
        mappers: Mapping[str, MapsPairs],
        pairings: Mapping[str, Pairing],
        partitions: Callable[[str], int],
        positions: Positions,
        directory: Path,
        *,
        redacts: bool = False,
    ) -> None:
        self._mappers, self._pairings, self._redacts = mappers, pairings, redacts
        self._partitions, self._directory = partitions, directory
        self._positions = OwnedPositions(positions)
        self._reader = MessageReader({"halves": decode_halves_message})
        self._stores: dict[TopicPartition, PairStore] = {}
        self._behind: set[TopicPartition] = set()  # whose clocks may not be known after a replay
        self._pending: dict[TopicPartition, PairChanges] = {}
        self._unread: list[Message] = []  # dead letters of a batch

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        self._positions.assign(committed)
        behind = {}
        for partition, at in committed.items():
            store = self._stores[partition] = self._open(partition, max(at.next_offset, 0))
            if store.state.next < at.next_offset:
                behind[partition] = store.state.next
        self._behind |= behind.keys()
        return behind

    def replay(self, records: Sequence[Record]) -> None:
        for partition, its_records in by_partition(records).items():
            step = self._step(partition, its_records)
            step.leave_out(self._positions[partition].pairs)
            self._stores[partition].write(step.changes(its_records[-1].offset + 1))

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self._positions.revoke(partitions)
        self._pending = {}
        self._behind.difference_update(partitions)
        for partition in partitions:
            store = self._stores.pop(partition, None)
            if store is not None:
                store.close()

    def handle(self, batch: Batch) -> Output | None:
        if not batch.blocks:
            return None
        self._unread, self._pending = [], {}
        messages = [message for block in batch.blocks for message in self._messages(block)]
        return Output([*messages, *self._unread])

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        self._positions.confirm()
        for partition in next_offsets:
            self._stores[partition].write(self._pending[partition])
        self._pending = {}

    def problem(self) -> str | None:
        return skipped_problem(self._reader, self._stores)

    def status(self) -> Mapping[str, Mapping[str, object]]:
        return {
            partition.name: {
                "offset": position.next_offset,
                "watermark": optional_rfc3339(
                    earliest(mark.clock_ms for mark in position.pairs.values())
                ),
                "counts": {
                    **position.counts,
                    "dead": dict(position.dead),
                    **self._reader.skipped(partition),
                },
            }
            for partition, position in self._positions.items()
        }

    # -- one batch -----------------------------------------------------------------------------

    def _open(self, partition: TopicPartition, committed: int) -> PairStore:
        store = PairStore(self._directory / str(partition.partition))
        return fit_for(store, committed, lambda: self._positions.first_offset(partition))

    def _messages(self, block: RecordBlock) -> Iterator[Message]:
        source, before = block.source, self._positions[block.source]
        batch = PartitionBatch(source, before, append_ms=append_times([block])[source])
        yield from self._lost(block, batch)
        self._restore(source)
        step = self._step(source, [block.record(i) for i in range(len(block))])
        step.settle(max(LEAST_SETTLED, 2 * len(block)))
        yield from self._settled(step, batch)
        batch.pairs = step.marks
        self._pending[source] = step.changes(block.next_offset)
        yield from self._positions.advance(source, batch.after(block.next_offset))

    def _lost(self, block: RecordBlock, batch: PartitionBatch) -> Iterator[Message]:
        before = batch.before
        lost = lost_records(block, before.next_offset, self._positions.first_offset)
        if lost:
            batch.counts["lost"] += lost
            yield from lost_alerts("pair", block, before.next_offset, before.append_ms, lost)

    def _restore(self, partition: TopicPartition) -> None:
        """After a replay."""
        if partition in self._behind:
            store, position = self._stores[partition], self._positions[partition]
            step = PairStep(store, self._pairings)
            step.restore(position.pairs)
            store.write(step.changes(position.next_offset))
            self._behind.remove(partition)

    def _step(self, partition: TopicPartition, records: Sequence[Record]) -> PairStep:
        step = PairStep(self._stores[partition], self._pairings)
        step.add([message for message in map(self._read, records) if message is not None])
        return step

    def _read(self, record: Record) -> Half | HalvesProgress | None:
        """None for a message that is skipped. One of Driftline becomes a dead letter."""
        try:
            return self._reader.read(record)
        except UnreadableMessage as error:
            self._reader.skip(record, error)
            self._unread.append(dead_letter_message(record, UNREADABLE, str(error)))
            return None

    # -- output --------------------------------------------------------------------------------

    def _settled(self, step: PairStep, batch: PartitionBatch) -> Iterator[Message]:
        batch.counts += step.counts
        rows = list[MappedRow]()
        waiting = step.counts["received"] - step.counts["duplicates"]
        for halves in (*step.settled, *([half] for half in step.unknown)):
            waiting -= len(halves)
            try:
                rows += self._rows(halves, batch)
            except REFUSED as error:
                batch.dead[reason_of(error)] += len(halves)
                for half in halves:
                    yield letter(half.record(), error, redacts=self._redacts)
        batch.counts["rows"] += len(rows)
        batch.counts["waiting"] = waiting
        number = batch.source.partition
        yield from messages_of(rows, lambda topic: number % self._partitions(topic))

    def _rows(self, halves: Halves, batch: PartitionBatch) -> Sequence[MappedRow]:
        """Raises one of ``REFUSED``."""
        of = halves[0].info.pair
        if of not in self._pairings:
            raise Unmappable("no table of [[sources]] pairs the records of its topic any more")
        if len(halves) == 1:
            raise _unpaired(halves[0], self._pairings[of])
        request, response = sorted(halves, key=lambda half: SIDES.index(half.info.side))
        rows = self._mappers[of].rows(request.record(), response.record())
        batch.counts["filtered" if rows is None else "paired"] += len(halves)
        return rows or ()


def _unpaired(half: Half, pairing: Pairing) -> Unpaired:
    other = SIDES[1 - SIDES.index(half.info.side)]
    return Unpaired(
        f"no {other} with the id {half.info.id!r} came within {duration_text(pairing.horizon_ms)}"
    )
