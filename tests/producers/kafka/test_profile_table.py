"""Profiles and records over the broker inside librdkafka: the normal case, and error messages."""

import json

import pytest
from confluent_kafka import Message, Producer
from msgspec.structs import replace

from driftline.errors import InvalidSettings, Trouble
from driftline.settings import load_settings
from monitor.tasks.binary import BINARY
from monitor.windows.learned import Learned
from producers.contract.learned import decode_learned, learned_key
from producers.contract.profile_overview import overview_of
from producers.contract.profiles import content_hash, encode_profile
from producers.contract.version_info import VersionInfo
from producers.kafka.configuration import client_config
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.part_reader import PartReader
from producers.kafka.profile_publication import Publication, derived_blobs, publish_profile
from producers.kafka.profile_table import ProfileTable
from producers.kafka.publisher import Publisher
from tests.producers.contract.test_profiles import profile
from tests.producers.published import read_profiles


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


def send(settings, *messages, partition=-1):
    """Send messages to ``profiles``. None is a tombstone as a value, no key as a key.

    Without ``partition`` the key decides, as for everybody who publishes.
    """
    producer = Producer(client_config(settings, {}))
    for key, value in messages:
        producer.produce(settings.topic("profiles"), value, key, partition)
    assert producer.flush(10) == 0


def test_a_topic_that_does_not_exist_yet_has_no_profiles(settings):
    with ProfileTable(settings) as table:
        table.refresh()
        table.catch_up()
        assert table.versions() == {}
        assert table.get("m", "1") is None


def test_registering_a_version_again_updates_its_info_and_nothing_else(settings):
    assert publish_profile(settings, profile(), VersionInfo(owner="risk")) is Publication.NEW
    with ProfileTable(settings) as table:
        table.catch_up()
        found, content = table.get("m", "1"), table.content("m", "1")
        registered_ms = table.registered_ms("m", "1")
        given = VersionInfo(runbook="https://wiki.example", owner="")
        assert publish_profile(settings, profile(), given) is Publication.UPDATED
        table.catch_up()
        assert table.info("m", "1") == VersionInfo(runbook="https://wiki.example")
        assert (table.get("m", "1"), table.content("m", "1")) == (found, content)
    assert publish_profile(settings, profile(), given) is Publication.UNCHANGED
    with ProfileTable(settings) as later:
        later.catch_up()
        assert later.info("m", "1") == VersionInfo(runbook="https://wiki.example")
        assert later.registered_ms("m", "1") == registered_ms


def test_a_version_whose_first_manifest_was_compacted_away_keeps_its_registration(settings):
    publish_profile(settings, profile())
    with ProfileTable(settings) as table:
        table.catch_up()
        derived = derived_blobs(settings.plan(), profile())
        *parts, _ = encode_profile(profile(), derived=derived)
        renewed = replace(table.manifest("m", "1"), registered_ms=12)
    send(settings, (b"m/1/manifest", None), *parts, renewed.message())
    with ProfileTable(settings) as later:
        later.catch_up()
        assert later.registered_ms("m", "1") == 12
        assert later.info("m", "2") == VersionInfo()


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


ODD = [(b"x", None), (b"\xff/1/head-0", b"z"), (b"\xff", None), (None, b"z"), (None, None)]


@pytest.mark.parametrize(("key", "value"), ODD)
def test_a_message_with_an_odd_key_is_skipped_and_logged_once(settings, caplog, key, value):
    send(settings, (key, value), (key, value))
    publish_profile(settings, profile())
    caplog.clear()
    assert list(read_profiles(settings)) == [("m", "1")]
    assert caplog.text.count("skipped a message") == 1


def test_the_tombstone_of_a_manifest_deletes_the_version_from_the_table(settings, caplog):
    with ProfileTable(settings) as table:
        for version in ("1", "2"):
            publish_profile(settings, profile(version))
        table.catch_up()
        send(settings, (b"m/1/manifest", None))
        table.catch_up()
        assert list(table.versions()) == [("m", "2")]
        assert table.get("m", "1") is None
        assert "the profile of m/1 was deleted" in caplog.text
        with pytest.raises(KeyError):
            table.registered_ms("m", "1")
    assert list(read_profiles(settings)) == [("m", "2")]


