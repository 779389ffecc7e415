"""How far a partition has been read by its position, and what a batch changes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import UNSET
from numpy.typing import NDArray

from consumers.messages.positions import (
    TOPIC,
    PairMark,
    PositionEntry,
    SourceKey,
    SourcePosition,
    decode_position,
    position_message,
    positions_partition,
    seen_message,
)
from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.records import (
    CommittedOffset,
    Message,
    Record,
    RecordBlock,
    TopicPartition,
)
from driftline.errors import Trouble
from monitor.events.event_time import latest, newest_before
from monitor.events.progress import Seen

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a partition. Nothing in it can be computed from what is left of the log."""

    next_offset: int = 0
    append_ms: int | None = None  # append time that was reached
    counts: Mapping[str, int] = field(default_factory=dict)  # since the first record
    dead: Mapping[str, int] = field(default_factory=dict)  # dead letters by reason
    seen: Mapping[SourceKey, Seen] = field(default_factory=dict)
    pairs: Mapping[str, PairMark] = field(default_factory=dict)

    @property
    def newest_ms(self) -> int | None:
        """The newest event time of all models."""
        return latest(*(seen.newest_ms for seen in self.seen.values()))

    def since_resets(self, reset_ms: Callable[[SourceKey], int | None]) -> Position:
        """Without the event times of rows that were seen before the last reset of their key."""
        afresh = {
            key
            for key, seen in self.seen.items()
            if (at_ms := reset_ms(key)) is not None and seen.first_append_ms <= at_ms
        }
        if not afresh:
            return self
        return replace(self, seen={key: of for key, of in self.seen.items() if key not in afresh})

    def with_entry(self, entry: PositionEntry) -> Position:
        content = entry.content
        if isinstance(content, SourcePosition):
            return replace(
                self,
                next_offset=content.next_offset,
                append_ms=content.append_ms,
                counts=content.counts,
                dead=content.dead,
                pairs=content.pairs or {},
            )
        assert entry.key is not None
        return replace(self, seen={**self.seen, entry.key: content})


class UnfitPosition(Trouble):
    """The offset of the group does not fit the position: records would be counted twice."""


