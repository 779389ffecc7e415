"""Metadata of the cluster: whether it answers, and which partitions topics have."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from driftline.settings import Settings
from producers.kafka.configuration import client_config
from producers.kafka.errors import KafkaUnavailable, MissingTopic, reason
from producers.kafka.rights import DESCRIBE, TOPIC, MissingRight, Right, refusal

FIRST_S, SECOND_S = 3.0, 7.0  # a refusal is told after the first, a slow broker has both
PROBE_S = 1.0
SILENCE = "nothing answers there"  # or the broker is too busy to answer
_REFUSES = ("authentication error", "SSL handshake failed")
NEW_TOPIC_S = 2.0  # for brokers that create topics on first use


def metadata(
    client: Any, settings: Settings, topic: str | None = None, operation: str = DESCRIBE
) -> Any:
    """Metadata of the cluster.

    ``operation`` is what shall be done with the topic. Raises ``MissingRight`` if it may not even
    be described, ``KafkaUnavailable``: within 5 s if all connections are refused, after 10 s if no
    broker answers.
    """
    found = _metadata(client, settings, topic)
    if topic is not None and (error := found.topics[topic].error) is not None:
        refused = refusal(settings, error, Right(operation, TOPIC, topic))
        if refused is not None:
            raise refused
    return found


def _metadata(client: Any, settings: Settings, topic: str | None) -> Any:
    try:
        return client.list_topics(topic, timeout=FIRST_S)
    except KafkaException as error:
        if (why := _connection_error(settings)) not in ("", SILENCE):
            raise _unreachable(settings, why) from error
    try:
        return client.list_topics(topic, timeout=SECOND_S)
    except KafkaException as error:
        raise unavailable(settings, error) from error


def partitions(client: Any, settings: Settings, topic: str, operation: str) -> list[int]:
    """The partitions of a topic, by its full name.

    Waits shortly for brokers that create topics on first use. Raises ``MissingTopic``, or
    ``MissingRight`` as ``metadata``.
    """
    deadline_s = time.monotonic() + NEW_TOPIC_S
    while not (numbers := _partitions(client, settings, topic, operation)):
        if time.monotonic() > deadline_s:
            raise MissingTopic(f"there is no topic {topic}: run `driftline topics create` first")
        time.sleep(0.1)
    return sorted(numbers)


def _partitions(client: Any, settings: Settings, topic: str, operation: str) -> Any:
    return metadata(client, settings, topic, operation).topics[topic].partitions


def unavailable(
    settings: Settings, error: KafkaException, *needed: Right
) -> KafkaUnavailable | MissingRight:
    """The exception to raise for ``error`` of a call that needs these rights."""
    refused = refusal(settings, error.args[0], *needed)
    if refused is not None:
        return refused
    return _unreachable(settings, _connection_error(settings) or reason(error))


def _unreachable(settings: Settings, why: str) -> KafkaUnavailable:
    servers = settings.kafka.bootstrap_servers
    if any(word in why for word in _REFUSES):
        return KafkaUnavailable(
            f"Kafka at {servers} is there, but not with this [kafka.client]: {why}"
        )
    return KafkaUnavailable(f"could not reach Kafka at {servers}: is it running? ({why})")


def _connection_error(settings: Settings) -> str:
    """Why no broker can be connected to; empty if one can be.

    A failed call only times out; the callback has the reason.
    """
    errors: list[KafkaError] = []
    quick = {"socket.connection.setup.timeout.ms": round(1_000 * PROBE_S)}
    probe = Producer(client_config(settings, {"error_cb": errors.append, "log_level": 0, **quick}))
    deadline_s = time.monotonic() + 1.5 * PROBE_S
    while time.monotonic() < deadline_s:
        probe.poll(0.1)
        if any(error.code() == KafkaError._ALL_BROKERS_DOWN for error in errors):
            named = [error.str() for error in errors if error is not errors[-1]]
            return str(next(iter(named), SILENCE))
    return ""
