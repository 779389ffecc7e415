"""The guarantees of the client on a real Kafka: restarts, zombies, exactly once, idleness."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from textwrap import dedent

import pytest
from confluent_kafka import ConsumerGroupState, Producer
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions

from consumers.kafka import configuration
from consumers.kafka.client import Client
from consumers.kafka.errors import SlotTaken, TransactionAborted
from consumers.kafka.topic_configuration import configuration_warnings
from consumers.kafka.topics import create, topics
from consumers.messages.records import CommittedOffset, Message, Output, Record, TopicPartition
from driftline.settings import Settings, load_settings
from producers.kafka.errors import MissingTopic

pytestmark = pytest.mark.kafka

TIMEOUT_S = 30.0
P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
EMPTY = Output()
REBALANCING = (
    ConsumerGroupState.PREPARING_REBALANCING,
    ConsumerGroupState.COMPLETING_REBALANCING,
)


def alert(text: str) -> Output:
    """A transaction that writes one record, which is or is not visible afterwards."""
    return Output([Message("alerts", b"key", text.encode())])


@pytest.fixture
def protocol() -> str:
    """The group protocol of a test that is not parametrized with it."""
    return "classic"


both_protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@pytest.fixture
def settings(kafka: str, prefix: str, protocol: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two partitions a topic, and the shortest session that the broker allows."""
    monkeypatch.setattr(configuration, "SESSION_MS", shortest_session_ms(kafka))
    own = {"bootstrap_servers": kafka, "prefix": prefix, "group_protocol": protocol}
    made = load_settings(None, kafka=own, topics={"partitions": 2})
    create(made, made.plan())
    return made


def shortest_session_ms(kafka: str) -> int:
    """The shortest session that the broker allows and heartbeats every 2 s keep alive."""
    broker = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka})
    found = admin.describe_configs([broker])[broker].result()
    return max(3_000, int(found["group.min.session.timeout.ms"].value))


@contextmanager
def member(settings: Settings, slot: int = 0) -> Iterator[Client]:
    with closing(Client(settings, "aggregate", slot, ["predictions"])) as client:
        yield client


def send(settings: Settings, topic_partition: TopicPartition, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers})
    for value in values:
        producer.produce(
            settings.topic(topic_partition.topic), value, partition=topic_partition.partition
        )
    assert producer.flush(TIMEOUT_S) == 0


