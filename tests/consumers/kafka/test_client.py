"""The client of the consumers: what it asks of Kafka, in which order, and what it believes.

On a real Kafka it is tried in ``tests/integration/test_guarantees.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka import client as client_module
from consumers.kafka import log_reader, transactional_producer
from consumers.kafka.client import Client
from consumers.kafka.errors import (
    RecordsLost,
    SlotTaken,
    TransactionAborted,
    TransactionUnsettled,
)
from consumers.messages.records import CommittedOffset, Message, Output, TopicPartition
from driftline.settings import load_settings
from producers.kafka.errors import MissingTopic

P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
SETTINGS = load_settings(None, kafka={"prefix": "d"})


def failure(code: int, *, fatal: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "as the test wants it", fatal))


class Sent:
    """A message as the client library gives it."""

    def __init__(
        self, topic_partition: TopicPartition, offset: int, error: KafkaError | None = None
    ) -> None:
        self._place, self._offset, self._error = topic_partition, offset, error

    def topic(self) -> str:
        return f"d.{self._place.topic}"

    def partition(self) -> int:
        return self._place.partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return b"value"

    def headers(self) -> Any:
        return [("name", b"value")]

    def timestamp(self) -> tuple[int, int]:
        return 2, 77


def end(topic_partition: TopicPartition, offset: int) -> Sent:
    return Sent(topic_partition, offset, KafkaError(KafkaError._PARTITION_EOF))


class World:
    """Stands in for the client library, and remembers what was asked of it, in order."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.asked: list[Any] = []
        self.brings: list[list[Any]] = []  # of each consume; functions are rebalances
        self.committed_at: dict[int, tuple[int, str]] = {}
        self.ends: dict[int, int] | None = {}  # None: nobody answers
        self.first_offsets: dict[int, int] = {}
        self.topics = {"d.predictions": 2, "d.alerts": 1}
        self.fails: dict[str, list[KafkaException]] = {}
        self.generation = 0
        self.looked_up = 0  # times
        self.callbacks: dict[str, Callable[[Any, list[KafkaPartition]], None]] = {}

    def _ask(self, name: str, *details: Any) -> None:
        self.asked.append((name, *details) if details else name)
        if self.fails.get(name):
            raise self.fails[name].pop(0)

    # -- as a consumer -------------------------------------------------------------------------

    def subscribe(self, _topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def list_topics(self, name: str, timeout: float) -> Any:
        assert timeout > 0
        number = self.topics.get(name, 0)
        found = SimpleNamespace(error=None, partitions=dict.fromkeys(range(number)))
        return SimpleNamespace(topics={name: found})

    def consume(self, _most: int, timeout: float) -> list[Sent]:
        self.now_s += timeout
        found = []
        for item in self.brings.pop(0) if self.brings else []:
            if callable(item):
                item()
            else:
                found.append(item)
        return found

    def consumer_group_metadata(self) -> str:
        return f"generation {self.generation}"

    def poll(self, timeout: float) -> None:
        self._ask("poll", timeout)

    def committed(self, asked: list[KafkaPartition], timeout: float) -> list[KafkaPartition]:
        assert timeout > 0
        answers = []
        for of in asked:
            offset, note = self.committed_at.get(of.partition, (-1001, ""))
            answers.append(KafkaPartition(of.topic, of.partition, offset, note))
        return answers

    def offsets_for_times(self, asked: list[KafkaPartition], timeout: float) -> Any:
        self.looked_up += 1
        self.now_s += 0 if self.ends is not None else timeout
        if self.ends is None:
            raise failure(KafkaError._TIMED_OUT)
        return [KafkaPartition(of.topic, of.partition, self.ends[of.partition]) for of in asked]

    def get_watermark_offsets(self, of: KafkaPartition, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return self.first_offsets.get(of.partition, 0), 99

    def incremental_assign(self, partitions: list[KafkaPartition]) -> None:
        self._ask("assign", {of.partition: of.offset for of in partitions})

    def incremental_unassign(self, partitions: list[KafkaPartition]) -> None:
        self._ask("unassign", *(of.partition for of in partitions))

    def pause(self, partitions: list[KafkaPartition]) -> None:
        self._ask("pause", *sorted(of.partition for of in partitions))

    def resume(self, partitions: list[KafkaPartition]) -> None:
        self._ask("resume", *sorted(of.partition for of in partitions))

    def seek(self, of: KafkaPartition) -> None:
        self._ask("seek", of.partition, of.offset)

    def assign(self, partitions: list[KafkaPartition]) -> None:
        self._ask("read", {of.partition: of.offset for of in partitions})

    def close(self) -> None:
        self._ask("close")

    # -- as a producer -------------------------------------------------------------------------

    def init_transactions(self, timeout: float) -> None:
        assert timeout > 0

    def begin_transaction(self) -> None:
        self._ask("begin")

    def produce(self, topic: str, **options: Any) -> None:
        self._ask("produce", topic, options)

    def send_offsets_to_transaction(self, offsets: list[KafkaPartition], metadata: str) -> None:
        sent = {of.partition: (of.offset, of.metadata) for of in offsets}
        self._ask("send offsets", sent, metadata)

    def commit_transaction(self, _timeout: float) -> None:
        self._ask("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._ask("abort")

    # -- as the group --------------------------------------------------------------------------

    def gives(self, *topic_partitions: TopicPartition) -> Callable[[], None]:
        return lambda: self.callbacks["on_assign"](self, _partitions(topic_partitions))

    def takes(self, *topic_partitions: TopicPartition, lost: bool = False) -> Callable[[], None]:
        name = "on_lost" if lost else "on_revoke"
        return lambda: self.callbacks[name](self, _partitions(topic_partitions))


def _partitions(topic_partitions: tuple[TopicPartition, ...]) -> list[KafkaPartition]:
    return [
        KafkaPartition(f"d.{topic_partition.topic}", topic_partition.partition)
        for topic_partition in topic_partitions
    ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    for module in (client_module, log_reader):
        monkeypatch.setattr(module, "Consumer", lambda _config: made)
    monkeypatch.setattr(transactional_producer, "Producer", lambda _config: made)
    monkeypatch.setattr(time, "monotonic", lambda: made.now_s)
    return made


@pytest.fixture
def client(world: World) -> Client:
    assert world.asked == []
    return Client(SETTINGS, "aggregate", 0, ["predictions"])


@pytest.fixture
def reading(world: World, client: Client) -> Client:
    """It owns both partitions, and reads them."""
    world.brings = [[world.gives(P0, P1)]]
    client.poll(1.0)
    client.take_rebalance()
    client.resume_all()
    world.asked.clear()
    return client


def polled(world: World, client: Client, *brought: Any) -> list[tuple[TopicPartition, int]]:
    world.brings = [list(brought)]
    return [(record.topic_partition, record.offset) for record in client.poll(1.0)]


# -- transactions ------------------------------------------------------------------------------


def test_a_transaction_holds_the_outputs_and_the_offsets_with_their_notes(world, reading):
    polled(world, reading, Sent(P0, 7))
    messages = [Message("alerts", b"k", b"v", None, [("h", b"1")]), Message("joins", None, b"w", 3)]
    reading.commit({P0: 8, P1: 2}, Output(messages, {P0: "note"}))
    assert world.asked == [
        "begin",
        ("produce", "d.alerts", {"key": b"k", "value": b"v", "headers": [("h", b"1")]}),
        ("produce", "d.joins", {"key": None, "value": b"w", "partition": 3}),
        ("send offsets", {0: (8, "note"), 1: (2, "")}, "generation 0"),
        "commit",
    ]


def test_the_groups_metadata_is_that_of_the_batch(world, reading):
    """Taken at the commit it would let rows through of partitions lost since."""
    polled(world, reading, Sent(P0, 7))
    world.generation = 1
    reading.commit({P0: 8}, Output())
    assert ("send offsets", {0: (8, "")}, "generation 0") in world.asked


def test_records_that_survived_a_rebalance_are_committed_under_its_metadata(world, reading):
    polled(world, reading, Sent(P0, 7))
    world.generation = 1
    reading.resume_all()
    reading.commit({P0: 8}, Output())
    assert ("send offsets", {0: (8, "")}, "generation 1") in world.asked


@pytest.mark.parametrize("step", ["produce", "send offsets", "commit"])
def test_a_transaction_that_fails_is_aborted(world, reading, step):
    world.fails = {step: [failure(KafkaError.ILLEGAL_GENERATION)]}
    with pytest.raises(TransactionAborted, match="as the test wants it"):
        reading.commit({P0: 8}, Output([Message("alerts", b"", b"")]))
    assert world.asked[-1] == "abort"


def test_a_full_queue_is_waited_for(world, reading):
    world.fails = {"produce": [BufferError(), BufferError()]}  # type: ignore[dict-item]
    reading.commit({}, Output([Message("alerts", b"", b"")]))
    assert [asked if isinstance(asked, str) else asked[0] for asked in world.asked] == [
        *("begin", "produce", "poll", "produce", "poll", "produce", "commit")
    ]


@pytest.mark.parametrize("code", [KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH])
def test_whoever_is_fenced_off_says_that_its_slot_is_taken(world, reading, code):
    world.fails = {"commit": [failure(code, fatal=True)]}
    with pytest.raises(SlotTaken, match="give each its own --slot"):
        reading.commit({}, Output())
    assert "abort" not in world.asked


def test_a_member_that_another_has_replaced_says_that_its_slot_is_taken(world, reading):
    said = "Fatal error: Static consumer fenced by other consumer with same group.instance.id"
    world.brings = [[Sent(P0, 0, KafkaError(KafkaError._FATAL, said))]]
    with pytest.raises(SlotTaken, match="give each its own --slot"):
        reading.poll(0)


def test_any_other_fatal_failure_is_passed_on(world, reading):
    world.fails = {"begin": [failure(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True)]}
    with pytest.raises(KafkaException, match="as the test wants it"):
        reading.commit({}, Output())


def test_a_transaction_that_can_be_neither_committed_nor_aborted_is_left_to_a_new_start(
    world, reading
):
    failed = failure(KafkaError._TIMED_OUT)
    world.fails = {"commit": [failed], "abort": [failure(KafkaError.INVALID_TXN_STATE)]}
    with pytest.raises(TransactionUnsettled, match="a restart of this worker settles"):
        reading.commit({}, Output())


# -- rebalances --------------------------------------------------------------------------------


def test_partitions_arrive_paused_at_their_committed_offset_with_its_note(world, client):
    world.committed_at = {0: (7, "note")}
    assert polled(world, client, world.gives(P0, P1)) == []
    assert world.asked == [("assign", {0: 7, 1: OFFSET_BEGINNING}), ("pause", 0, 1)]
    assert client.take_rebalance() == (
        {P0: CommittedOffset(7, "note"), P1: CommittedOffset(OFFSET_BEGINNING)},
        set(),
    )
    assert client.take_rebalance() == ({}, set())


def test_the_database_may_rule_where_to_start_instead(world):
    client = Client(SETTINGS, "store", 0, ["predictions"], positions=lambda _: {P1: 5})
    polled(world, client, world.gives(P0, P1))
    assert world.asked[0] == ("assign", {0: OFFSET_BEGINNING, 1: 5})


@pytest.mark.parametrize("lost", [False, True], ids=["revoked", "lost"])
def test_records_of_a_partition_taken_away_in_the_same_poll_are_not_given_out(world, reading, lost):
    brought = [Sent(P0, 7), Sent(P1, 3), world.takes(P1, lost=lost)]
    assert polled(world, reading, *brought) == [(P0, 7)]
    assert reading.take_rebalance() == ({}, {P1})
    assert world.asked == [("unassign", 1)]


def test_records_of_a_partition_that_went_and_came_again_are_not_given_out(world, reading):
    world.committed_at = {1: (2, "")}
    brought = [Sent(P1, 3), end(P1, 4), world.takes(P1), world.gives(P1)]
    assert polled(world, reading, *brought) == []
    assert reading.take_rebalance() == ({P1: CommittedOffset(2)}, {P1})
    world.ends = {0: 0, 1: 4}
    assert silent_after(world, reading, 100) == {}


def test_a_partition_that_came_and_went_is_only_lost(world, client):
    polled(world, client, world.gives(P0), world.takes(P0))
    assert client.take_rebalance() == ({}, {P0})


def test_going_back_is_to_what_is_committed_and_held_until_the_start(world, reading):
    world.committed_at = {0: (7, "note")}
    assert reading.rewind() == {
        P0: CommittedOffset(7, "note"),
        P1: CommittedOffset(OFFSET_BEGINNING),
    }
    assert world.asked[0] == ("pause", 0, 1)
    assert set(world.asked[1:]) == {("seek", 0, 7), ("seek", 1, OFFSET_BEGINNING)}
    reading.resume_all()
    assert world.asked[-1] == ("resume", 0, 1)


def test_keeping_alive_says_when_something_was_lost(world, reading):
    assert reading.keep_alive()
    world.takes(P1)()
    assert not reading.keep_alive()
    reading.take_rebalance()
    assert reading.keep_alive()


def test_it_serves_what_is_pending_before_it_closes_and_looks_up_nothing_then(world, client):
    client.close()
    assert world.asked == [("poll", 0), "close"]
    world.asked.clear()
    world.gives(P0)()
    assert world.asked == [("assign", {0: -1001})]


# -- silence -----------------------------------------------------------------------------------


def silent_after(world: World, client: Client, seconds: int) -> dict[TopicPartition, int]:
    """What is silent for twenty seconds, after a second for each of so many polls without news."""
    found: dict[TopicPartition, int] = {}
    for _ in range(seconds):
        polled(world, client)
        found = client.idle_partitions(20) or found
    return found


def test_a_partition_is_silent_once_every_look_up_found_it_at_its_end_for_so_long(world, reading):
    polled(world, reading, Sent(P0, 7), end(P0, 8))
    world.ends = {0: 8}
    assert silent_after(world, reading, 18) == {}
    assert silent_after(world, reading, 10) == {P0: 8}


def test_a_partition_whose_end_was_not_reached_is_not_silent(world, reading):
    polled(world, reading, Sent(P0, 7))
    world.ends = {0: 8}
    assert silent_after(world, reading, 100) == {}


def test_a_partition_that_holds_more_than_was_read_is_not_silent(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 9}
    assert silent_after(world, reading, 100) == {}


def test_after_an_outage_the_time_starts_anew(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = None
    assert silent_after(world, reading, 60) == {}
    world.ends = {0: 8}
    assert silent_after(world, reading, 15) == {}
    assert silent_after(world, reading, 15) == {P0: 8}


def test_time_in_which_nobody_looked_is_no_silence(world, reading):
    """As when a transaction took its time."""
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    silent_after(world, reading, 10)
    world.now_s += 40
    assert silent_after(world, reading, 15) == {}
    assert silent_after(world, reading, 15) == {P0: 8}


def test_a_record_ends_the_silence(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    assert silent_after(world, reading, 30) == {P0: 8}
    polled(world, reading, Sent(P0, 8), end(P0, 9))
    world.ends = {0: 9}
    assert silent_after(world, reading, 15) == {}


def test_going_back_ends_the_silence(world, reading):
    """What is to be read again lies before that end."""
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    reading.rewind()
    assert silent_after(world, reading, 100) == {}


def test_a_partition_taken_away_is_nobodys_to_be_called_silent(world, reading):
    polled(world, reading, end(P0, 8), end(P1, 9))
    world.ends = {0: 8, 1: 9}
    assert silent_after(world, reading, 30) == {P0: 8, P1: 9}
    polled(world, reading, world.takes(P1))
    assert silent_after(world, reading, 10) == {P0: 8}


def test_four_look_ups_fall_into_the_time(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    silent_after(world, reading, 60)
    assert world.looked_up in (11, 12)


def test_whoever_comes_back_to_a_partition_knows_nothing_of_its_silence(world, reading):
    polled(world, reading, Sent(P1, 3))
    polled(world, reading, world.takes(P1), end(P0, 8))
    world.ends = {0: 8, 1: 9}
    assert silent_after(world, reading, 60) == {P0: 8}
    polled(world, reading, world.gives(P1), Sent(P0, 8))
    reading.take_rebalance()
    polled(world, reading, end(P1, 9))
    assert silent_after(world, reading, 15) == {}
    assert silent_after(world, reading, 15) == {P1: 9}


# -- reading again -----------------------------------------------------------------------------


def read(world: World, client: Client, start: int, stop: int, *chunks: list[Any]) -> list[int]:
    world.brings = list(chunks)
    found = client.read({P0: start}, {P0: stop}, lambda: bool(world.brings))
    return [record.offset for records in found for record in records]


def test_what_is_read_again_ends_before_the_stop_and_skips_markers(world, client):
    chunks = [[Sent(P0, 3), Sent(P0, 4)], [Sent(P0, 7)], [Sent(P0, 8)]]
    assert read(world, client, 3, 6, *chunks) == [3, 4]
    assert world.asked == [("read", {0: 3}), "close"]
    assert len(world.brings) == 1


def test_an_end_before_the_stop_is_a_transaction_under_way(world, client):
    chunks = [[Sent(P0, 3), end(P0, 4)], [Sent(P0, 4), end(P0, 6)], [Sent(P0, 6)]]
    assert read(world, client, 3, 6, *chunks) == [3, 4]


def test_reading_again_stops_when_it_is_told_to(world, client):
    world.brings = [[Sent(P0, 3)], [Sent(P0, 4)]]
    told = iter([True, False])
    chunks = client.read({P0: 3}, {P0: 9}, lambda: next(told))
    assert [[record.offset for record in records] for records in chunks] == [[3]]
    assert world.asked[-1] == "close"


def test_nothing_to_read_again_asks_for_nothing(world, client):
    assert read(world, client, OFFSET_BEGINNING, OFFSET_BEGINNING, [Sent(P0, 0)]) == []


# -- records and topics ------------------------------------------------------------------------


def test_a_record_is_what_the_library_gave(world, reading):
    world.brings = [[Sent(P0, 7)]]
    (record,) = reading.poll(1.0)
    assert (record.topic, record.partition, record.offset) == ("predictions", 0, 7)
    assert (record.key, record.value, record.append_ms) == (b"key", b"value", 77)
    assert record.headers == [("name", b"value")]


def test_headers_whose_names_are_no_text_do_not_stop_it(world, reading, monkeypatch):
    def undecodable(_self: Sent) -> Any:
        return b"\xff".decode()

    monkeypatch.setattr(Sent, "headers", undecodable)
    world.brings = [[Sent(P0, 7)]]
    assert [record.headers for record in reading.poll(1.0)] == [()]


def test_the_number_of_partitions_is_believed_for_half_a_minute(world, client):
    world.topics["d.predictions"] = 3
    assert client.partitions("predictions") == 2
    world.now_s += 31
    assert client.partitions("predictions") == 3


def test_partitions_do_not_vanish_because_a_broker_has_not_heard_of_them(world, client):
    world.topics["d.predictions"] = 0
    world.now_s += 31
    assert client.partitions("predictions") == 2


@pytest.mark.parametrize("name", ["summaries", "joins"])
def test_a_topic_that_is_missing_is_named_with_the_remedy(client, name):
    with pytest.raises(MissingTopic, match=f"no topic 'd.{name}': run `driftline topics create`"):
        client.partitions(name)


def test_a_topic_that_goes_missing_later_is_named_too(world, reading):
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Subscribed topic not available: d.x")
    with pytest.raises(MissingTopic, match=r"not available: d.x: run `driftline topics"):
        polled(world, reading, Sent(P0, 0, gone))


def test_any_other_trouble_is_passed_on(world, reading):
    with pytest.raises(KafkaException, match="as the test wants it"):
        polled(world, reading, Sent(P0, 0, failure(KafkaError._MAX_POLL_EXCEEDED).args[0]))


def test_a_gap_is_a_loss_if_the_embedded_broker_has_dropped_its_beginning(world):
    """On a real Kafka gaps are the markers of transactions."""
    embedded = Client(SETTINGS, "aggregate", 0, ["predictions"], gapless=True)
    polled(world, embedded, world.gives(P0))
    embedded.take_rebalance()
    assert polled(world, embedded, Sent(P0, 7), Sent(P0, 9)) == [(P0, 7), (P0, 9)]
    world.first_offsets = {0: 20}
    with pytest.raises(RecordsLost, match="10 records of predictions-0 fell out"):
        polled(world, embedded, Sent(P0, 20))