def test_a_version_that_was_deleted_can_be_published_with_other_content(settings):
    publish_profile(settings, profile())
    send(settings, (b"m/1/manifest", None))
    assert publish_profile(settings, profile(seed=1))
    (found, _) = read_profiles(settings)["m", "1"]
    assert encode_profile(found) == encode_profile(profile(seed=1))


def test_the_tombstone_of_a_part_or_of_an_unknown_version_changes_nothing(settings):
    publish_profile(settings, profile())
    send(settings, (b"m/1/head-0", None), (b"n/7/manifest", None))
    assert list(read_profiles(settings)) == [("m", "1")]


@pytest.fixture
def reads(monkeypatch):
    """The offsets of the parts that are read again, one set for each time."""
    seen = []
    read = PartReader.read

    def recorded(self, places):
        seen.append({offset for _, offset in places})
        return read(self, places)

    monkeypatch.setattr(PartReader, "read", recorded)
    return seen


def test_samples_and_panes_are_read_when_a_version_is_asked_for_and_once(settings, reads):
    for version in ("1", "2"):
        send(settings, *encode_profile(profile(version), derived={"overview": b"{}"}), partition=0)
    with ProfileTable(settings) as table:
        table.catch_up()
        assert [head.version for head in table.versions().values()] == ["1", "2"]
        assert reads == []
        schema = table.schema("m", "2")
        assert reads == [{6}]  # version 1 has five messages
        assert table.schema("m", "2") is schema
        assert (
            schema.outputs["score"].sample.size == profile("2").schema.outputs["score"].sample.size
        )
        assert table.get("m", "2") is table.get("m", "2")
        assert reads == [{6}, {6, 7}]


def test_parts_in_several_places_are_read_wherever_they_are(settings, reads):
    parts, others = encode_profile(profile("1")), encode_profile(profile("2"))
    send(
        settings,
        *(message for pair in zip(parts, others, strict=True) for message in pair),
        partition=0,
    )
    with ProfileTable(settings) as table:
        table.catch_up()
        assert encode_profile(table.get("m", "1")) == parts
        assert encode_profile(table.get("m", "2")) == others
        assert reads == [{2, 4}, {3, 5}]


def test_parts_that_were_published_again_are_read_from_their_new_place(settings, reads):
    messages = encode_profile(profile())
    with ProfileTable(settings) as table:
        send(settings, *messages, partition=0)
        table.catch_up()
        send(settings, *messages, partition=0)
        table.catch_up()
        table.get("m", "1")
        assert reads == [{5, 6}]


def test_parts_that_compaction_removed_are_looked_for_once_more(settings, reads, monkeypatch):
    """The table has not read yet that they were published again."""
    messages, read = encode_profile(profile()), PartReader.read

    def without_removed(self, places):
        return {place: value for place, value in read(self, places).items() if place[1] > 3}

    monkeypatch.setattr(PartReader, "read", without_removed)
    with ProfileTable(settings) as table:
        send(settings, *messages, partition=0)
        table.catch_up()
        send(settings, *messages, partition=0)
        assert encode_profile(table.get("m", "1")) == messages
        assert reads == [{1, 2}, {5, 6}]


def test_a_version_whose_parts_are_gone_is_not_registered_any_more(settings, caplog, monkeypatch):
    monkeypatch.setattr(PartReader, "read", lambda *_: {})
    send(settings, *encode_profile(profile()))
    with ProfileTable(settings) as table:
        table.catch_up()
        assert table.get("m", "1") is None
        assert table.versions() == {}
    assert "parts of model 'm' version '1' are gone: register it again" in caplog.text


def test_a_profile_that_cannot_be_decoded_is_logged_and_not_registered(settings, caplog):
    messages = encode_profile(profile())
    manifest = json.loads(messages[-1][1])
    messages[-1] = (messages[-1][0], json.dumps({**manifest, "content": "0" * 64}).encode())
    send(settings, *messages)
    with ProfileTable(settings) as table:
        table.catch_up()
        assert table.get("m", "1") is None
        assert table.versions() == {}
        assert "do not match its manifest" in caplog.text
        assert publish_profile(settings, profile())
        table.catch_up()
        assert table.get("m", "1") is not None


