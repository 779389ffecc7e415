"""Metadata of the cluster: whether it answers, and which partitions topics have."""

from __future__ import annotations

import time
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from driftline.settings import Settings
from producers.kafka.configuration import client_config
from producers.kafka.errors import KafkaUnavailable, MissingTopic, reason

TIMEOUT_S = 10.0
NEW_TOPIC_S = 2.0  # for brokers that create topics on first use


def require_answer(client: Any, settings: Settings) -> None:
    """Raises ``KafkaUnavailable`` if no broker answers."""
    metadata(client, settings)


def metadata(client: Any, settings: Settings, topic: str | None = None) -> Any:
    """Metadata of the cluster. Raises ``KafkaUnavailable``."""
    try:
        return client.list_topics(topic, timeout=TIMEOUT_S)
    except KafkaException as error:
        raise unavailable(settings, error) from error


def partitions(client: Any, settings: Settings, topic: str) -> list[int]:
    """The partitions of a topic, by its full name.

    Waits shortly for brokers that create topics on first use. Raises ``MissingTopic``.
    """
    deadline_s = time.monotonic() + NEW_TOPIC_S
    while not (numbers := metadata(client, settings, topic).topics[topic].partitions):
        if time.monotonic() > deadline_s:
            raise MissingTopic(f"there is no topic {topic}: run `driftline topics create` first")
        time.sleep(0.1)
    return sorted(numbers)


def unavailable(settings: Settings, error: KafkaException) -> KafkaUnavailable:
    return KafkaUnavailable(
        f"could not reach Kafka at {settings.kafka.bootstrap_servers}: is it running?"
        f" ({_connection_error(settings) or reason(error)})"
    )


def _connection_error(settings: Settings) -> str:
    """Why no broker can be reached. A failed call only times out; the callback has the reason."""
    errors: list[KafkaError] = []
    probe = Producer(client_config(settings, {"error_cb": errors.append, "log_level": 0}))
    probe.poll(1.0)
    return str(errors[0].str()) if errors else ""
