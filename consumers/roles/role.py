"""The interfaces between the processing loops and the roles. Roles never call Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from consumers.messages.records import Batch, CommittedOffset, Output, Record, TopicPartition


class Role(Protocol):
    """One step of the pipeline whose output is written in a Kafka transaction.

    ``handle`` may change the role's state. Until ``committed`` confirms the change,
    ``on_partitions_revoked`` must be able to discard it.
    """

    def on_partitions_assigned(
        self, committed: Mapping[TopicPartition, CommittedOffset]
    ) -> Mapping[TopicPartition, int]:
        """Take over partitions. Returns the offset to replay from of each cache that is behind."""
        ...

    def replay(self, records: Sequence[Record]) -> None:
        """Update a cache from records whose output is committed already."""
        ...

    def handle(self, batch: Batch) -> Output | None:
        """The output of a batch. None if there is nothing to write and no offset to commit."""
        ...

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """The last output was committed, together with these offsets."""
        ...

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Release partitions, and discard everything that was not committed."""
        ...

    def status(self) -> Mapping[str, Mapping[str, object]]:
        """The status of each partition for the heartbeat, by ``topic/partition``."""
        ...

    def problem(self) -> str | None:
        """What the heartbeat reports as a problem: it makes ``/health`` ``degraded``."""
        ...


class SinkRole(Protocol):
    """A role that writes its output and offsets itself, not in a Kafka transaction."""

    def on_partitions_assigned(self, committed: Mapping[TopicPartition, CommittedOffset]) -> None:
        """Take over partitions at the offsets that were written; negative: nothing was."""
        ...

    def on_partitions_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Release partitions."""
        ...

    def write(self, records: Sequence[Record]) -> None:
        """Write the output of a batch and its offsets, or nothing."""
        ...

    def status(self) -> Mapping[str, Mapping[str, object]]:
        """The status of each partition for the heartbeat, by ``topic/partition``."""
        ...

    def problem(self) -> str | None:
        """What the heartbeat reports as a problem: it makes ``/health`` ``degraded``."""
        ...