def test_the_overview_is_published_with_a_profile(settings, reads):
    publish_profile(settings, profile())
    with ProfileTable(settings) as table:
        table.catch_up()
        before = list(reads)  # by the publisher, which reads the profile back
        assert table.overview("m", "1") == overview_of(profile())
        assert reads == before


def test_what_was_learned_is_published_with_a_profile(settings):
    publish_profile(settings, profile())
    with ProfileTable(settings) as table:
        table.catch_up()
        value, key = table.learned("m", "1"), learned_key(settings.plan(), content_hash(profile()))
        assert value is not None
        learned = decode_learned(value, key, BINARY)
        assert learned is not None
        assert learned.baseline == Learned.of(settings.plan(), profile()).baseline


def test_an_old_profile_has_nothing_learned(settings):
    send(settings, *encode_profile(profile()))
    with ProfileTable(settings) as table:
        table.catch_up()
        assert table.learned("m", "1") is None
        assert table.learned("m", "2") is None
        assert table.get("m", "1") is not None


def test_a_profile_of_another_pane_than_the_plan_is_published_without_what_is_learned(settings):
    windows = settings.windows.model_copy(update={"pane": "30m"})
    other = settings.model_copy(update={"windows": windows})
    assert list(derived_blobs(other.plan(), profile())) == ["overview"]
    assert list(derived_blobs(settings.plan(), profile())) == ["overview", "learned"]


def test_the_overview_of_an_old_profile_is_computed(settings):
    send(settings, *encode_profile(profile()))
    with ProfileTable(settings) as table:
        table.catch_up()
        assert table.overview("m", "1") == overview_of(profile())
        assert table.overview("m", "2") is None


class SlowConsumer:
    """Returns one message in every other call, as long as there are any; a call takes 45 s."""

    def __init__(self, clock, messages):
        self.clock, self.messages, self.calls = clock, messages, 0

    def assign(self, _):
        pass

    def consume(self, _count, timeout):
        assert timeout > 0
        self.clock.now_s += 45.0
        self.calls += 1
        return [self.messages.pop(0)] if self.messages and self.calls % 2 else []


class Clock:
    now_s = 0.0

    def monotonic(self):
        return self.now_s


@pytest.fixture
def slow(settings, monkeypatch):
    """A table that reads messages slowly; the topic ends after ten."""
    clock = Clock()
    monkeypatch.setattr("producers.kafka.topic_follower.time", clock)
    with ProfileTable(settings) as table:
        follower, consumer = table._follower, table._follower._consumer
        follower._positions = {0: 0}
        monkeypatch.setattr(follower, "_find_partitions", lambda: None)
        monkeypatch.setattr(follower, "_end", lambda _: 10)

        def reads(count):
            messages = [Message(topic="p", partition=0, offset=n, key=b"x") for n in range(count)]
            follower._consumer = SlowConsumer(clock, messages)
            return follower

        yield reads
        follower._consumer = consumer


def test_reading_the_table_may_take_longer_than_the_stall_timeout(slow):
    follower = slow(10)
    follower.catch_up()
    assert follower._positions == {0: 10}


def test_a_stall_while_the_table_is_read_is_reported(slow):
    follower = slow(9)
    with pytest.raises(KafkaUnavailable, match=r"nothing could be read from .*profiles for 60 s"):
        follower.catch_up()
    assert follower._consumer.calls == 19  # the last message in the 17th call, 90 s before


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
    monkeypatch.setattr("producers.kafka.metadata.FIRST_S", 0.5)
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
    monkeypatch.setattr("producers.kafka.metadata.FIRST_S", 0.5)
    secret = {
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "hunter2",
    }
    with pytest.raises(Trouble) as trouble:
        Publisher(unreachable(**secret))
    assert "hunter2" not in str(trouble.value)
