"""The producers against a real Kafka: what was said to be sent is there, and profiles never change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from producers.cli import program
from producers.kafka import (
    ProfileConflict,
    ProfileTable,
    TopicMissing,
    publish_profile,
    read_profiles,
)
from producers.profiles_wire import encode_profile
from producers.settings import Settings, load_settings
from producers.wire import decode_label, decode_prediction
from tests.producers.test_profiles_wire import profile

PARTITIONS = 3
COMMANDS = {name: f"producers.commands:{name}" for name in ("train", "simulate")}
DAY_MS = 86_400_000


@pytest.fixture
def settings(kafka: str, prefix: str) -> Settings:
    found = load_settings(kafka={"bootstrap_servers": kafka, "prefix": prefix})
    topics = [
        NewTopic(found.topic("profiles"), PARTITIONS, 1, config={"cleanup.policy": "compact"}),
        NewTopic(found.topic("predictions"), PARTITIONS, 1),
        NewTopic(found.topic("labels"), 2, 1),
    ]
    admin = AdminClient({"bootstrap.servers": kafka})
    for made in admin.create_topics(topics).values():
        made.result(30)
    return found


def messages(settings: Settings, topic: str) -> Iterator[Message]:
    """Everything committed in a topic, partition by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka.bootstrap_servers,
            "group.id": "test",
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    name = settings.topic(topic)
    for partition in consumer.list_topics(name, timeout=10).topics[name].partitions:
        consumer.assign([TopicPartition(name, partition, 0)])
        while (message := consumer.poll(10)) is not None and message.error() is None:
            yield message
    consumer.close()


def run(settings: Settings, *words: str) -> Result:
    environment = {
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": settings.kafka.prefix,
    }
    return CliRunner().invoke(program("driftline", COMMANDS, "help"), words, env=environment)


def test_a_profile_is_whole_for_everybody_who_catches_up_after_it_was_published(settings):
    with ProfileTable(settings) as early:
        early.catch_up()
        assert early.all() == {}
        assert publish_profile(settings, profile(model_file=b"x" * 1_200_000))
        early.catch_up()
        found = early.get("m", "1")
        assert found is not None
        assert encode_profile(found) == encode_profile(profile(model_file=b"x" * 1_200_000))
        assert early.registered_ms("m", "1") > 1_700_000_000_000


def test_the_same_content_is_accepted_again_and_sent_once(settings):
    assert publish_profile(settings, profile())
    count = len(list(messages(settings, "profiles")))
    assert not publish_profile(settings, profile())
    assert len(list(messages(settings, "profiles"))) == count == len(encode_profile(profile()))


def test_other_content_under_the_same_version_is_refused_and_nothing_is_sent(settings):
    publish_profile(settings, profile())
    before = read_profiles(settings)["m", "1"][1]
    with pytest.raises(ProfileConflict, match="'m' version '1' is published already.*--version"):
        publish_profile(settings, profile(seed=1))
    assert read_profiles(settings)["m", "1"][1] == before
    assert len(list(messages(settings, "profiles"))) == len(encode_profile(profile()))


def test_profiles_are_listed_in_the_order_of_their_registration(settings):
    for version in ("b", "c", "a"):
        publish_profile(settings, profile(version))
    assert list(read_profiles(settings)) == [("m", "b"), ("m", "c"), ("m", "a")]


def test_a_publisher_that_died_in_the_middle_leaves_no_trace(settings):
    """It is fenced off by the next one, who need not wait for its transaction to time out."""
    topic = settings.topic("profiles")
    dead = Producer(
        {"bootstrap.servers": settings.kafka.bootstrap_servers, "transactional.id": topic}
    )
    dead.init_transactions(30)
    dead.begin_transaction()
    for key, value in encode_profile(profile(seed=1)):
        dead.produce(topic, value, key)
    dead.flush(30)

    assert publish_profile(settings, profile())
    assert encode_profile(read_profiles(settings)["m", "1"][0]) == encode_profile(profile())


def test_a_topic_that_nobody_created_is_named(settings):
    elsewhere = load_settings(
        kafka={"bootstrap_servers": settings.kafka.bootstrap_servers, "prefix": "nowhere"}
    )
    with pytest.raises(TopicMissing, match="no topic nowhere.profiles: `driftline topics create`"):
        publish_profile(elsewhere, profile())
    assert read_profiles(elsewhere) == {}


def test_a_day_of_flights_is_sent_to_the_last_record(settings, tmp_path: Path):
    """Every flight of 1 April with its label; keyed by id; in order of event time as sent."""
    trained = run(settings, "train", "--output", str(tmp_path))
    assert trained.exit_code == 0, trained.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "flight-delay-1.skops",
        "flight-delay-1.profile",
    }
    words = ("--from", "2013-04-01", "--until", "2013-04-02", "--finish")
    sent = run(settings, "simulate", *words)
    assert sent.exit_code == 0, sent.output

    predictions = [(m, decode_prediction(m.value())) for m in messages(settings, "predictions")]
    labels = [(m, decode_label(m.value())) for m in messages(settings, "labels")]
    assert f"sent {len(predictions)} predictions and {len(labels)} labels" in sent.output.replace(
        ",", ""
    )
    flights = {record.id for _, record in predictions if not record.id.startswith("finish/")}
    assert len(flights) == 905
    assert flights == {record.id for _, record in labels if not record.id.startswith("finish/")}
    assert all(message.key() == record.id.encode() for message, record in predictions + labels)
    _check_order(predictions)
    _check_order(labels)
    _check_finish(predictions, PARTITIONS)
    _check_finish(labels, 2)


def _check_order(records: list) -> None:
    """Within a partition event time never goes back."""
    for (a, first), (b, second) in pairwise(records):
        assert a.partition() != b.partition() or first.time_ms <= second.time_ms


def _check_finish(records: list, partitions: int) -> None:
    """One record in every partition, 60 days after everything else."""
    last = [(m.partition(), r.time_ms) for m, r in records if r.id.startswith("finish/")]
    assert Counter(partition for partition, _ in last) == dict.fromkeys(range(partitions), 1)
    end_ms = int(datetime(2013, 5, 31, tzinfo=UTC).timestamp() * 1000)
    assert all(end_ms < time_ms < end_ms + 3 * DAY_MS for _, time_ms in last)