def poll_until(client: Client, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Poll, and serve rebalances as a role without a cache, until there are enough records."""
    records: list[Record] = []
    deadline_s = time.monotonic() + TIMEOUT_S
    while not enough(records):
        assert time.monotonic() < deadline_s, f"not enough records in time, got {records}"
        records += client.poll(0.1)
        client.take_rebalance()
        client.resume_all()
    return records


def read(client: Client, count: int) -> list[bytes | None]:
    return [r.value for r in poll_until(client, lambda records: len(records) >= count)]


def first_assigned(
    client: Client, topic_partitions: int = 2
) -> dict[TopicPartition, CommittedOffset]:
    assigned: dict[TopicPartition, CommittedOffset] = {}
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(assigned) < topic_partitions:
        assert time.monotonic() < deadline_s, f"no partitions in time, got {assigned}"
        assert client.poll(0.1) == []
        assigned.update(client.take_rebalance()[0])
    return assigned


def alerts(client: Client) -> list[bytes | None]:
    """The committed records of the topic alerts."""
    return [record.value for record in client.read_all(TopicPartition("alerts", 0))]


# -- topics ------------------------------------------------------------------------------------


def test_topics_are_created_once_and_existing_ones_are_reported(settings, kafka, prefix):
    created, existing = create(settings, settings.plan())
    assert (created, len(existing)) == ([], 13)
    assert all(name.startswith(f"{prefix}.") for name in existing)
    found = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert {name: len(found[name].partitions) for name in existing} == {
        f"{prefix}.{name}": 1 if name in ("alerts", "retraining", "profiles", "heartbeats") else 2
        for name in (name.removeprefix(f"{prefix}.") for name in existing)
    }


def test_existing_topics_are_compared_with_the_retention_that_a_longer_horizon_needs(
    settings, prefix
):
    existing = [topic.name for topic in topics(settings, settings.plan())]
    deadline_s = time.monotonic() + TIMEOUT_S
    while warnings := configuration_warnings(settings, settings.plan(), existing):
        assert "could not be read" in warnings[0]  # the broker does not know all of them yet
        assert time.monotonic() < deadline_s, warnings
        time.sleep(0.1)
    longer = settings.model_copy(
        update={"time": settings.time.model_copy(update={"label_horizon": "60d"})}
    )
    lines = configuration_warnings(longer, longer.plan(), existing)
    assert [line.split(":")[0] for line in lines] == [
        f"{prefix}.{name}" for name in ("predictions", "labels", "joins", "summaries")
    ]


def test_a_missing_topic_is_reported_with_the_remedy(kafka, prefix):
    nowhere = load_settings(None, kafka={"bootstrap_servers": kafka, "prefix": prefix})
    with pytest.raises(MissingTopic) as refused:
        Client(nowhere, "aggregate", 0, ["predictions"])
    assert str(refused.value) == (
        f"there is no topic '{prefix}.predictions': run `driftline topics create` first"
    )


def test_a_topic_that_is_deleted_and_created_again_has_another_id(settings, kafka):
    joins = settings.topic("joins")
    with member(settings) as client:
        before = client.topic_id("joins")
        assert client.topic_id("joins") == before
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_topics([joins])[joins].result()
        deadline_s = time.monotonic() + TIMEOUT_S
        while joins not in create(settings, settings.plan())[0]:
            assert time.monotonic() < deadline_s
        time.sleep(0.5)  # until all brokers know it
        assert client.topic_id("joins") != before


# -- continuing after a restart ----------------------------------------------------------------


@both_protocols
def test_a_successor_starts_at_the_committed_offset(settings):
    send(settings, P0, b"a", b"b", b"c")
    with member(settings) as client:
        read(client, 3)
        client.commit({P0: 2, P1: 0}, Output())
    with member(settings) as successor:
        assigned = first_assigned(successor)
        assert assigned == {P0: CommittedOffset(2), P1: CommittedOffset(0)}
        successor.resume_all()
        assert read(successor, 1) == [b"c"]


@both_protocols
def test_no_record_is_read_before_all_partitions_are_resumed(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        first_assigned(client)
        assert [client.poll(0.2) for _ in range(5)] == [[]] * 5
        client.resume_all()
        assert read(client, 1) == [b"a"]


@both_protocols
def test_a_rewound_client_reads_again_from_the_committed_offset(settings):
    send(settings, P0, b"a", b"b", b"c", b"d")
    with member(settings) as client:
        assert read(client, 4) == [b"a", b"b", b"c", b"d"]
        client.commit({P0: 1}, EMPTY)
        assert client.rewind()[P0] == CommittedOffset(1)
        client.resume_all()
        assert read(client, 3) == [b"b", b"c", b"d"]


def test_a_range_of_the_log_is_read_without_affecting_the_group(settings):
    send(settings, P0, b"a", b"b", b"c")
    send(settings, P1, b"d")
    with member(settings) as client:
        read(client, 4)
        chunks = client.read({P0: 1, P1: 0}, {P0: 3, P1: 1}, client.keep_alive)
        again = [record.value for records in chunks for record in records]
        assert sorted(again) == [b"b", b"c", b"d"]
        send(settings, P0, b"e")
        assert read(client, 1) == [b"e"]


def test_a_killed_worker_that_is_restarted_in_its_slot_does_not_wait_for_the_session_timeout(
    settings, monkeypatch
):
    monkeypatch.setattr(configuration, "SESSION_MS", 12_000)
    send(settings, P0, b"a")
    with other_process(settings, "client.poll(0.1)") as worker:
        worker.kill()
        worker.wait()
        began_s = time.monotonic()
        with member(settings) as client:
            assert read(client, 1) == [b"a"]
        assert time.monotonic() - began_s < 9  # mostly within two


@pytest.mark.parametrize("protocol", ["consumer"])
def test_a_killed_worker_with_the_protocol_of_the_broker_returns_to_its_slot_after_its_session(
    settings, caplog
):
    """Until then the group does not admit it. It waits, and does not end."""
    send(settings, P0, b"a")
    with other_process(settings, "client.poll(0.1)") as worker:
        worker.kill()
        worker.wait()
        with member(settings) as client:
            assert read(client, 1) == [b"a"]
            client.commit({P0: 1}, alert("done"))
            assert alerts(client) == [b"done"]
    assert "an earlier worker in this slot is still a member of its group" in caplog.text


# -- exactly once ------------------------------------------------------------------------------


def test_an_aborted_transaction_is_not_visible(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        too_large = Message("alerts", b"key", b"x" * 5_000_000)
        with pytest.raises(TransactionAborted):
            client.commit({P0: 1}, Output([*alert("aborted").messages, too_large]))
        assert client.rewind()[P0].next_offset < 0
        client.resume_all()
        assert read(client, 1) == [b"a"]
        client.commit({P0: 1}, alert("done"))
        assert alerts(client) == [b"done"]


@both_protocols
def test_a_stopped_worker_that_lost_its_partitions_commits_nothing(settings):
    """It stops for longer than its session, another worker takes over, then it continues."""
    send(settings, P0, b"a")
    with other_process(settings, "commit(client, {P0: 1}, 'zombie')") as zombie:
        zombie.send_signal(signal.SIGSTOP)
        with member(settings, slot=1) as successor:
            assert read(successor, 1) == [b"a"]
            successor.commit({P0: 1}, alert("successor"))
            zombie.send_signal(signal.SIGCONT)
            assert answer(zombie) == "TransactionAborted"
            send(settings, P0, b"b")
            assert read(successor, 1) == [b"b"]
            assert alerts(successor) == [b"successor"]


@both_protocols
def test_a_worker_commits_what_it_keeps_although_another_one_joins_meanwhile(settings):
    send(settings, P0, b"a")
    with member(settings) as first:
        read(first, 1)
        with member(settings, slot=1) as second:
            await_members(second, settings, 2)
            first.commit({P0: 1}, alert("kept"))
            assert alerts(first) == [b"kept"]


def await_members(client: Client, settings: Settings, count: int) -> None:
    """Poll until the coordinator knows so many members of the group of ``aggregate``."""
    admin = AdminClient({"bootstrap.servers": settings.kafka.bootstrap_servers})
    group = settings.topic("aggregate")
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        client.poll(0.1)
        described = admin.describe_consumer_groups([group])[group].result()
        if len(described.members) == count and described.state not in REBALANCING:
            return
        assert time.monotonic() < deadline_s, f"{described.state}, {described.members}"


def test_the_second_of_two_processes_in_one_slot_fences_the_first(settings):
    send(settings, P0, b"a")
    with member(settings) as first:
        read(first, 1)
        with member(settings) as second:
            first_assigned(second)
            with pytest.raises(SlotTaken, match="--slot"):
                first.commit({P0: 1}, alert("first"))
            second.commit({P0: 1}, alert("second"))
            assert alerts(second) == [b"second"]


def test_read_all_waits_for_open_transactions(settings, kafka):
    topic = settings.topic("detect-state")
    writer = Producer({"bootstrap.servers": kafka, "transactional.id": settings.topic("writer")})
    writer.init_transactions(TIMEOUT_S)
    writer.begin_transaction()
    writer.produce(topic, b"decided", b"model", partition=0)
    writer.flush()
    with member(settings) as client, ThreadPoolExecutor() as aside:
        found = aside.submit(
            lambda: [r.value for r in client.read_all(TopicPartition("detect-state", 0))]
        )
        time.sleep(1.5)
        assert not found.done()
        writer.commit_transaction(TIMEOUT_S)
        assert found.result(TIMEOUT_S) == [b"decided"]


# -- idle partitions ---------------------------------------------------------------------------


def test_partitions_at_their_end_become_idle_also_without_any_record(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        began_s = time.monotonic()
        idle = await_idle(client)
        assert idle == {P0: 1, P1: 0}
        assert time.monotonic() - began_s >= 0.9


def test_a_partition_with_unread_records_is_not_idle(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        assert await_idle(client) == {P0: 1, P1: 0}
        send(settings, P0, b"b")  # written, but not polled yet
        time.sleep(0.3)
        assert client.idle_partitions(1.0) == {P1: 0}
        assert read(client, 1) == [b"b"]
        assert P0 not in client.idle_partitions(1.0)


def await_idle(client: Client) -> dict[TopicPartition, int]:
    deadline_s = time.monotonic() + TIMEOUT_S
    while len(idle := client.idle_partitions(1.0)) < 2:
        assert time.monotonic() < deadline_s, f"no idle partitions in time, got {idle}"
        client.poll(0.1)
    return idle


# -- new partitions, and the end of a partition ------------------------------------------------


def test_records_of_a_new_partition_are_read_within_half_a_minute(settings, kafka):
    with member(settings) as client:
        send(settings, P0, b"0")
        assert read(client, 1) == [b"0"]
        admin = AdminClient({"bootstrap.servers": kafka})
        more = NewPartitions(settings.topic("predictions"), 3)
        for grown in admin.create_partitions([more]).values():
            grown.result(TIMEOUT_S)
        send(settings, TopicPartition("predictions", 2), b"new")
        assert read(client, 1) == [b"new"]


def test_reading_goes_on_at_the_oldest_record_that_retention_has_left(settings, kafka):
    """So the difference to the committed offset was lost."""
    send(settings, P0, *(b"%d" % number for number in range(6)))
    with member(settings) as client:
        read(client, 6)
        client.commit({P0: 2}, EMPTY)
    admin = AdminClient({"bootstrap.servers": kafka})
    before = KafkaPartition(settings.topic("predictions"), 0, 5)
    for deleted in admin.delete_records([before]).values():
        deleted.result(TIMEOUT_S)
    with member(settings) as client:
        assert read(client, 1) == [b"5"]
        assert client.first_offset(P0) == 5


def inflating(settings: Settings, compression: str, size: int) -> None:
    """Send a record of zeros, which takes a thousandth of its size on the topic."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "compression.type": compression,
            "message.max.bytes": 1_000_000_000,
            "queue.buffering.max.kbytes": 1_000_000,
        }
    )
    producer.produce(settings.topic("predictions"), bytes(size), partition=0)
    assert producer.flush(TIMEOUT_S) == 0


