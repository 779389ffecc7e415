"""What a poll fetches: bounded by records and bytes, by partition, records only when asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from consumers.kafka import fetched_records as module
from consumers.kafka.batch_limit import BatchLimit
from consumers.kafka.conversion import Conversion
from consumers.kafka.fetched_records import FetchedRecords, Fetcher, by_partition, record_block
from consumers.messages.records import TopicPartition, blocks_of
from driftline.settings import load_settings
from producers.contract.arrow_columns import ARROW_HEADER
from tests.consumers.kafka.test_client import KafkaMessage
from tests.consumers.sources.arrow_messages import message

P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
L0 = TopicPartition("labels", 0)
CONVERSION = Conversion(load_settings(None, kafka={"prefix": "d"}))


def fetched(*messages: tuple[TopicPartition, int]) -> FetchedRecords:
    of_source = by_partition([KafkaMessage(*message) for message in messages])
    return FetchedRecords(
        record_block(CONVERSION.partition(*source), own, CONVERSION)
        for source, own in of_source.items()
    )


def test_records_are_in_blocks_by_partition_in_the_order_of_the_log():
    records = fetched((P0, 3), (P0, 4), (P1, 7), (L0, 9), (P0, 6), (L0, 10))
    assert [(b.source, len(b), b.next_offset) for b in records.blocks] == [
        (P0, 3, 7),
        (P1, 1, 8),
        (L0, 2, 11),
    ]
    places = [(P0, 3), (P0, 4), (P0, 6), (P1, 7), (L0, 9), (L0, 10)]
    assert [(r.topic_partition, r.offset) for r in records] == places
    assert [(r.topic_partition, r.offset) for r in map(records.__getitem__, range(6))] == places
    assert (records[-1], records[1:3]) == (list(records)[-1], list(records)[1:3])
    assert len(records) == 6


def test_blocks_of_fetched_records_equal_those_of_the_same_records_one_by_one():
    records = fetched((P0, 3), (P1, 7), (P0, 6))
    for lazy, plain in zip(blocks_of(records), blocks_of(list(records)), strict=True):
        assert (lazy.source, lazy.values, lazy.next_offset) == (
            plain.source,
            plain.values,
            plain.next_offset,
        )
        assert lazy.append_ms.tolist() == plain.append_ms.tolist() == [77] * len(lazy)
        assert [lazy.record(i) for i in range(len(lazy))] == [
            plain.record(i) for i in range(len(plain))
        ]


def test_no_messages_are_no_blocks():
    assert (fetched().blocks, len(fetched()), fetched() == []) == ([], 0, True)


class Sent(bytes):
    """A message of the client library with this value."""

    headers_: Any = None

    def value(self) -> bytes:
        return bytes(self)

    def headers(self) -> Any:
        return self.headers_

    def timestamp(self) -> tuple[int, int]:
        return 2, 77

    def offset(self) -> int:
        return 3


class Queue:
    """A consumer with equal messages waiting; time passes only by waiting."""

    def __init__(self, size: int, waiting: int = 10**9) -> None:
        self.message, self.waiting, self.now_s = Sent(b"x" * size), waiting, 0.0
        self.asked: list[tuple[int, float]] = []

    @classmethod
    def of_arrow(cls, rows: int, **options: Any) -> Queue:
        queue, columns = cls(0), {"id": ["r"] * rows, "x": np.zeros(rows)}
        queue.message = Sent(message(pa.table(columns), **options))
        queue.message.headers_ = [ARROW_HEADER]
        return queue

    def consume(self, most: int, timeout: float) -> list[Any]:
        self.asked.append((most, timeout))
        found = min(most, self.waiting)
        self.waiting -= found
        if found < most:
            self.now_s += timeout
        return [self.message] * found


LIMIT = BatchLimit(5_000, 100_000, share=1.0)


def fetcher_of(queue: Queue, limit: BatchLimit = LIMIT) -> Fetcher:
    fetcher = Fetcher([queue], ["predictions"])  # type: ignore[arg-type]
    fetcher._limit = replace(limit)
    return fetcher


def fetch(queue: Queue, seconds: float = 2.0, polls: int = 1) -> list[int]:
    fetcher = fetcher_of(queue)
    return [len(fetcher.fetch(seconds)) for _ in range(polls)]


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 5_000), (20, 5_000), (1_000, 100), (30_000, 3), (99_999, 1)]
)
def test_batch_is_full_at_its_records_or_at_its_bytes(size, expected):
    assert fetch(Queue(size), polls=3)[1:] == [expected, expected]


@pytest.mark.parametrize(("rows", "expected"), [(1, 4_900), (100, 49), (1_000, 4), (5_000, 1)])
def test_batch_of_arrow_messages_is_full_at_its_rows(rows, expected):
    fetcher = fetcher_of(Queue.of_arrow(rows), BatchLimit(4_900, 10**9, share=1.0))
    assert [len(fetcher.fetch(2.0)) for _ in range(3)][1:] == [expected, expected]


def test_batch_of_arrow_messages_is_full_at_their_decompressed_bytes():
    fetcher = fetcher_of(Queue.of_arrow(10_000, compression="zstd"), BatchLimit(10**9, 10**6, 1.0))
    assert [len(fetcher.fetch(2.0)) for _ in range(3)][1:] == [7, 7]  # 13 bytes a row


def test_arrow_messages_of_internal_topics_are_counted_as_records():
    queue = Queue.of_arrow(1_000)
    fetcher = Fetcher([queue], ["summaries"])  # type: ignore[list-item]
    fetcher._limit = BatchLimit(100, 10**9, share=1.0)
    assert [len(fetcher.fetch(2.0)) for _ in range(2)] == [100, 100]


def test_first_batch_of_large_messages_is_bounded_too():
    assert fetch(Queue(90_000)) == [module.FIRST_RECORDS]


def test_poll_waits_for_the_whole_time_unless_the_batch_is_full(monkeypatch):
    queue = Queue(20, waiting=1_700)
    monkeypatch.setattr(module.time, "monotonic", lambda: queue.now_s)
    assert fetch(queue, polls=2) == [1_700, 0]
    assert queue.now_s == 4.0


def worked(queue: Queue, monkeypatch: Any, cost_s: float, batches: int) -> list[float]:
    """The seconds of work on each batch of messages that take ``cost_s`` each."""
    monkeypatch.setattr(module.time, "monotonic", lambda: queue.now_s)
    fetcher, found = fetcher_of(queue, BatchLimit.of(["summaries"])), list[float]()
    for _ in range(batches):
        found.append(cost_s * len(fetcher.fetch(2.0)))
        queue.now_s += found[-1]
    return found


@pytest.mark.parametrize("cost_s", [0.000_01, 0.000_7, 0.01, 0.06, 0.4])
def test_backlog_is_worked_off_in_steps_of_at_most_two_seconds(monkeypatch, cost_s):
    steps = worked(Queue(20), monkeypatch, cost_s, 40)
    assert max(steps[1:]) <= 2.0 or steps[0] == max(steps)
    assert max(steps[5:]) <= 1.0
    assert min(steps[12:]) >= min(0.25, 1_000 * cost_s)  # the most that a batch may hold


def test_step_of_messages_that_suddenly_take_long_is_followed_by_short_ones(monkeypatch):
    queue = Queue(20)
    monkeypatch.setattr(module.time, "monotonic", lambda: queue.now_s)
    fetcher = fetcher_of(queue, BatchLimit(1_000, 10**6, share=1.0))
    sizes = []
    for _ in range(6):
        sizes.append(len(fetcher.fetch(2.0)))
        queue.now_s += 0.05 * sizes[-1]
    assert sizes[0] == 1_000
    assert max(sizes[2:]) <= 20


def test_batch_that_was_not_full_makes_the_next_no_larger(monkeypatch):
    queue = Queue(20, waiting=5)
    monkeypatch.setattr(module.time, "monotonic", lambda: queue.now_s)
    fetcher = fetcher_of(queue, BatchLimit(1_000, 10**6, share=0.1))
    fetcher.fetch(2.0)
    queue.waiting = 1_000
    assert len(fetcher.fetch(2.0)) == 100


class Trickle(Queue):
    """A consumer whose messages of the next half second arrive one by one."""

    def __init__(self, clock: Queue, every_s: float) -> None:
        super().__init__(20, 0)
        self.clock, self.every_s, self.taken = clock, every_s, 0

    def consume(self, _most: int, timeout: float) -> list[Any]:
        self.clock.now_s += timeout
        arrived = int(min(self.clock.now_s, 0.5) / self.every_s)
        found, self.taken = arrived - self.taken, arrived
        return [self.message] * found


def test_two_consumers_that_have_messages_fill_a_batch_equally():
    first, second = Queue(20), Queue(20)
    fetcher = Fetcher([first, second], ["predictions"])  # type: ignore[list-item]
    fetcher._limit = replace(LIMIT)
    assert len(fetcher.fetch(2.0)) == 5_000
    taken = [10**9 - queue.waiting for queue in (first, second)]
    assert abs(taken[0] - taken[1]) <= module.AT_ONCE
    assert sum(taken) == 5_000


def test_consumer_that_has_no_messages_does_not_hold_up_the_other(monkeypatch):
    busy, idle = Queue(20), Queue(20, waiting=0)
    monkeypatch.setattr(module.time, "monotonic", lambda: busy.now_s + idle.now_s)
    fetcher = Fetcher([busy, idle], ["predictions"])  # type: ignore[list-item]
    fetcher._limit = replace(LIMIT)
    assert len(fetcher.fetch(2.0)) == 5_000
    assert busy.now_s + idle.now_s == 0


def test_messages_of_two_consumers_are_awaited_for_the_whole_time_in_short_turns(monkeypatch):
    clock = Queue(20, waiting=0)
    monkeypatch.setattr(module.time, "monotonic", lambda: clock.now_s)
    trickles = [Trickle(clock, 0.01), Trickle(clock, 0.1)]
    fetcher = Fetcher(trickles, ["predictions"])  # type: ignore[arg-type]
    assert len(fetcher.fetch(1.0)) == 50 + 5
    assert clock.now_s == pytest.approx(1.0)
    assert fetcher.fetch(0.0) == []
    assert clock.now_s == pytest.approx(1.0)


def test_batch_has_as_many_rows_of_one_consumer_as_of_the_other_also_if_their_messages_differ():
    """A message of one has a thousand rows, and a message of the other has one."""
    json, arrow = Queue(20), Queue.of_arrow(1_000)
    fetcher = Fetcher([json, arrow], ["predictions"])  # type: ignore[list-item]
    fetcher._limit = BatchLimit(50_000, 10**9, share=1.0)
    fetcher.fetch(2.0)  # how large they are is not known before
    for _ in range(3):
        before = json.waiting, arrow.waiting
        fetcher.fetch(2.0)
        rows = before[0] - json.waiting, 1_000 * (before[1] - arrow.waiting)
        assert sum(rows) <= 50_000
        assert rows == pytest.approx((25_000, 25_000), abs=module.AT_ONCE)


def test_sizes_of_arrow_messages_are_read_once_and_go_with_their_records():
    queue = Queue.of_arrow(1_000)
    fetcher = fetcher_of(queue)
    messages = fetcher.fetch(2.0)
    source = TopicPartition("predictions", 0)
    block = record_block(source, messages, CONVERSION, fetcher.sizes)
    assert {sizes.rows for sizes in block.sizes.values()} == {1_000}
    assert list(block.sizes) == block.arrow.tolist()
    assert list(block.between(1, len(block)).sizes) == list(range(len(block) - 1))
