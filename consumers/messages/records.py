"""Records, messages and offsets as the roles see them. No Kafka client library here."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from consumers.messages.arrow_sizes import StreamSizes
from driftline.settings import OTHER_TOPIC
from producers.contract.arrow_columns import ARROW_HEADER

OWN_SOURCES = ("predictions", "labels")

Headers = Sequence[tuple[str, bytes | None]]


class TopicPartition(NamedTuple):
    """A partition of a topic, which has its short name, see ``Settings.topic``."""

    topic: str
    partition: int

    @property
    def name(self) -> str:
        return f"{self.topic}/{self.partition}"

    @classmethod
    def of(cls, name: str) -> TopicPartition:
        """The partition of this ``name``."""
        topic, _, partition = name.rpartition("/")
        return cls(topic, int(partition))


def is_source(topic: str) -> bool:
    """Whether services write a topic, by its short name, and not Driftline."""
    return topic in OWN_SOURCES or topic.startswith(OTHER_TOPIC)


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


@dataclass(frozen=True, slots=True, eq=False)
class RecordBlock:
    """The records of one partition in a batch, in order, as columns."""

    source: TopicPartition
    values: Sequence[bytes | None]
    append_ms: NDArray[np.int64]  # shape (n,), the broker's wall clock
    next_offset: int  # that follows the last record
    record: Callable[[int], Record]  # by its position in the block
    # Ascending positions of the records that hold an Arrow stream, by their header.
    arrow: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    # Of those of them whose sizes are known already, by position.
    sizes: Mapping[int, StreamSizes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def between(self, start: int, stop: int) -> RecordBlock:
        """The records at ``[start, stop)``, which are at least one."""
        arrow = self.arrow[(self.arrow >= start) & (self.arrow < stop)] - start
        return RecordBlock(
            self.source,
            self.values[start:stop],
            self.append_ms[start:stop],
            self.next_offset if stop >= len(self) else self.record(stop).offset,
            lambda i: self.record(start + i),
            arrow,
            {i - start: sizes for i, sizes in self.sizes.items() if start <= i < stop},
        )


class BlockedRecords(Sequence[Record]):
    """Records that become objects only when they are asked for one by one."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[RecordBlock]:
        """One for each partition."""


def arrow_positions(headers: Iterable[Headers | None]) -> NDArray[np.int64]:
    """As in ``RecordBlock.arrow``, from the headers of each record."""
    return np.array([i for i, own in enumerate(headers) if own and ARROW_HEADER in own], np.int64)


def by_partition(records: Iterable[Record]) -> Mapping[TopicPartition, list[Record]]:
    """The records of each partition, in order."""
    found: dict[TopicPartition, list[Record]] = defaultdict(list)
    for record in records:
        found[record.topic_partition].append(record)
    return found


def blocks_of(records: Sequence[Record]) -> Sequence[RecordBlock]:
    """The records by partition."""
    if isinstance(records, BlockedRecords):
        return records.blocks
    return [
        RecordBlock(
            source,
            [record.value for record in of_source],
            np.array([record.append_ms for record in of_source], dtype=np.int64),
            of_source[-1].offset + 1,
            of_source.__getitem__,
            arrow_positions([record.headers for record in of_source]),
        )
        for source, of_source in by_partition(records).items()
    ]


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
    def blocks(self) -> Sequence[RecordBlock]:
        """The records by partition."""
        return blocks_of(self.records)

    @property
    def next_offsets(self) -> dict[TopicPartition, int]:
        """The offsets to commit with the batch.

        Idle partitions are included: a transaction without offsets would not fence off a member
        that has lost them.
        """
        return {**self.idle, **{block.source: block.next_offset for block in self.blocks}}


@dataclass(frozen=True, slots=True)
class Output:
    """The messages to write in one transaction."""

    messages: Sequence[Message] = ()
