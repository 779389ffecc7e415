"""What the roles keep of a Kafka message, and what they want written. No client library here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """A partition of a topic; the topic by its short name, without the prefix."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    append_ms: int = 0  # the broker's clock, wall-clock

    @property
    def place(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None  # None: by the key
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """Where a group goes on reading a partition, and what its last reader noted there."""

    next: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll brought; and partitions that are silent, read to the end that is given."""

    records: Sequence[Record] = ()
    silent: Mapping[TopicPartition, int] = field(default_factory=dict)

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """Silent partitions, too, have theirs: a transaction without offsets fences nobody off."""
        return {**self.silent, **{record.place: record.offset + 1 for record in self.records}}


@dataclass(frozen=True, slots=True)
class Output:
    """One transaction: what to write, and what to note with each partition's offset."""

    messages: Sequence[Message] = ()
    notes: Mapping[TopicPartition, str] = field(default_factory=dict)


class Role(Protocol):
    """One step of the way. Decides what is written; never touches Kafka.

    ``handle`` may change the role; until ``committed`` says that it took effect, ``forget`` must be
    able to discard the change.
    """

    def resume(self, committed: Mapping[TopicPartition, Committed]) -> Mapping[TopicPartition, int]:
        """Take over partitions. Where a cache is behind: from which offset to replay the log."""
        ...

    def replay(self, records: Sequence[Record]) -> None:
        """Catch the cache up with records that were handled, and whose output stands, already."""
        ...

    def handle(self, batch: Batch) -> Output | None:
        """What follows from a batch; None if there is nothing to write and nothing to note."""
        ...

    def committed(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """The last output took effect together with these offsets."""
        ...

    def forget(self, places: Sequence[TopicPartition]) -> None:
        """Let go of partitions, and of all that was not committed."""
        ...

    def status(self) -> Mapping[str, Mapping[str, object]]:
        """For the heartbeat: by ``topic/partition``, what is to be known of it."""
        ...