@pytest.mark.parametrize("compression", ["gzip", "lz4"])
def test_a_record_that_gzip_or_lz4_inflates_takes_three_times_its_size_at_most(
    settings, compression
):
    """The client library has no limit for them, so what bounds it is the size on the topic."""
    size = 60_000_000
    inflating(settings, compression, size)
    send(settings, P0, b"after")
    at = (settings.kafka.bootstrap_servers, settings.kafka.prefix)
    command = [sys.executable, "-c", dedent(PEAK_OF_READING), *at]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    read_size, peak = map(int, done.stdout.split())
    assert read_size == size
    assert size < peak < 3 * size


# In a process of its own, because memory that was used once counts in its peak.
PEAK_OF_READING = """
    import sys
    from pathlib import Path
    from confluent_kafka import Consumer, TopicPartition
    from consumers.kafka.configuration import consumer_config
    from driftline.settings import load_settings

    def peak():
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    servers, prefix = sys.argv[1:]
    settings = load_settings(None, kafka={"bootstrap_servers": servers, "prefix": prefix})
    consumer = Consumer(consumer_config(settings, f"{prefix}.peak"))
    before = peak()
    consumer.assign([TopicPartition(settings.topic("predictions"), 0, 0)])
    value = consumer.poll(30).value()
    print(len(value), peak() - before)
    consumer.close()
"""


