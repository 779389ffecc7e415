"""Profiles and records over the broker inside librdkafka: the normal case, and error messages."""

import pytest
from confluent_kafka import Producer

from driftline.errors import InvalidSettings, Trouble
from driftline.settings import load_settings
from producers.contract.profiles import encode_profile
from producers.kafka.configuration import client_config
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.profile_publication import publish_profile
from producers.kafka.profile_table import ProfileTable, read_profiles
from producers.kafka.publisher import Publisher
from tests.producers.contract.test_profiles import profile


@pytest.fixture(scope="module")
def embedded():
    """The address of a broker that ends with its producer."""
    broker = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "none", "log_level": 0})
    (address,) = [f"{b.host}:{b.port}" for b in broker.list_topics(timeout=10).brokers.values()]
    yield address
    del broker


@pytest.fixture
def settings(embedded, prefix):
    return load_settings(kafka={"bootstrap_servers": embedded, "prefix": prefix})


def unreachable(**client: str):
    return load_settings(kafka={"bootstrap_servers": "127.0.0.1:1", "client": client})


def test_a_topic_that_does_not_exist_yet_has_no_profiles(settings):
    with ProfileTable(settings) as table:
        table.refresh()
        table.catch_up()
        assert table.all() == {}
        assert table.get("m", "1") is None


def test_a_profile_table_sees_profiles_that_are_published_later(settings):
    with ProfileTable(settings) as table:
        table.catch_up()
        assert publish_profile(settings, profile())
        table.catch_up()
        found = table.get("m", "1")
        assert found is not None
        assert encode_profile(found) == encode_profile(profile())


def test_published_profiles_are_read_with_the_hash_of_their_content(settings):
    publish_profile(settings, profile("1"))
    publish_profile(settings, profile("2", seed=1))
    found = read_profiles(settings)
    assert list(found) == [("m", "1"), ("m", "2")]
    assert found["m", "1"][1] != found["m", "2"][1]


def test_a_message_that_is_not_a_profile_is_skipped(settings, caplog):
    with Publisher(settings) as publisher:
        publisher.send("profiles", b"garbage", b"x")
    publish_profile(settings, profile())
    assert list(read_profiles(settings)) == [("m", "1")]
    assert "skipped a message" in caplog.text


def test_a_publisher_counts_the_records_that_kafka_has_confirmed(settings):
    with Publisher(settings) as publisher:
        for number in range(1_000):
            publisher.send("predictions", b"%d" % number, b"value")
        publisher.send("labels", b"a", b"value", partition=publisher.partitions("labels") - 1)
    assert publisher.delivered == {"predictions": 1_000, "labels": 1}


def test_a_publisher_blocks_while_its_queue_is_full(settings):
    small = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(
                update={"client": {"queue.buffering.max.messages": "10"}}
            )
        }
    )
    with Publisher(small) as publisher:
        for number in range(100):
            publisher.send("predictions", b"%d" % number, b"value")
    assert publisher.delivered["predictions"] == 100


@pytest.mark.parametrize("attempt", [Publisher, read_profiles, lambda s: publish_profile(s, None)])
def test_an_unreachable_broker_is_reported_with_its_address(attempt, monkeypatch):
    monkeypatch.setattr("producers.kafka.metadata.TIMEOUT_S", 0.5)
    with pytest.raises(KafkaUnavailable, match=r"Kafka at 127\.0\.0\.1:1: is it running"):
        attempt(unreachable())


def test_required_properties_override_those_of_the_user():
    settings = unreachable(**{"security.protocol": "ssl", "enable.idempotence": "false"})
    config = client_config(settings, {"enable.idempotence": True})
    assert config["security.protocol"] == "ssl"
    assert config["enable.idempotence"] is True
    assert config["bootstrap.servers"] == "127.0.0.1:1"


@pytest.mark.parametrize("name", ["no.such.property", "security.protocol"])
def test_a_refused_property_is_reported_without_its_value(name):
    with pytest.raises(InvalidSettings, match=name) as refusal:
        Publisher(unreachable(**{name: "hunter2"}))
    assert "hunter2" not in str(refusal.value)


def test_a_secret_is_in_no_error_message(monkeypatch):
    monkeypatch.setattr("producers.kafka.metadata.TIMEOUT_S", 0.5)
    secret = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "hunter2",
    }
    with pytest.raises(Trouble) as trouble:
        Publisher(unreachable(**secret))
    assert "hunter2" not in str(trouble.value)
