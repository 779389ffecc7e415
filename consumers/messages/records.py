"""Records, messages and offsets as the roles see them. No Kafka client library here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """A partition of a topic. ``topic`` is the short name, without the prefix."""

    topic: str
    partition: int

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record that was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    append_ms: int = 0  # the broker's wall clock

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None  # None: chosen by the key
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class CommittedOffset:
    """The committed offset of a partition."""

    next_offset: int  # the offset to read next; negative: nothing is committed


@dataclass(frozen=True, slots=True)
class Batch:
    """The records of one poll, and the end offset of each partition that is idle.

    A partition is idle if no record was appended to it for some time before ``now_ms``, by the
    clock of the worker.
    """

    records: Sequence[Record] = ()
    idle: Mapping[TopicPartition, int] = field(default_factory=dict)
    now_ms: int = 0

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The offsets to commit with the batch.

        Idle partitions are included: a transaction without offsets would not fence off a member
        that has lost them.
        """
        return {
            **self.idle,
            **{record.topic_partition: record.offset + 1 for record in self.records},
        }


@dataclass(frozen=True, slots=True)
class Output:
    """The messages to write in one transaction."""

    messages: Sequence[Message] = ()