class Positions:
    """The positions on the topic ``positions``."""

    def __init__(
        self,
        records: Callable[[TopicPartition], Iterable[Record]],
        partitions: Callable[[str], int],
        first_offset: Callable[[TopicPartition], int] = lambda _: 0,
    ) -> None:
        self._records, self._partitions = records, partitions
        self.first_offset = first_offset  # the oldest offset that retention has left
        self._reader = MessageReader({"positions": decode_position})

    def load(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, Position]:
        """The positions of source partitions; those that have none start at the beginning."""
        found = {source: Position() for source in sources}
        total = self._partitions("positions")
        for number in sorted({positions_partition(source, total) for source in found}):
            for entry in self._entries(TopicPartition(TOPIC, number)):
                if entry.source in found:
                    found[entry.source] = found[entry.source].with_entry(entry)
        return found

    def _entries(self, partition: TopicPartition) -> Iterable[PositionEntry]:
        """Raises ``UnreadableMessage``, unless a later message of the same key replaces it."""
        errors: dict[bytes | None, UnreadableMessage] = {}
        for record in self._records(partition):
            errors.pop(record.key, None)
            try:
                entry = self._reader.read(record)
            except UnreadableMessage as error:
                errors[record.key] = error
            else:
                if entry is not None:
                    yield entry
        if errors:
            raise next(iter(errors.values()))

    def of_committed(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> dict[TopicPartition, Position]:
        """The positions of partitions at their committed offsets.

        Both are written in one transaction, and a client goes on at the position if the offset of
        the group is smaller. Raises ``UnfitPosition`` if it cannot, or if there is an offset and no
        position.
        """
        found = self.load(committed)
        for source, at in committed.items():
            _require_fit(source, max(at.next_offset, 0), found[source].next_offset)
        return found

    def next_offsets(self, sources: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each source partition that has a position."""
        found = self.load(sources)
        return {source: at.next_offset for source, at in found.items() if at.next_offset}

    def messages(
        self, source: TopicPartition, before: Position, after: Position
    ) -> Iterable[Message]:
        """What differs from the position before."""
        total = self._partitions("positions")
        own = SourcePosition(
            next_offset=after.next_offset,
            append_ms=after.append_ms,
            counts=after.counts,
            dead=after.dead,
            pairs=after.pairs or UNSET,
        )
        yield position_message(source, own, total)
        for key, seen in after.seen.items():
            if seen is not before.seen.get(key):
                yield seen_message(source, key, seen, total)


class OwnedPositions:
    """The positions of the partitions that a worker owns; ``pending``: those after its batch."""

    def __init__(self, store: Positions) -> None:
        self._store = store
        self._owned: dict[TopicPartition, Position] = {}
        self.pending: dict[TopicPartition, Position] = {}

    def assign(self, committed: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Raises ``UnfitPosition``."""
        self._owned.update(self._store.of_committed(committed))

    def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """Release partitions, and discard what was not committed."""
        self.pending = {}
        for partition in partitions:
            self._owned.pop(partition, None)

    def advance(self, source: TopicPartition, after: Position) -> Iterable[Message]:
        """The messages of the position after a batch. It counts once it is confirmed."""
        self.pending[source] = after
        return self._store.messages(source, self._owned[source], after)

    def confirm(self) -> None:
        self._owned.update(self.pending)
        self.pending = {}

    def first_offset(self, source: TopicPartition) -> int:
        return self._store.first_offset(source)

    def items(self) -> Iterable[tuple[TopicPartition, Position]]:
        return self._owned.items()

    def __getitem__(self, source: TopicPartition) -> Position:
        return self._owned[source]


def _require_fit(source: TopicPartition, committed: int, counted: int) -> None:
    if counted > committed:
        raise UnfitPosition(
            f"{source.name}: records up to offset {counted} have been counted, but it ends before:"
            " the topic was deleted and made again; use a new prefix"
        )
    if committed > 0 and counted == 0:
        raise UnfitPosition(
            f"{source.name}: the consumer group is at offset {committed}, but 'positions' has no"
            " record of it: the topic was deleted or its number of partitions was changed, or an"
            " earlier release has written the group; use a new prefix"
        )
    if committed > counted:
        log.warning("%s: records %d to %d are skipped", source.name, counted, committed)


@dataclass(slots=True)
class PartitionBatch:
    """What one batch changes in a source partition."""

    source: TopicPartition
    before: Position
    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    seen: dict[SourceKey, Seen] = field(default_factory=dict)  # those with new rows
    begun: dict[SourceKey, Seen] = field(default_factory=dict)  # the first rows, at the oldest time
    append_ms: int | None = None
    pairs: Mapping[str, PairMark] | None = None  # None: as before

    def newest_before(
        self, key: SourceKey, time_ms: NDArray[np.int64], append_ms: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The newest event time of a key before each of its rows, shape (n,).

        ``time_ms`` is the time to which each row moves event time on.
        """
        before = self.seen.get(key, self.before.seen.get(key))
        newest = int(np.argmax(time_ms))
        rows = Seen(
            int(time_ms[newest]),
            int(append_ms[newest]),
            int(append_ms.min()),
            int(append_ms.max()),
        )
        self.seen[key] = rows.plus(before)
        if key not in self.before.seen:
            self._begin(key, int(time_ms.min()), rows.first_append_ms)
        return newest_before(None if before is None else before.newest_ms, time_ms)

    def _begin(self, key: SourceKey, oldest_ms: int, append_ms: int) -> None:
        before = self.begun.get(key)
        if before is None or oldest_ms < before.newest_ms:
            self.begun[key] = Seen(oldest_ms, append_ms, append_ms, append_ms)

    def after(self, next_offset: int) -> Position:
        """The position after this batch."""
        return Position(
            next_offset,
            latest(self.before.append_ms, self.append_ms),
            dict(Counter(self.before.counts) + self.counts),
            dict(Counter(self.before.dead) + self.dead),
            {**self.before.seen, **self.seen} if self.seen else self.before.seen,
            self.before.pairs if self.pairs is None else self.pairs,
        )


def append_times(blocks: Iterable[RecordBlock]) -> dict[TopicPartition, int]:
    """The latest append time of the records of each partition."""
    return {block.source: int(block.append_ms.max()) for block in blocks}