def test_a_record_that_inflates_beyond_the_limit_of_the_client_is_skipped(settings):
    """120 MB in 4 kB: the client library refuses it, and would try again for ever."""
    send(settings, P0, b"before")
    inflating(settings, "zstd", 120_000_000)
    send(settings, P0, b"after")
    with member(settings) as client:
        assert read(client, 3) == [b"before", None, b"after"]
        client.commit({P0: 3}, EMPTY)
    send(settings, P0, b"later")
    with member(settings) as client:
        assert read(client, 1) == [b"later"]


def test_markers_of_transactions_are_no_lag(settings, kafka):
    """Before it was read, the end of a partition is that of the log, afterwards of its records."""
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": settings.topic("own")})
    producer.init_transactions(TIMEOUT_S)
    for _ in range(3):
        producer.begin_transaction()
        producer.produce(settings.topic("predictions"), b"value", partition=0)
        producer.commit_transaction(TIMEOUT_S)
    with member(settings) as client:
        poll_until(client, lambda records: len(records) == 3 and client.end_offset(P0, 5) == 5)


# -- another process, which is stopped or killed -----------------------------------------------

PROGRAM = """
    import os, sys
    from consumers.kafka import configuration
    from consumers.kafka.client import Client
    from consumers.kafka.errors import TransactionAborted
    from consumers.messages.records import Message, Output, TopicPartition
    from driftline.settings import load_settings

    servers, prefix, protocol, session_ms, what = sys.argv[1:]
    configuration.SESSION_MS = int(session_ms)
    own = {"bootstrap_servers": servers, "prefix": prefix, "group_protocol": protocol}
    settings = load_settings(None, kafka=own)
    P0 = TopicPartition("predictions", 0)

    def commit(client, offsets, text):
        try:
            client.commit(offsets, Output([Message("alerts", b"key", text.encode())]))
            print("committed")
        except TransactionAborted:
            print("TransactionAborted")

    client = Client(settings, "aggregate", 0, ["predictions"])
    assigned = {}
    while len(assigned) < 2:
        client.poll(0.1)
        assigned.update(client.take_rebalance()[0])
    client.resume_all()
    client.poll(0.5)
    print("ready", flush=True)
    sys.stdin.readline()
    eval(what)
    sys.stdout.flush()
    os._exit(0)
"""


@contextmanager
def other_process(settings: Settings, what: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in slot 0 that has polled, and evaluates ``what`` on a line of input."""
    kafka = settings.kafka
    at = (kafka.bootstrap_servers, kafka.prefix, kafka.group_protocol)
    session_ms = str(configuration.SESSION_MS)
    command = [sys.executable, "-c", dedent(PROGRAM), *at, session_ms, what]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate("\n", timeout=TIMEOUT_S)
    return out.strip()
