"""The client of the consumers: its calls of the client library, in order.

``tests/integration/test_guarantees.py`` tests it on a real Kafka.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka import log_reader, transactional_producer
from consumers.kafka import member as member_module
from consumers.kafka.client import Client
from consumers.kafka.configuration import member_config
from consumers.kafka.errors import (
    RecordsLost,
    SlotTaken,
    TransactionAborted,
    TransactionUnsettled,
)
from consumers.kafka.partition_counts import PartitionsChanged
from consumers.messages.records import CommittedOffset, Message, Output, TopicPartition
from driftline.settings import load_settings
from producers.kafka.errors import MissingTopic
from producers.kafka.rights import MissingRight

P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
SETTINGS = load_settings(None, kafka={"prefix": "d"})


def failure(code: int, *, fatal: bool = False) -> KafkaException:
    return KafkaException(KafkaError(code, "raised by the test", fatal))


class KafkaMessage:
    """A message as the client library returns it."""

    def __init__(
        self, topic_partition: TopicPartition, offset: int, error: KafkaError | None = None
    ) -> None:
        self._source, self._offset, self._error = topic_partition, offset, error

    def topic(self) -> str:
        return f"d.{self._source.topic}"

    def partition(self) -> int:
        return self._source.partition

    def offset(self) -> int:
        return self._offset

    def error(self) -> KafkaError | None:
        return self._error

    def key(self) -> bytes:
        return b"key"

    def value(self) -> bytes:
        return b"value"

    def __len__(self) -> int:
        return len(self.value())

    def headers(self) -> Any:
        return [("name", b"value")]

    def timestamp(self) -> tuple[int, int]:
        return 2, 77


def end(topic_partition: TopicPartition, offset: int) -> KafkaMessage:
    return KafkaMessage(topic_partition, offset, KafkaError(KafkaError._PARTITION_EOF))


class World:
    """Stands in for the client library, and records the calls in order."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.name = "d.aggregate"
        self.calls: list[Any] = []
        self.messages: list[list[Any]] = []  # of each consume; functions are rebalances
        self.committed_at: dict[int, int] = {}
        self.newest_end = 99
        self.ends: dict[int, int] | None = {}  # None: no answer
        self.first_offsets: dict[int, int] = {}
        self.topics = {"d.predictions": 2, "d.alerts": 1}
        self.hidden: set[str] = set()  # topics that may not be described
        self.failures: dict[str, list[KafkaException]] = {}
        self.generation = -1  # not a member
        self.look_ups = 0
        self.callbacks: dict[str, Callable[[Any, list[KafkaPartition]], None]] = {}

    def _call(self, name: str, *details: Any) -> None:
        self.calls.append((name, *details) if details else name)
        if self.failures.get(name):
            raise self.failures[name].pop(0)

    # -- as a consumer -------------------------------------------------------------------------

    def subscribe(self, _topics: list[str], **callbacks: Any) -> None:
        self.callbacks = callbacks

    def list_topics(self, name: str, timeout: float) -> Any:
        assert timeout > 0
        number = self.topics.get(name, 0)
        code = KafkaError.TOPIC_AUTHORIZATION_FAILED
        error = failure(code).args[0] if name in self.hidden else None
        found = SimpleNamespace(error=error, partitions=dict.fromkeys(range(number)))
        return SimpleNamespace(topics={name: found})

    def consume(self, _most: int, timeout: float) -> list[KafkaMessage]:
        self.now_s += timeout
        found = []
        for item in self.messages.pop(0) if self.messages else []:
            if callable(item):
                item()
            else:
                found.append(item)
        return found

    def consumer_group_metadata(self) -> bytes:
        return f"generation {self.generation} of {self.name}".encode()

    def poll(self, timeout: float) -> None:
        self._call("poll", timeout)

    def committed(self, partitions: list[KafkaPartition], timeout: float) -> list[KafkaPartition]:
        assert timeout > 0
        answers = []
        for partition in partitions:
            offset = self.committed_at.get(partition.partition, -1001)
            answers.append(KafkaPartition(partition.topic, partition.partition, offset))
        return answers

    def offsets_for_times(self, partitions: list[KafkaPartition], timeout: float) -> Any:
        self.look_ups += 1
        self.now_s += 0 if self.ends is not None else timeout
        if self.ends is None:
            raise failure(KafkaError._TIMED_OUT)
        return [
            KafkaPartition(partition.topic, partition.partition, self.ends[partition.partition])
            for partition in partitions
        ]

    def get_watermark_offsets(
        self, partition: KafkaPartition, timeout: float = 0, *, cached: bool = False
    ) -> tuple[int, int]:
        assert (timeout > 0) != cached
        return self.first_offsets.get(partition.partition, 0), self.newest_end

    def incremental_assign(self, partitions: list[KafkaPartition]) -> None:
        self._call("assign", {partition.partition: partition.offset for partition in partitions})

    def incremental_unassign(self, partitions: list[KafkaPartition]) -> None:
        self._call("unassign", *(partition.partition for partition in partitions))

    def pause(self, partitions: list[KafkaPartition]) -> None:
        self._call("pause", *sorted(partition.partition for partition in partitions))

    def resume(self, partitions: list[KafkaPartition]) -> None:
        self._call("resume", *sorted(partition.partition for partition in partitions))

    def seek(self, partition: KafkaPartition) -> None:
        self._call("seek", partition.partition, partition.offset)

    def assign(self, partitions: list[KafkaPartition]) -> None:
        self._call("read", {partition.partition: partition.offset for partition in partitions})

    def close(self) -> None:
        self._call("close")

    # -- as a producer -------------------------------------------------------------------------

    def init_transactions(self, timeout: float) -> None:
        assert timeout > 0
        if self.failures.get("init"):
            raise self.failures["init"].pop(0)

    def begin_transaction(self) -> None:
        self._call("begin")

    def produce(self, topic: str, **options: Any) -> None:
        self._call("produce", topic, options)

    def send_offsets_to_transaction(self, offsets: list[KafkaPartition], metadata: bytes) -> None:
        sent = {partition.partition: partition.offset for partition in offsets}
        self._call("send offsets", sent, metadata.decode().partition(" of ")[0])

    def commit_transaction(self, _timeout: float) -> None:
        self._call("commit")

    def abort_transaction(self, _timeout: float) -> None:
        self._call("abort")

    def flush(self) -> None:
        self._call("flush")

    # -- as the group --------------------------------------------------------------------------

    def assigns(self, *topic_partitions: TopicPartition) -> Callable[[], None]:
        return lambda: self.callbacks["on_assign"](self, _partitions(topic_partitions))

    def revokes(self, *topic_partitions: TopicPartition, lost: bool = False) -> Callable[[], None]:
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
    for module in (member_module, log_reader):
        monkeypatch.setattr(module, "Consumer", lambda _config: made)
    monkeypatch.setattr(transactional_producer, "Producer", lambda _config: made)
    monkeypatch.setattr(time, "monotonic", lambda: made.now_s)
    return made


