"""A right that Kafka denies is named: the operation, the resource, the user, and what gives it."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AclOperation

from driftline.configuration.sources import SourceSection
from driftline.settings import Settings, load_settings
from monitor.windows.lives import LifeAction
from producers.contract.life_requests import LifeRequestMessage
from producers.kafka import life_requests, rights
from producers.kafka.errors import DeliveryFailed
from producers.kafka.metadata import metadata
from producers.kafka.publisher import Publisher
from producers.kafka.rights import MissingRight, Right, not_given, principal, refusal

TOPIC_DENIED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
READ, WRITE = Right("Read", "topic", "d.a"), Right("Write", "topic", "d.a")
GROUP = Right("Read", "group", "d.g")
TRANSACTION = Right("Write", "transactional-id", "d.t")


def settings(client: dict[str, str] | None = None) -> Settings:
    return load_settings(None, kafka={"prefix": "d", "client": client or {}})


class Admin:
    """Kafka, and what it gives."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}

    def __call__(self, _config: Any) -> Admin:
        return self

    def describe_topics(self, topics: Any, **options: Any) -> Any:
        assert options["include_authorized_operations"]
        return {name: self._answer(name) for name in topics.topic_names}

    def describe_consumer_groups(self, names: list[str], **options: Any) -> Any:
        assert options["include_authorized_operations"]
        return {name: self._answer(name) for name in names}

    def _answer(self, name: str) -> Future[Any]:
        future: Future[Any] = Future()
        given = self.given.get(name, KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        if isinstance(given, KafkaError):
            future.set_exception(KafkaException(given))
        else:
            future.set_result(SimpleNamespace(authorized_operations=given))
        return future


@pytest.fixture(autouse=True)
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin()
    monkeypatch.setattr(rights, "AdminClient", made)
    return made


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, READ),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, READ),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, GROUP),
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, TRANSACTION),
    ],
)
def test_the_right_of_the_resource_that_was_refused_is_missing(code, expected):
    found = refusal(settings(), KafkaError(code), READ, GROUP, TRANSACTION)
    assert found is not None
    assert found.rights == (expected,)
    assert str(found).startswith(f"Kafka denies User:driftline {expected}: ")


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError.UNKNOWN_TOPIC_OR_PART])
def test_another_error_is_no_refusal(code):
    assert refusal(settings(), KafkaError(code), READ, GROUP, TRANSACTION) is None


def test_of_several_rights_kafka_tells_the_missing_one(admin):
    other = Right("Write", "topic", "d.b")
    admin.given = {"d.a": [AclOperation.READ, AclOperation.WRITE], "d.b": [AclOperation.READ]}
    found = refusal(settings(), TOPIC_DENIED, WRITE, other)
    assert found is not None
    assert found.rights == (other,)


def test_if_kafka_does_not_tell_which_all_are_named():
    found = refusal(settings(), TOPIC_DENIED, WRITE, Right("Write", "topic", "d.b"))
    assert "Write on topic d.a and Write on topic d.b" in str(found)


def test_rights_are_compared_with_the_operations_that_kafka_gives(admin):
    configs = Right("DescribeConfigs", "topic", "d.a")
    wanted = [READ, WRITE, configs, GROUP, TRANSACTION]
    admin.given = {"d.a": [AclOperation.READ, AclOperation.DESCRIBE_CONFIGS], "d.g": TOPIC_DENIED}
    admin.given["d.g"] = KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED)
    assert not_given(settings(), wanted) == [WRITE, GROUP]
    admin.given = {"d.a": TOPIC_DENIED, "d.g": [AclOperation.READ]}
    assert not_given(settings(), wanted) == [READ, WRITE, configs]


@pytest.mark.parametrize("given", [None, [], KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)])
def test_what_kafka_does_not_tell_is_not_missing(admin, given):
    """It has no such topic yet, or is a service that does not tell operations."""
    admin.given = {"d.a": given}
    assert not_given(settings(), [READ, WRITE]) == []


def test_of_a_topic_that_is_not_printed_the_sentence_has_the_command():
    foreign = Right("Read", "topic", "orders")
    assert str(MissingRight(settings(), foreign)).endswith(
        "kafka-acls.sh --bootstrap-server localhost:9092 --add --allow-principal User:driftline"
        " --operation Read --topic orders gives it"
    )
    source = SourceSection(topic="orders", model="$.m", features="$.f")
    own = settings().model_copy(update={"sources": [source]})
    assert "`driftline topics create --print` prints" in str(MissingRight(own, foreign))


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        ({}, "User:driftline"),
        ({"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "monitor"}, "User:monitor"),
        ({"sasl.mechanisms": "SCRAM-SHA-512", "sasl.username": "monitor"}, "User:monitor"),
        # An API key: the principal is another one.
        ({"sasl.mechanism": "PLAIN", "sasl.username": "KEY"}, "User:driftline"),
    ],
)
def test_the_user_in_acls_is_that_of_scram(client, expected):
    assert principal(settings(client)) == expected


def test_a_topic_that_may_not_be_described_is_not_called_missing():
    topics = {"d.a": SimpleNamespace(error=TOPIC_DENIED, partitions={})}
    client: Any = SimpleNamespace(list_topics=lambda *_, **__: SimpleNamespace(topics=topics))
    with pytest.raises(MissingRight, match=r"denies User:driftline Write on topic d\.a"):
        metadata(client, settings(), "d.a", "Write")


# -- senders ---------------------------------------------------------------------------------------


class Producer:
    """Kafka refuses each record with ``error``."""

    def __init__(self, error: KafkaError) -> None:
        self.error, self.confirm = error, lambda *_: None

    def __call__(self, *_: Any) -> Producer:
        return self

    def list_topics(self, *_: Any, **__: Any) -> Any:
        topic = SimpleNamespace(error=None, partitions={0: None})
        return SimpleNamespace(topics={"d.summaries": topic})

    def produce(self, topic: str, *_: Any, on_delivery: Any, **__: Any) -> None:
        message = SimpleNamespace(topic=lambda: topic)
        self.confirm = lambda *_: on_delivery(self.error, message)

    def poll(self, _seconds: float) -> None:
        self.confirm()

    def flush(self, _seconds: float) -> int:
        self.confirm()
        return 0

    def purge(self, **_: Any) -> None:
        """Nothing waits."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TOPIC_DENIED, r"denies User:driftline Write on topic d\.summaries"),
        (KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, "too large"), "did not accept .*: too large"),
    ],
)
def test_senders_tell_what_was_refused(monkeypatch, error, expected):
    producer = Producer(error)
    monkeypatch.setattr("producers.kafka.publisher.create_client", producer)
    monkeypatch.setattr(life_requests, "create_client", producer)
    publisher = Publisher(settings())
    publisher.send("summaries", b"", b"")
    with pytest.raises(DeliveryFailed, match=expected):
        publisher.flush()
    own = {"model": "m", "version": "1", "by": "me", "why": "a test"}
    request = LifeRequestMessage(**own, action=LifeAction.RESET)
    with pytest.raises((DeliveryFailed, MissingRight), match=expected):
        life_requests.send_request(settings(), request)
