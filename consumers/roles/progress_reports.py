"""What ``aggregate`` reports about its progress, at the end of each transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from consumers.messages.positions import SourceKey
from consumers.messages.progress import (
    LabelsSeen,
    SourceProgress,
    VersionSeen,
    join_source_messages,
    source_progress_messages,
)
from consumers.messages.reading import SCHEMA
from consumers.messages.records import Message, TopicPartition
from consumers.roles.reached import ReachedTimes
from consumers.roles.source_position import PartitionBatch
from monitor.events.progress import AppendTimes, Seen

OfSource = tuple[TopicPartition, SourceKey, Seen]


class Lives(Protocol):
    """The life of each model version, as far as is known."""

    def life(self, model: str, version: str) -> int:
        """Its number."""
        ...

    def reset_ms(self, key: SourceKey) -> int | None:
        """When a version, or any version of a model, has begun afresh."""
        ...


class ProgressReports:
    """Reports the models that have new rows, and the append times that have moved."""

    def __init__(self, partitions: Callable[[str], int], lives: Lives) -> None:
        self._partitions, self._lives = partitions, lives
        self._reached = ReachedTimes()

    def is_due(self, reached_ms: Mapping[TopicPartition, int]) -> bool:
        """Whether an append time has moved far enough to be reported."""
        return bool(self._reached.moved(reached_ms))

    def messages(
        self, batches: Iterable[PartitionBatch], reached_ms: Mapping[TopicPartition, int]
    ) -> list[Message]:
        """The messages at the end of a transaction; none if nothing has changed."""
        batches, moved = list(batches), self._reached.report(reached_ms)
        progress = SourceProgress(
            schema=SCHEMA,
            predictions=self._append_times("predictions", moved),
            labels=self._append_times("labels", moved),
            versions=self._versions(_seen(batches)),
            label_models=_label_models(_seen(batches)),
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

    def beginnings(self, batches: Iterable[PartitionBatch]) -> Iterable[Message]:
        """For ``join``, before its rows: the times of versions and labels that begin afresh.

        Otherwise the watermark from before their reset would expire the first of these rows.
        """
        begun = [
            (batch.source, key, seen)
            for batch in batches
            for key, seen in sorted(batch.begun.items())
            if self._lives.reset_ms(key) is not None
        ]
        if not begun:
            return []
        partitions = self._partitions("joins")
        progress = SourceProgress(
            schema=SCHEMA,
            predictions=self._append_times("predictions", {}),
            labels=self._append_times("labels", {}),
            versions=self._versions(begun),
            label_models=_label_models(begun),
        )
        return join_source_messages(progress, partitions)

    def confirm(self) -> None:
        """The last messages were committed."""
        self._reached.confirm()

    def discard(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget what was not committed, and partitions that were lost."""
        self._reached.discard(partitions)

    def _versions(self, found: Iterable[OfSource]) -> list[VersionSeen]:
        return [
            VersionSeen(
                model=key[0],
                version=key[1],
                partition=source.partition,
                seen=seen,
                life=self._lives.life(key[0], key[1]),
                reset_ms=self._lives.reset_ms(key),
            )
            for source, key, seen in found
            if source.topic == "predictions"
        ]

    def _append_times(self, topic: str, moved: Mapping[TopicPartition, int]) -> AppendTimes:
        reached_ms = {p.partition: at_ms for p, at_ms in moved.items() if p.topic == topic}
        return AppendTimes(self._partitions(topic), reached_ms)


def _seen(batches: Iterable[PartitionBatch]) -> list[OfSource]:
    """The keys with new rows."""
    return [
        (batch.source, key, seen) for batch in batches for key, seen in sorted(batch.seen.items())
    ]


def _label_models(found: Iterable[OfSource]) -> list[LabelsSeen]:
    return [
        LabelsSeen(model=key[0], partition=source.partition, seen=seen)
        for source, key, seen in found
        if source.topic == "labels"
    ]
