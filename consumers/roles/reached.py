"""Which append times of partitions have moved far enough since they were reported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consumers.messages.records import TopicPartition

REACHED_EVERY_MS = 1_000  # append times that have moved by less are not reported


class ReachedTimes:
    """What was reported. A report counts once it is confirmed."""

    def __init__(self) -> None:
        self._reported_ms: dict[TopicPartition, int] = {}
        self._pending_ms: Mapping[TopicPartition, int] = {}

    def moved(self, reached_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Those to be reported."""
        return {
            partition: at_ms
            for partition, at_ms in reached_ms.items()
            if at_ms
            >= self._reported_ms.get(partition, at_ms - REACHED_EVERY_MS) + REACHED_EVERY_MS
        }

    def report(self, reached_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The same; they are reported in the transaction that follows."""
        moved = self.moved(reached_ms)
        self._pending_ms = moved
        return moved

    def confirm(self) -> None:
        self._reported_ms.update(self._pending_ms)
        self._pending_ms = {}

    def discard(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what was not committed, and partitions that were lost."""
        self._pending_ms = {}
        for partition in partitions:
            self._reported_ms.pop(partition, None)
