"""The messages of one poll, by partition. They become records only when they are asked for."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import NamedTuple, Protocol, overload

import numpy as np
from confluent_kafka import Message as KafkaMessage

from consumers.kafka.batch_limit import BatchLimit
from consumers.kafka.conversion import Conversion, headers_of
from consumers.messages.arrow_sizes import StreamSizes, sizes_of_message
from consumers.messages.records import (
    BlockedRecords,
    Record,
    RecordBlock,
    TopicPartition,
    arrow_positions,
    is_source,
)

AT_ONCE = 1_000  # messages taken before their size is looked at; rows, of several consumers
FIRST_RECORDS = 100  # of the first ones, whose size is not known
TURN_S = 0.02  # how long to wait for one of several consumers


class FetchedRecords(BlockedRecords):
    """One partition after the other, each in the order of the log."""

    def __init__(self, blocks: Iterable[RecordBlock]) -> None:
        self._blocks = list(blocks)
        self._cuts = np.cumsum([0, *map(len, self._blocks)])

    @property
    def blocks(self) -> Sequence[RecordBlock]:
        return self._blocks

    def __len__(self) -> int:
        return int(self._cuts[-1])

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = range(len(self))[index]
        number = int(np.searchsorted(self._cuts, at, side="right")) - 1
        return self._blocks[number].record(at - int(self._cuts[number]))

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(map(_records, self._blocks))

    def __eq__(self, other: object) -> bool:
        return list(self) == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]


def record_block(
    source: TopicPartition,
    messages: Sequence[KafkaMessage],
    conversion: Conversion,
    sizes: Mapping[int, StreamSizes] | None = None,
) -> RecordBlock:
    """The messages of one partition. ``sizes``: see ``Fetcher.sizes``."""
    arrow = arrow_positions(map(headers_of, messages))
    known = ((i, (sizes or {}).get(id(messages[i]))) for i in arrow.tolist())
    return RecordBlock(
        source,
        [message.value() for message in messages],
        np.array([message.timestamp()[1] for message in messages], dtype=np.int64),
        int(messages[-1].offset() or 0) + 1,
        lambda i: conversion.record(messages[i]),
        arrow,
        {i: found for i, found in known if found is not None},
    )


def by_partition(messages: Sequence[KafkaMessage]) -> dict[tuple[str, int], list[KafkaMessage]]:
    """By full topic name and partition. Messages come in long runs of one partition."""
    topics = [message.topic() for message in messages]
    numbers = np.array([message.partition() for message in messages], dtype=np.int64)
    index = {topic: i for i, topic in enumerate(dict.fromkeys(topics))}
    code = numbers * len(index)
    if len(index) > 1:
        code += np.fromiter(map(index.__getitem__, topics), np.int64, len(topics))
    starts = [0, *(np.flatnonzero(np.diff(code)) + 1).tolist(), len(messages)]
    found: dict[tuple[str, int], list[KafkaMessage]] = {}
    for start, stop in pairwise(starts if messages else ()):
        source = (str(topics[start]), int(numbers[start]))
        found.setdefault(source, []).extend(messages[start:stop])
    return found


class _Size(NamedTuple):
    """Of some messages."""

    messages: int = 0
    rows: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, messages: Sequence[KafkaMessage], sizes: Mapping[int, StreamSizes]) -> _Size:
        """``sizes``: of the streams among them, by ``id``. The others have one row each."""
        rows, size = len(messages), sum(map(len, messages))  # of their values
        for message in messages if sizes else ():
            held = sizes.get(id(message))
            if held is not None:
                rows += held.rows - 1
                size += max(held.bytes - len(message), 0)
        return cls(len(messages), rows, size)

    def plus(self, other: _Size) -> _Size:
        return _Size(*(mine + more for mine, more in zip(self, other, strict=True)))

    def of_each(self) -> tuple[float, float]:
        """The mean rows and bytes."""
        return max(self.rows / self.messages, 1.0), max(self.bytes / self.messages, 1.0)


NOTHING = _Size()


class Consumes(Protocol):
    """A consumer, or a member of a consumer group."""

    def consume(self, num_messages: int, /, timeout: float) -> list[KafkaMessage]: ...


@dataclass(slots=True)
class _Source:
    """A consumer, and how large its messages are."""

    consumer: Consumes
    of_each: tuple[float, float] | None = None  # rows and bytes of a message, lately
    size: _Size = NOTHING  # of its messages in this batch

    def add(self, size: _Size) -> None:
        self.size = self.size.plus(size)
        if self.size.bytes:
            self.of_each = self.size.of_each()


class Fetcher:
    """Takes messages from consumers in turn, as many as fit into a batch."""

    def __init__(self, consumers: Sequence[Consumes], topics: Collection[str]) -> None:
        self._sources = deque(map(_Source, consumers))  # the next one first
        self._limit = BatchLimit.of(topics)
        self._count_rows = any(map(is_source, topics))
        self.sizes: dict[int, StreamSizes] = {}  # of its streams, by ``id`` of the message
        self._full = False  # whether the last batch was
        self._fetched_s: float | None = None  # when it was returned; None: it was empty

    def fetch(self, seconds: float) -> list[KafkaMessage]:
        """The messages and events of ``seconds``, or less time if they make a full batch.

        The time since the last batch was returned is taken to be that of the work on it.
        """
        if self._fetched_s is not None:
            self._limit.adapt(time.monotonic() - self._fetched_s, full=self._full)
        messages = self._messages(time.monotonic() + seconds)
        self._fetched_s = time.monotonic() if messages else None
        return messages

    def _messages(self, deadline_s: float) -> list[KafkaMessage]:
        messages, size = list[KafkaMessage](), NOTHING
        self.sizes = {}
        for source in self._sources:
            source.size = NOTHING
        short = 0  # answers in a row with fewer messages than asked for
        while (most := self._most(source := self._sources[0], size)) > 0:
            left_s = max(deadline_s - time.monotonic(), 0.0)
            if short >= len(self._sources) and left_s == 0:
                break
            some = source.consumer.consume(most, timeout=self._wait_s(short, left_s))
            messages += some
            source.add(added := _Size.of(some, self._read_sizes(some)))
            size = size.plus(added)
            short = 0 if len(some) == most else short + 1
            self._sources.rotate(-1)
        self._full = most <= 0
        return messages

    def _read_sizes(self, messages: Sequence[KafkaMessage]) -> Mapping[int, StreamSizes]:
        """Of the streams among the messages, by ``id``; kept for those who decode them."""
        if not self._count_rows:
            return {}
        streams = (messages[i] for i in arrow_positions(map(headers_of, messages)).tolist())
        read = ((id(message), sizes_of_message(message.value())) for message in streams)
        found = {key: sizes for key, sizes in read if sizes is not None}
        self.sizes.update(found)
        return found

    def _wait_s(self, short: int, left_s: float) -> float:
        """Wait for one of several consumers only if none of them has more messages."""
        if len(self._sources) == 1:
            return left_s
        return min(left_s, TURN_S) if short >= len(self._sources) else 0.0

    def _most(self, source: _Source, size: _Size) -> int:
        """How many more messages to take from it at once; 0 if the batch is full."""
        limit = self._limit
        rows, held = source.of_each or (1.0, limit.bytes / FIRST_RECORDS)
        if not size.messages:  # one fits in any case
            rows, held = min(rows, limit.records), min(held, limit.bytes)
        left_rows, left_bytes = limit.records - size.rows, limit.bytes - size.bytes
        at_once = max(int(AT_ONCE / rows), 1) if len(self._sources) > 1 else AT_ONCE
        return min(int(left_rows / rows), int(left_bytes / held), at_once)


def _records(block: RecordBlock) -> Iterator[Record]:
    return map(block.record, range(len(block)))