@pytest.fixture
def client(world: World) -> Client:
    assert world.calls == []
    return Client(SETTINGS, "aggregate", 0, ["predictions"])


@pytest.fixture
def reading(world: World, client: Client) -> Client:
    """A client that owns both partitions, and reads them."""
    world.messages, world.generation = [[world.assigns(P0, P1)]], 0
    client.poll(1.0)
    client.take_rebalance()
    client.resume_all()
    world.calls.clear()
    return client


def polled(world: World, client: Client, *messages: Any) -> list[tuple[TopicPartition, int]]:
    world.messages = [list(messages)]
    return [(record.topic_partition, record.offset) for record in client.poll(1.0)]


def test_a_topic_that_is_held_stays_paused_until_it_is_released(world, client):
    client.hold(frozenset(["predictions"]))
    world.messages, world.generation = [[world.assigns(P0, P1)]], 0
    client.poll(1.0)
    client.take_rebalance()
    world.calls.clear()
    client.resume_all()
    client.hold(frozenset(["predictions"]))
    assert world.calls == ["resume"]  # of none
    world.calls.clear()
    client.hold(frozenset())
    assert world.calls == [("resume", 0, 1)]
    client.hold(frozenset(["predictions"]))
    assert world.calls[1:] == [("pause", 0, 1)]


# -- transactions ------------------------------------------------------------------------------


def test_a_transaction_has_the_messages_and_the_offsets(world, reading):
    polled(world, reading, KafkaMessage(P0, 7))
    messages = [Message("alerts", b"k", b"v", None, [("h", b"1")]), Message("joins", None, b"w", 3)]
    reading.commit({P0: 8, P1: 2}, Output(messages))
    assert world.calls == [
        "begin",
        ("produce", "d.alerts", {"key": b"k", "value": b"v", "headers": [("h", b"1")]}),
        ("produce", "d.joins", {"key": None, "value": b"w", "partition": 3}),
        ("send offsets", {0: 8, 1: 2}, "generation 0"),
        "commit",
    ]


def test_a_transaction_has_the_positions_of_own_topics_which_kafka_does_not_forget(world, reading):
    world.topics["d.positions"] = 4
    reading._members[0].topics = ["joins"]
    reading.commit({TopicPartition("joins", 5): 8}, Output([]))
    (produced,) = (call for call in world.calls if call[0] == "produce")
    assert produced[1:] == (
        "d.positions",
        {
            "key": b"joins/5",
            "value": b'{"schema":1,"next_offset":8,"append_ms":null,"counts":{},"dead":{}}',
            "partition": 1,
        },
    )


