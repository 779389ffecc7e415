"""What the roles rest on, tried on a real Kafka: restarts, zombies, exactly once, silence."""

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
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource

from consumers.kafka import configuration
from consumers.kafka.client import Client
from consumers.kafka.errors import SlotTaken, TransactionAborted
from consumers.kafka.topics import create
from consumers.messages.records import CommittedOffset, Message, Output, Record, TopicPartition
from driftline.settings import Settings, load_settings
from producers.kafka.errors import MissingTopic

pytestmark = pytest.mark.kafka

PATIENCE_S = 30.0
P0, P1 = TopicPartition("predictions", 0), TopicPartition("predictions", 1)
NOTHING = Output()


def said(text: str) -> Output:
    """A transaction that writes one record to be found, or not to be found, afterwards."""
    return Output([Message("alerts", b"key", text.encode())])


@pytest.fixture
def settings(kafka: str, prefix: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of two partitions a topic; a member that falls silent is given up as soon as may be."""
    monkeypatch.setattr(configuration, "SESSION_MS", shortest_session_ms(kafka))
    own = {"bootstrap_servers": kafka, "prefix": prefix}
    made = load_settings(None, kafka=own, topics={"partitions": 2})
    create(made, made.plan())
    return made


def shortest_session_ms(kafka: str) -> int:
    """What the broker allows, and heartbeats every two seconds can keep alive."""
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
    assert producer.flush(PATIENCE_S) == 0


def poll_until(client: Client, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Serves rebalances as a role without a cache would; what came until it is enough."""
    records: list[Record] = []
    deadline_s = time.monotonic() + PATIENCE_S
    while not enough(records):
        assert time.monotonic() < deadline_s, f"waited in vain, got {records}"
        records += client.poll(0.1)
        client.take_rebalance()
        client.resume_all()
    return records


def read(client: Client, count: int) -> list[bytes | None]:
    return [r.value for r in poll_until(client, lambda records: len(records) >= count)]


def first_gained(
    client: Client, topic_partitions: int = 2
) -> dict[TopicPartition, CommittedOffset]:
    gained: dict[TopicPartition, CommittedOffset] = {}
    deadline_s = time.monotonic() + PATIENCE_S
    while len(gained) < topic_partitions:
        assert time.monotonic() < deadline_s, f"waited in vain for partitions, got {gained}"
        assert client.poll(0.1) == []
        gained.update(client.take_rebalance()[0])
    return gained


def alerts(client: Client) -> list[bytes | None]:
    """What a reader of committed records finds."""
    return [record.value for record in client.read_all(TopicPartition("alerts", 0))]


# -- topics ------------------------------------------------------------------------------------


def test_topics_are_made_once_and_what_is_there_is_said(settings, kafka, prefix):
    made, there = create(settings, settings.plan())
    assert (made, len(there)) == ([], 11)
    assert all(name.startswith(f"{prefix}.") for name in there)
    found = AdminClient({"bootstrap.servers": kafka}).list_topics(timeout=10).topics
    assert {name: len(found[name].partitions) for name in there} == {
        f"{prefix}.{name}": 1 if name in ("alerts", "retraining", "profiles", "heartbeats") else 2
        for name in (name.removeprefix(f"{prefix}.") for name in there)
    }


def test_a_missing_topic_is_one_sentence_that_names_the_remedy(kafka, prefix):
    nowhere = load_settings(None, kafka={"bootstrap_servers": kafka, "prefix": prefix})
    with pytest.raises(MissingTopic) as refused:
        Client(nowhere, "aggregate", 0, ["predictions"])
    assert str(refused.value) == (
        f"there is no topic '{prefix}.predictions': run `driftline topics create` first"
    )


def test_a_topic_made_anew_under_its_old_name_is_told_from_the_old_one(settings, kafka):
    joins = settings.topic("joins")
    with member(settings) as client:
        before = client.topic_id("joins")
        assert client.topic_id("joins") == before
        admin = AdminClient({"bootstrap.servers": kafka})
        admin.delete_topics([joins])[joins].result()
        deadline_s = time.monotonic() + PATIENCE_S
        while joins not in create(settings, settings.plan())[0]:
            assert time.monotonic() < deadline_s
        time.sleep(0.5)  # until brokers know of it
        assert client.topic_id("joins") != before


# -- going on where the last one stopped -------------------------------------------------------


def test_a_successor_starts_where_the_last_commit_was_and_finds_its_note(settings):
    send(settings, P0, b"a", b"b", b"c")
    with member(settings) as client:
        read(client, 3)
        client.commit(
            {P0: 2, P1: 0}, Output(offset_metadata={P0: '{"newest_ms": 7}', P1: "silent"})
        )
    with member(settings) as successor:
        gained = first_gained(successor)
        assert gained == {
            P0: CommittedOffset(2, '{"newest_ms": 7}'),
            P1: CommittedOffset(0, "silent"),
        }
        successor.resume_all()
        assert read(successor, 1) == [b"c"]


def test_nothing_is_read_before_the_role_has_caught_up(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        first_gained(client)
        assert [client.poll(0.2) for _ in range(5)] == [[]] * 5
        client.resume_all()
        assert read(client, 1) == [b"a"]


def test_a_rewound_client_reads_again_from_what_is_committed(settings):
    send(settings, P0, b"a", b"b", b"c", b"d")
    with member(settings) as client:
        assert read(client, 4) == [b"a", b"b", b"c", b"d"]
        client.commit({P0: 1}, NOTHING)
        assert client.rewind()[P0] == CommittedOffset(1)
        client.resume_all()
        assert read(client, 3) == [b"b", b"c", b"d"]


def test_what_was_missed_is_read_again_without_disturbing_the_group(settings):
    send(settings, P0, b"a", b"b", b"c")
    send(settings, P1, b"d")
    with member(settings) as client:
        read(client, 4)
        chunks = client.read({P0: 1, P1: 0}, {P0: 3, P1: 1}, client.keep_alive)
        again = [record.value for records in chunks for record in records]
        assert sorted(again) == [b"b", b"c", b"d"]
        send(settings, P0, b"e")
        assert read(client, 1) == [b"e"]


def test_a_killed_worker_that_comes_back_in_its_slot_does_not_wait_for_its_session_to_end(
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


# -- exactly once ------------------------------------------------------------------------------


def test_an_aborted_transaction_leaves_nothing_to_be_seen(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        too_large = Message("alerts", b"key", b"x" * 5_000_000)
        with pytest.raises(TransactionAborted):
            client.commit({P0: 1}, Output([*said("aborted").messages, too_large]))
        assert client.rewind()[P0].next_offset < 0
        client.resume_all()
        assert read(client, 1) == [b"a"]
        client.commit({P0: 1}, said("done"))
        assert alerts(client) == [b"done"]


def test_a_worker_that_lost_its_partitions_meanwhile_commits_nothing(settings):
    """It stops for longer than its session; another takes over and goes on; then it wakes."""
    send(settings, P0, b"a")
    with other_process(settings, "commit(client, {P0: 1}, 'zombie')") as zombie:
        zombie.send_signal(signal.SIGSTOP)
        with member(settings, slot=1) as successor:
            assert read(successor, 1) == [b"a"]
            successor.commit({P0: 1}, said("successor"))
            zombie.send_signal(signal.SIGCONT)
            assert answer(zombie) == "TransactionAborted"
            send(settings, P0, b"b")
            assert read(successor, 1) == [b"b"]
            assert alerts(successor) == [b"successor"]


def test_two_processes_in_one_slot_do_not_both_work(settings):
    send(settings, P0, b"a")
    with member(settings) as first:
        read(first, 1)
        with member(settings) as second:
            first_gained(second)
            with pytest.raises(SlotTaken, match="--slot"):
                first.commit({P0: 1}, said("first"))
            second.commit({P0: 1}, said("second"))
            assert alerts(second) == [b"second"]


def test_whoever_reads_all_of_a_partition_waits_for_transactions_under_way(settings, kafka):
    topic = settings.topic("detect-state")
    writer = Producer({"bootstrap.servers": kafka, "transactional.id": settings.topic("writer")})
    writer.init_transactions(PATIENCE_S)
    writer.begin_transaction()
    writer.produce(topic, b"decided", b"model", partition=0)
    writer.flush()
    with member(settings) as client, ThreadPoolExecutor() as aside:
        found = aside.submit(
            lambda: [r.value for r in client.read_all(TopicPartition("detect-state", 0))]
        )
        time.sleep(1.5)
        assert not found.done()
        writer.commit_transaction(PATIENCE_S)
        assert found.result(PATIENCE_S) == [b"decided"]


# -- silence -----------------------------------------------------------------------------------


def test_a_partition_at_its_end_is_silent_after_a_while_even_if_it_never_held_a_record(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        began_s = time.monotonic()
        silent = await_silence(client)
        assert silent == {P0: 1, P1: 0}
        assert time.monotonic() - began_s >= 0.9


def test_a_partition_is_not_silent_if_a_fresh_look_finds_more(settings):
    send(settings, P0, b"a")
    with member(settings) as client:
        read(client, 1)
        assert await_silence(client) == {P0: 1, P1: 0}
        send(settings, P0, b"b")  # written, and not polled yet
        time.sleep(0.3)
        assert client.idle_partitions(1.0) == {P1: 0}
        assert read(client, 1) == [b"b"]
        assert P0 not in client.idle_partitions(1.0)


def await_silence(client: Client) -> dict[TopicPartition, int]:
    deadline_s = time.monotonic() + PATIENCE_S
    while len(silent := client.idle_partitions(1.0)) < 2:
        assert time.monotonic() < deadline_s, f"waited in vain for silence, got {silent}"
        client.poll(0.1)
    return silent


# -- another process, to be stopped and killed -------------------------------------------------

PROGRAM = """
    import os, sys
    from consumers.kafka import configuration
    from consumers.kafka.client import Client
    from consumers.kafka.errors import TransactionAborted
    from consumers.messages.records import Message, Output, TopicPartition
    from driftline.settings import load_settings

    servers, prefix, session_ms, what = sys.argv[1:]
    configuration.SESSION_MS = int(session_ms)
    settings = load_settings(None, kafka={"bootstrap_servers": servers, "prefix": prefix})
    P0 = TopicPartition("predictions", 0)

    def commit(client, offsets, text):
        try:
            client.commit(offsets, Output([Message("alerts", b"key", text.encode())]))
            print("committed")
        except TransactionAborted:
            print("TransactionAborted")

    client = Client(settings, "aggregate", 0, ["predictions"])
    gained = {}
    while len(gained) < 2:
        client.poll(0.1)
        gained.update(client.take_rebalance()[0])
    client.resume_all()
    client.poll(0.5)
    print("works", flush=True)
    sys.stdin.readline()
    eval(what)
    sys.stdout.flush()
    os._exit(0)
"""


@contextmanager
def other_process(settings: Settings, what: str) -> Iterator[subprocess.Popen[str]]:
    """A worker in slot 0 that has polled, and does ``what`` as soon as it is asked."""
    at = (settings.kafka.bootstrap_servers, settings.kafka.prefix)
    session_ms = str(configuration.SESSION_MS)
    command = [sys.executable, "-c", dedent(PROGRAM), *at, session_ms, what]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "works\n"
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate("\n", timeout=PATIENCE_S)
    return out.strip()
