"""What ``aggregate`` reports about its progress, at the end of each transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from consumers.messages.progress import (
    LabelsSeen,
    SourceProgress,
    VersionSeen,
    source_progress_messages,
)
from consumers.messages.reading import SCHEMA
from consumers.messages.records import Message, TopicPartition
from consumers.roles.source_position import PartitionBatch
from monitor.events.progress import AppendTimes

REACHED_EVERY_MS = 1_000  # append times that have moved by less are not reported


class ProgressReports:
    """Reports the models that have new rows, and the append times that have moved."""

    def __init__(self, partitions: Callable[[str], int]) -> None:
        self._partitions = partitions
        self._reported_ms: dict[TopicPartition, int] = {}
        self._pending_ms: dict[TopicPartition, int] = {}

    def is_due(self, reached_ms: Mapping[TopicPartition, int]) -> bool:
        """Whether an append time has moved far enough to be reported."""
        return bool(self._moved(reached_ms))

    def messages(
        self, batches: Iterable[PartitionBatch], reached_ms: Mapping[TopicPartition, int]
    ) -> list[Message]:
        """The messages at the end of a transaction; none if nothing has changed."""
        batches, moved = list(batches), self._moved(reached_ms)
        self._pending_ms = moved
        progress = SourceProgress(
            schema=SCHEMA,
            predictions=self._append_times("predictions", moved),
            labels=self._append_times("labels", moved),
            versions=list(_versions(batches)),
            label_models=list(_label_models(batches)),
        )
        if not (moved or progress.versions or progress.label_models):
            return []
        return list(
            source_progress_messages(
                progress,
                joins=self._partitions("joins"),
                summaries=self._partitions("summaries"),
                has_append_times=bool(moved),
            )
        )

    def confirm(self) -> None:
        """The last messages were committed."""
        self._reported_ms.update(self._pending_ms)
        self._pending_ms = {}

    def discard(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what was not committed, and partitions that were lost."""
        self._pending_ms = {}
        for partition in partitions:
            self._reported_ms.pop(partition, None)

    def _moved(self, reached_ms: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        return {
            partition: at_ms
            for partition, at_ms in reached_ms.items()
            if at_ms
            >= self._reported_ms.get(partition, at_ms - REACHED_EVERY_MS) + REACHED_EVERY_MS
        }

    def _append_times(self, topic: str, moved: Mapping[TopicPartition, int]) -> AppendTimes:
        reached_ms = {p.partition: at_ms for p, at_ms in moved.items() if p.topic == topic}
        return AppendTimes(self._partitions(topic), reached_ms)


def _versions(batches: Iterable[PartitionBatch]) -> Iterable[VersionSeen]:
    for batch in batches:
        if batch.source.topic == "predictions":
            for (model, version), seen in sorted(batch.seen.items()):
                yield VersionSeen(
                    model=model, version=version, partition=batch.source.partition, seen=seen
                )


def _label_models(batches: Iterable[PartitionBatch]) -> Iterable[LabelsSeen]:
    for batch in batches:
        if batch.source.topic == "labels":
            for (model,), seen in sorted(batch.seen.items()):
                yield LabelsSeen(model=model, partition=batch.source.partition, seen=seen)