def test_the_fault_points_of_a_transaction_lie_between_its_steps(world, reading, monkeypatch):
    def reach(name: str, prepare: Callable[[], object] | None = None) -> None:
        world.calls.append(name)
        if prepare is not None:
            prepare()

    monkeypatch.setattr(transactional_producer, "fault_point", reach)
    polled(world, reading, KafkaMessage(P0, 7))
    reading.commit({P0: 8}, Output([Message("alerts", b"", b"")]))
    assert [call if isinstance(call, str) else call[0] for call in world.calls] == [
        *("begin", "after-begin", "produce", "after-output", "send offsets", "after-offsets"),
        *("before-commit", "flush", "commit"),
    ]


def test_partitions_that_were_kept_are_committed_with_the_newest_generation(world, reading):
    """Rebalances of other partitions do not abort it."""
    polled(world, reading, KafkaMessage(P0, 7))
    world.revokes(P1)()
    world.generation = 1
    reading.commit({P0: 8}, Output())
    assert ("send offsets", {0: 8}, "generation 1") in world.calls


@pytest.mark.parametrize("lost", [False, True], ids=["revoked", "lost"])
def test_partitions_that_were_lost_are_committed_with_the_generation_of_the_poll(
    world, reading, lost
):
    """Another worker may own them in a newer one. So the commit is refused."""
    polled(world, reading, KafkaMessage(P0, 7), KafkaMessage(P1, 3))
    world.revokes(P1, lost=lost)()
    world.assigns(P1)()
    world.generation = 2
    reading.commit({P0: 8, P1: 4}, Output())
    assert ("send offsets", {0: 8, 1: 4}, "generation 0") in world.calls


def test_worker_that_is_no_member_any_more_commits_with_the_generation_of_the_poll(world, reading):
    """An empty group accepts offsets without a generation."""
    polled(world, reading, KafkaMessage(P0, 7))
    world.generation = -1
    reading.commit({P0: 8}, Output())
    assert ("send offsets", {0: 8}, "generation 0") in world.calls


def test_resuming_after_a_rebalance_takes_the_generation_again(world, reading):
    polled(world, reading, KafkaMessage(P0, 7))
    world.generation = 1
    reading.resume_all()
    world.generation = -1
    reading.commit({P0: 8}, Output())
    assert ("send offsets", {0: 8}, "generation 1") in world.calls


@pytest.mark.parametrize("step", ["produce", "send offsets", "commit"])
def test_a_failed_transaction_is_aborted(world, reading, step):
    world.failures = {step: [failure(KafkaError.ILLEGAL_GENERATION)]}
    with pytest.raises(TransactionAborted, match="raised by the test"):
        reading.commit({P0: 8}, Output([Message("alerts", b"", b"")]))
    assert world.calls[-1] == "abort"


def test_a_full_producer_queue_blocks(world, reading):
    world.failures = {"produce": [BufferError(), BufferError()]}  # type: ignore[dict-item]
    reading.commit({}, Output([Message("alerts", b"", b"")]))
    assert [call if isinstance(call, str) else call[0] for call in world.calls] == [
        *("begin", "produce", "poll", "produce", "poll", "produce", "commit")
    ]


@pytest.mark.parametrize("code", [KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH])
def test_a_fenced_producer_raises_slot_taken(world, reading, code):
    world.failures = {"commit": [failure(code, fatal=True)]}
    with pytest.raises(SlotTaken, match="give each its own --slot"):
        reading.commit({}, Output())
    assert "abort" not in world.calls


def test_a_fenced_static_member_raises_slot_taken(world, reading):
    text = "Fatal error: Static consumer fenced by other consumer with same group.instance.id"
    world.messages = [[KafkaMessage(P0, 0, KafkaError(KafkaError._FATAL, text))]]
    with pytest.raises(SlotTaken, match="give each its own --slot"):
        reading.poll(0)


def test_a_producer_that_is_shut_out_after_a_long_transaction_begins_again(world, reading):
    """The broker shuts out whoever keeps a transaction open for too long, as after an outage."""

    def commit(_timeout: float) -> None:
        world.now_s += 11
        raise failure(KafkaError.INVALID_PRODUCER_EPOCH, fatal=True)

    world.commit_transaction = commit
    with pytest.raises(TransactionUnsettled):
        reading.commit({}, Output())


