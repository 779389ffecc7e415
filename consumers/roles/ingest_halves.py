"""What ``ingest`` writes to ``halves``: the records of pairs, and how far their topics were read.

The time of a half is the latest timestamp in its partition until then, so it never goes back. A
timestamp that is ahead of the clock of the worker counts as that: one sender whose clock is wrong
must not end the wait of others. A partition that has been read to its end and was idle for some
seconds has reached the present.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from consumers.messages.halves import (
    HalfInfo,
    HalvesProgress,
    half_message,
    half_of,
    progress_messages,
)
from consumers.messages.records import Batch, Message, RecordBlock, TopicPartition
from consumers.roles.reached import ReachedTimes
from consumers.roles.source_position import Position
from consumers.sources.mapping.pairs import HalfReader
from monitor.events.progress import AppendTimes

Times = NDArray[np.int64]


class PairedTopics:
    """``readers`` are by the short name of the topic."""

    def __init__(self, readers: Mapping[str, HalfReader], partitions: Callable[[str], int]) -> None:
        self._readers, self._partitions = readers, partitions
        self._reached = ReachedTimes()

    def __contains__(self, topic: str) -> bool:
        return topic in self._readers

    def message(self, block: RecordBlock, i: int, reached_ms: int) -> Message | None:
        """The half at a position of a block. None if it is no half.

        Raises ``Undecodable`` or ``Unmappable``.
        """
        reader = self._readers[block.source.topic]
        whose = reader.whose(block.values[i], lambda: block.record(i))
        if whose is None:
            return None
        record = block.record(i)
        info = HalfInfo(
            pair=whose.pair,
            id=whose.id,
            side=whose.side,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            time_ms=record.append_ms,
            reached_ms=reached_ms,
        )
        return half_message(half_of(record, info), self._partitions("halves"))

    def idle_ms(self, batch: Batch) -> dict[TopicPartition, int]:
        """The time that each idle partition of these topics has reached."""
        return {at: batch.now_ms for at in batch.idle if at.topic in self}

    def is_due(self, reached_ms: Mapping[TopicPartition, int]) -> bool:
        """Whether a time has moved far enough to be reported."""
        return bool(self._reached.moved(reached_ms))

    def progress(self, reached_ms: Mapping[TopicPartition, int]) -> Iterable[Message]:
        """The messages at the end of a transaction; none if nothing has moved."""
        moved = self._reached.report(reached_ms)
        if not moved:
            return ()
        reached = dict[str, AppendTimes]()
        for at, at_ms in moved.items():
            one = AppendTimes(self._partitions(at.topic), {at.partition: at_ms})
            reached[at.topic] = reached.get(at.topic, one).updated(one)
        return progress_messages(HalvesProgress(reached=reached), self._partitions("halves"))

    def confirm(self) -> None:
        self._reached.confirm()

    def discard(self, partitions: Iterable[TopicPartition]) -> None:
        self._reached.discard(partitions)


def reached_times(block: RecordBlock, before: Position, now_ms: int) -> Times:
    """The time that the partition of a block has reached with each of its records, shape (n,)."""
    times_ms = np.clip(block.append_ms, 0, now_ms)
    return np.maximum.accumulate(np.maximum(times_ms, before.append_ms or 0))