def test_a_commit_that_gets_no_answer_ends_within_the_time_of_a_transaction(
    world, reading, monkeypatch
):
    """The client library ignores its time limit for sending offsets."""
    monkeypatch.setattr(transactional_producer, "TRANSACTION_MS", 50)
    answer = threading.Event()
    world.send_offsets_to_transaction = lambda *_: answer.wait(30)
    with pytest.raises(TransactionUnsettled, match="the coordinator of the group does not answer"):
        reading.commit({P0: 8}, Output())
    answer.set()


def test_any_other_fatal_error_is_raised_unchanged(world, reading):
    world.failures = {"begin": [failure(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, fatal=True)]}
    with pytest.raises(KafkaException, match="raised by the test"):
        reading.commit({}, Output())


def test_a_transaction_that_can_be_neither_committed_nor_aborted_is_unsettled(world, reading):
    failed = failure(KafkaError._TIMED_OUT)
    world.failures = {"commit": [failed], "abort": [failure(KafkaError.INVALID_TXN_STATE)]}
    with pytest.raises(TransactionUnsettled, match="the next run of this worker settles"):
        reading.commit({}, Output())


# -- two groups ----------------------------------------------------------------------------------

L0 = TopicPartition("labels", 0)


class Groups:
    """The consumers of a worker of ``aggregate``, by group; calls in one order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[Any] = []
        self.of: dict[str, World] = {}
        self.producer = self._world("producer")
        monkeypatch.setattr(member_module, "Consumer", lambda c: self._world(c["group.id"]))
        monkeypatch.setattr(transactional_producer, "Producer", lambda _config: self.producer)
        monkeypatch.setattr(time, "monotonic", lambda: sum(w.now_s for w in self.of.values()))
        self.client = Client(SETTINGS, "aggregate", 0, ["predictions", "labels"])

    def _world(self, name: str) -> World:
        made = self.of[name] = World()
        made.topics["d.labels"] = 1
        made.calls = self.calls
        made.name = name
        return made

    @property
    def predictions(self) -> World:
        return self.of["d.aggregate"]

    @property
    def labels(self) -> World:
        return self.of["d.aggregate-labels"]

    def poll(self, predictions: list[Any], labels: list[Any]) -> list[tuple[TopicPartition, int]]:
        self.predictions.messages, self.labels.messages = [predictions], [labels]
        return [(record.topic_partition, record.offset) for record in self.client.poll(0.1)]


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> Groups:
    """Both groups have assigned their partitions, and are read."""
    made = Groups(monkeypatch)
    made.predictions.generation, made.labels.generation = 0, 7
    made.poll([made.predictions.assigns(P0, P1)], [made.labels.assigns(L0)])
    assert set(made.client.take_rebalance()[0]) == {P0, P1, L0}
    made.client.resume_all()
    made.calls.clear()
    return made


def test_each_source_topic_has_a_group_of_its_own_and_a_batch_has_records_of_both(groups):
    assert set(groups.of) == {"producer", "d.aggregate", "d.aggregate-labels"}
    found = groups.poll([KafkaMessage(P0, 7)], [KafkaMessage(L0, 3)])
    assert sorted(found) == [(L0, 3), (P0, 7)]


def test_one_transaction_has_the_offsets_of_both_groups_each_with_its_generation(groups):
    groups.poll([KafkaMessage(P0, 7)], [KafkaMessage(L0, 3)])
    groups.client.commit({P0: 8, L0: 4}, Output())
    assert groups.calls == [
        "begin",
        ("send offsets", {0: 8}, "generation 0"),
        ("send offsets", {0: 4}, "generation 7"),
        "commit",
    ]


def test_group_without_records_in_the_batch_is_not_in_its_transaction(groups):
    groups.poll([], [KafkaMessage(L0, 3)])
    groups.client.commit({L0: 4}, Output())
    assert groups.calls == ["begin", ("send offsets", {0: 4}, "generation 7"), "commit"]


def test_partition_that_one_group_takes_away_leaves_those_of_the_other(groups):
    polled = [KafkaMessage(P0, 7), groups.predictions.revokes(P0)]
    assert groups.poll(polled, [KafkaMessage(L0, 3)]) == [(L0, 3)]
    assert groups.client.take_rebalance() == ({}, {P0})
    assert groups.client.keep_alive()
    groups.labels.revokes(L0)()
    assert not groups.client.keep_alive()


def test_rewind_goes_back_in_both_groups(groups):
    groups.predictions.committed_at, groups.labels.committed_at = {0: 7, 1: 8}, {0: 3}
    assert groups.client.rewind() == {
        P0: CommittedOffset(7),
        P1: CommittedOffset(8),
        L0: CommittedOffset(3),
    }


def test_end_of_a_partition_is_known_to_the_consumer_that_reads_it(groups):
    groups.predictions.newest_end, groups.labels.newest_end = 10, 20
    assert [groups.client.end_offset(at, 0) for at in (P0, L0)] == [10, 20]


def test_close_leaves_both_groups(groups):
    groups.client.close()
    assert groups.calls == [("poll", 0), ("poll", 0), "close", "close"]


# -- protocols -----------------------------------------------------------------------------------


def test_broker_decides_about_sessions_and_assignment_with_the_protocol_consumer():
    own = {"session.timeout.ms": "9", "partition.assignment.strategy": "range"}
    for protocol, count in (("classic", 3), ("consumer", 0)):
        settings = load_settings(None, kafka={"group_protocol": protocol, "client": own})
        config = member_config(settings, "g", "aggregate-0")
        assert config["group.protocol"] == protocol
        assert config["group.instance.id"] == "aggregate-0"
        assert len({*own, "heartbeat.interval.ms"} & set(config)) == count
        Consumer(config).close()  # accepted


def test_member_that_its_group_does_not_admit_yet_joins_again(world, client, monkeypatch, caplog):
    monkeypatch.setattr(time, "sleep", lambda seconds: world.calls.append(("sleep", seconds)))
    text = "Fatal error: Broker: The instance ID is still used by another member in the group"
    refused = KafkaMessage(P0, 0, KafkaError(KafkaError._FATAL, text))
    first_callbacks = world.callbacks
    assert polled(world, client, refused) == []
    assert world.calls == ["close", ("sleep", member_module.JOIN_AGAIN_S)]
    assert world.callbacks is not first_callbacks
    assert "still a member of its group" in caplog.text


# -- records that cannot be read ---------------------------------------------------------------


def unreadable(topic_partition: TopicPartition, offset: int) -> KafkaMessage:
    return KafkaMessage(topic_partition, offset, KafkaError(KafkaError._BAD_COMPRESSION))


def test_a_record_that_cannot_be_decompressed_has_no_value_and_reading_goes_on_behind_it(
    world, reading
):
    """The client library reports it again and again."""
    world.messages = [[KafkaMessage(P0, 6), *[unreadable(P0, 7)] * 3, KafkaMessage(P1, 2)]]
    records = reading.poll(1.0)
    assert [(r.topic_partition, r.offset, r.value) for r in records] == [
        (P0, 6, b"value"),
        (P0, 7, None),
        (P1, 2, b"value"),
    ]
    assert [block.next_offset for block in records.blocks] == [8, 3]
    assert ("seek", 0, 8) in world.calls
    assert len([call for call in world.calls if call[0] == "seek"]) == 1


def test_a_record_of_an_internal_topic_that_cannot_be_decompressed_is_an_error(world):
    joins = TopicPartition("joins", 0)
    world.topics["d.joins"], world.name, world.generation = 1, "d.join", 0
    client = Client(SETTINGS, "join", 0, ["joins"])
    world.messages = [[world.assigns(joins)], [unreadable(joins, 7)]]
    client.poll(1.0)
    with pytest.raises(KafkaException):
        client.poll(1.0)


# -- the end of a partition --------------------------------------------------------------------


def test_markers_of_transactions_behind_the_newest_record_are_no_records_to_read(world, reading):
    """Records 0 to 2, then a marker: the end of the log is 4, that of the records 3."""
    world.newest_end = 4
    world.messages = [[KafkaMessage(P0, 0), KafkaMessage(P0, 2)]]
    reading.poll(1.0)
    assert reading.end_offset(P0, 0) == 4  # there may be more
    world.messages = [[end(P0, 4)]]
    reading.poll(1.0)
    assert reading.end_offset(P0, 0) == 3
    world.newest_end = 6
    assert reading.end_offset(P0, 3) == 6


def test_a_partition_at_its_end_without_a_record_since_the_start_has_no_lag(world, reading):
    world.newest_end = 9
    world.messages = [[end(P0, 9)]]
    reading.poll(1.0)
    assert reading.end_offset(P0, 8) == 8
    reading.rewind()
    assert reading.end_offset(P0, 8) == 9


# -- rebalances --------------------------------------------------------------------------------


def test_assigned_partitions_are_paused_at_their_committed_offset(world, client):
    world.committed_at = {0: 7}
    assert polled(world, client, world.assigns(P0, P1)) == []
    assert world.calls == [("assign", {0: 7, 1: OFFSET_BEGINNING}), ("pause", 0, 1)]
    assert client.take_rebalance() == (
        {P0: CommittedOffset(7), P1: CommittedOffset(OFFSET_BEGINNING)},
        set(),
    )
    assert client.take_rebalance() == ({}, set())


@pytest.mark.parametrize(
    ("committed", "position", "start"),
    [
        pytest.param({0: 7}, 5, 5, id="forgotten"),
        pytest.param({0: 7, 1: 3}, 5, 5, id="reset back"),
        pytest.param({0: 7, 1: 9}, 5, 9, id="reset forward"),
        pytest.param({0: 7, 1: 3}, 100, 3, id="of an earlier topic, which was longer"),
    ],
)
def test_partitions_whose_offset_the_group_has_lost_start_at_their_position(
    world, client, committed, position, start
):
    client.recover_with(lambda partitions: {P1: position} if P1 in partitions else {})
    world.committed_at = committed
    polled(world, client, world.assigns(P0, P1))
    assert world.calls[0] == ("assign", {0: 7, 1: start})


def test_a_position_that_replaces_the_offset_of_the_group_is_logged(world, client, caplog):
    client.recover_with(lambda _: {P1: 5})
    world.committed_at = {0: 7, 1: 3}
    polled(world, client, world.assigns(P0, P1))
    (line,) = caplog.messages
    assert line == "the group has lost its offset of predictions/1: going on from the position, 5"


def test_positions_replace_the_committed_offsets(world):
    client = Client(SETTINGS, "store", 0, ["predictions"], positions=lambda _: {P1: 5})
    polled(world, client, world.assigns(P0, P1))
    assert world.calls[0] == ("assign", {0: OFFSET_BEGINNING, 1: 5})


@pytest.mark.parametrize("lost", [False, True], ids=["revoked", "lost"])
def test_records_of_a_partition_that_is_lost_in_the_same_poll_are_dropped(world, reading, lost):
    messages = [KafkaMessage(P0, 7), KafkaMessage(P1, 3), world.revokes(P1, lost=lost)]
    assert polled(world, reading, *messages) == [(P0, 7)]
    assert reading.take_rebalance() == ({}, {P1})
    assert world.calls == [("unassign", 1)]


def test_records_of_a_partition_that_is_lost_and_assigned_again_are_dropped(world, reading):
    world.committed_at = {1: 2}
    messages = [KafkaMessage(P1, 3), end(P1, 4), world.revokes(P1), world.assigns(P1)]
    assert polled(world, reading, *messages) == []
    assert reading.take_rebalance() == ({P1: CommittedOffset(2)}, {P1})
    world.ends = {0: 0, 1: 4}
    assert idle_after(world, reading, 100) == {}


def test_a_partition_that_is_assigned_and_lost_in_one_poll_is_only_lost(world, client):
    polled(world, client, world.assigns(P0), world.revokes(P0))
    assert client.take_rebalance() == ({}, {P0})


def test_rewind_seeks_to_the_committed_offsets_and_stays_paused_until_resume(world, reading):
    world.committed_at = {0: 7}
    assert reading.rewind() == {
        P0: CommittedOffset(7),
        P1: CommittedOffset(OFFSET_BEGINNING),
    }
    assert world.calls[0] == ("pause", 0, 1)
    assert set(world.calls[1:]) == {("seek", 0, 7), ("seek", 1, OFFSET_BEGINNING)}
    reading.resume_all()
    assert world.calls[-1] == ("resume", 0, 1)


def test_keep_alive_is_false_after_a_loss(world, reading):
    assert reading.keep_alive()
    world.revokes(P1)()
    assert not reading.keep_alive()
    reading.take_rebalance()
    assert reading.keep_alive()


def test_close_serves_a_pending_rebalance_first_and_looks_up_no_offsets_after(world, client):
    client.close()
    assert world.calls == [("poll", 0), "close"]
    world.calls.clear()
    world.assigns(P0)()
    assert world.calls == [("assign", {0: -1001})]


# -- idle partitions ---------------------------------------------------------------------------


def idle_after(world: World, client: Client, seconds: int) -> dict[TopicPartition, int]:
    """The partitions idle for 20 s, after polls of one second without messages."""
    idle: dict[TopicPartition, int] = {}
    for _ in range(seconds):
        polled(world, client)
        idle = client.idle_partitions(20) or idle
    return idle


def test_a_partition_is_idle_after_it_was_at_its_end_in_all_look_ups_of_the_time(world, reading):
    polled(world, reading, KafkaMessage(P0, 7), end(P0, 8))
    world.ends = {0: 8}
    assert idle_after(world, reading, 18) == {}
    assert idle_after(world, reading, 10) == {P0: 8}


def test_a_partition_that_was_not_read_to_its_end_is_not_idle(world, reading):
    polled(world, reading, KafkaMessage(P0, 7))
    world.ends = {0: 8}
    assert idle_after(world, reading, 100) == {}


def test_a_partition_with_unread_records_is_not_idle(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 9}
    assert idle_after(world, reading, 100) == {}


def test_an_outage_restarts_the_idle_time(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = None
    assert idle_after(world, reading, 60) == {}
    world.ends = {0: 8}
    assert idle_after(world, reading, 15) == {}
    assert idle_after(world, reading, 15) == {P0: 8}


def test_a_gap_between_look_ups_restarts_the_idle_time(world, reading):
    """For example a long transaction."""
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    idle_after(world, reading, 10)
    world.now_s += 40
    assert idle_after(world, reading, 15) == {}
    assert idle_after(world, reading, 15) == {P0: 8}


def test_a_record_restarts_the_idle_time(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    assert idle_after(world, reading, 30) == {P0: 8}
    polled(world, reading, KafkaMessage(P0, 8), end(P0, 9))
    world.ends = {0: 9}
    assert idle_after(world, reading, 15) == {}


def test_a_rewind_restarts_the_idle_time(world, reading):
    """The records that are read again lie before that end."""
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    reading.rewind()
    assert idle_after(world, reading, 100) == {}


def test_a_revoked_partition_is_not_idle(world, reading):
    polled(world, reading, end(P0, 8), end(P1, 9))
    world.ends = {0: 8, 1: 9}
    assert idle_after(world, reading, 30) == {P0: 8, P1: 9}
    polled(world, reading, world.revokes(P1))
    assert idle_after(world, reading, 10) == {P0: 8}


def test_there_are_four_look_ups_in_the_idle_time(world, reading):
    polled(world, reading, end(P0, 8))
    world.ends = {0: 8}
    idle_after(world, reading, 60)
    assert world.look_ups in (11, 12)


def test_a_partition_that_is_assigned_again_starts_a_new_idle_time(world, reading):
    polled(world, reading, KafkaMessage(P1, 3))
    polled(world, reading, world.revokes(P1), end(P0, 8))
    world.ends = {0: 8, 1: 9}
    assert idle_after(world, reading, 60) == {P0: 8}
    polled(world, reading, world.assigns(P1), KafkaMessage(P0, 8))
    reading.take_rebalance()
    polled(world, reading, end(P1, 9))
    assert idle_after(world, reading, 15) == {}
    assert idle_after(world, reading, 15) == {P1: 9}


# -- reading ranges of the log -----------------------------------------------------------------


def read(world: World, client: Client, start: int, stop: int, *chunks: list[Any]) -> list[int]:
    world.messages = list(chunks)
    found = client.read({P0: start}, {P0: stop}, lambda: bool(world.messages))
    return [record.offset for records in found for record in records]


def test_read_ends_before_the_stop_and_skips_transaction_markers(world, client):
    chunks = [
        [KafkaMessage(P0, 3), KafkaMessage(P0, 4)],
        [KafkaMessage(P0, 7)],
        [KafkaMessage(P0, 8)],
    ]
    assert read(world, client, 3, 6, *chunks) == [3, 4]
    assert world.calls == [("read", {0: 3}), "close"]
    assert len(world.messages) == 1


def test_read_waits_for_an_open_transaction_before_the_stop(world, client):
    chunks = [
        [KafkaMessage(P0, 3), end(P0, 4)],
        [KafkaMessage(P0, 4), end(P0, 6)],
        [KafkaMessage(P0, 6)],
    ]
    assert read(world, client, 3, 6, *chunks) == [3, 4]


def test_read_stops_if_keep_reading_is_false(world, client):
    world.messages = [[KafkaMessage(P0, 3)], [KafkaMessage(P0, 4)]]
    answers = iter([True, False])
    chunks = client.read({P0: 3}, {P0: 9}, lambda: next(answers))
    assert [[record.offset for record in records] for records in chunks] == [[3]]
    assert world.calls[-1] == "close"


def test_read_of_an_empty_range_returns_nothing(world, client):
    assert read(world, client, OFFSET_BEGINNING, OFFSET_BEGINNING, [KafkaMessage(P0, 0)]) == []


# -- records and topics ------------------------------------------------------------------------


def test_a_record_has_the_fields_of_the_message(world, reading):
    world.messages = [[KafkaMessage(P0, 7)]]
    (record,) = reading.poll(1.0)
    assert (record.topic, record.partition, record.offset) == ("predictions", 0, 7)
    assert (record.key, record.value, record.append_ms) == (b"key", b"value", 77)
    assert record.headers == [("name", b"value")]


def test_headers_whose_names_are_not_utf8_are_dropped(world, reading, monkeypatch):
    def undecodable(_self: KafkaMessage) -> Any:
        return b"\xff".decode()

    monkeypatch.setattr(KafkaMessage, "headers", undecodable)
    world.messages = [[KafkaMessage(P0, 7)]]
    assert [record.headers for record in reading.poll(1.0)] == [()]


def test_partition_counts_are_looked_up_again_after_30_seconds(world, client):
    world.topics["d.predictions"] = 3
    assert client.partitions("predictions") == 2
    world.now_s += 31
    assert client.partitions("predictions") == 3


@pytest.mark.parametrize("name", ["joins", "summaries"])
def test_a_partition_count_that_state_depends_on_must_not_change(world, client, name):
    world.topics |= dict.fromkeys(("d.joins", "d.summaries", "d.detect-state"), 4)
    assert client.partitions(name) == 4
    world.topics[f"d.{name}"] = 6
    assert client.partitions(name) == 4
    world.now_s += 31
    with pytest.raises(PartitionsChanged, match=f"d.{name} has 6 partitions and had 4"):
        client.partitions(name)


def test_a_partition_count_that_changed_before_the_start_is_refused(world, client):
    world.topics |= {"d.summaries": 6, "d.joins": 6, "d.detect-state": 4}
    with pytest.raises(PartitionsChanged, match=r"d.summaries has 6 .* d.detect-state has 4"):
        client.partitions("summaries")


def test_a_topic_that_a_broker_does_not_know_yet_is_not_compared(world, client):
    world.topics["d.summaries"] = 4
    assert client.partitions("summaries") == 4


def test_a_partition_count_is_kept_if_a_broker_does_not_know_the_topic(world, client):
    world.topics["d.predictions"] = 0
    world.now_s += 31
    assert client.partitions("predictions") == 2


@pytest.mark.parametrize("name", ["summaries", "joins"])
def test_a_missing_topic_is_reported_with_the_remedy(client, name):
    with pytest.raises(MissingTopic, match=f"no topic 'd.{name}': run `driftline topics create`"):
        client.partitions(name)


def test_a_topic_that_is_deleted_later_is_reported_with_the_remedy(world, reading):
    gone = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "Subscribed topic not available: d.x")
    with pytest.raises(MissingTopic, match=r"not available: d.x: run `driftline topics"):
        polled(world, reading, KafkaMessage(P0, 0, gone))


def test_any_other_error_of_a_poll_is_raised_unchanged(world, reading):
    with pytest.raises(KafkaException, match="raised by the test"):
        polled(world, reading, KafkaMessage(P0, 0, failure(KafkaError._MAX_POLL_EXCEEDED).args[0]))


@pytest.mark.parametrize(
    ("code", "topic", "expected"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, P0, "Read on topic d.predictions"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, P0, "Read on group d.aggregate"),
    ],
)
def test_a_poll_that_kafka_refuses_names_the_missing_right(world, reading, code, topic, expected):
    with pytest.raises(MissingRight, match=f"denies User:driftline {expected}: "):
        polled(world, reading, KafkaMessage(topic, 0, failure(code).args[0]))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "Write on topic d.alerts"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "Read on group d.aggregate"),
        (
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "Write on transactional-id d.aggregate-0",
        ),
    ],
)
def test_a_transaction_that_kafka_refuses_names_the_missing_right(world, reading, code, expected):
    """It is not tried again: the next producer of this worker aborts it."""
    world.failures["commit"] = [failure(code)]
    with pytest.raises(MissingRight, match=f"denies User:driftline {expected}: "):
        reading.commit({P0: 8}, Output([Message("alerts", b"k", b"v")]))
    assert "abort" not in world.calls


def test_a_transactional_id_that_kafka_refuses_at_the_start_is_named(world):
    world.failures["init"] = [failure(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)]
    with pytest.raises(MissingRight, match=r"Write on transactional-id d\.aggregate-0"):
        Client(SETTINGS, "aggregate", 0, ["predictions"])


def test_a_topic_that_may_not_be_described_is_not_called_missing(world, client):
    world.hidden = {"d.joins"}
    with pytest.raises(MissingRight, match=r"Describe on topic d\.joins"):
        client.partitions("joins")


def test_a_gap_is_a_loss_if_the_embedded_broker_has_dropped_records(world):
    """On a real Kafka gaps are transaction markers."""
    embedded = Client(SETTINGS, "aggregate", 0, ["predictions"], gapless=True)
    polled(world, embedded, world.assigns(P0))
    embedded.take_rebalance()
    assert polled(world, embedded, KafkaMessage(P0, 7), KafkaMessage(P0, 9)) == [(P0, 7), (P0, 9)]
    world.first_offsets = {0: 20}
    with pytest.raises(RecordsLost, match="10 records of predictions-0 fell out"):
        polled(world, embedded, KafkaMessage(P0, 20))
