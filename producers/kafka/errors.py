"""Errors of Kafka, with messages for the user."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from driftline.errors import BadInput, Trouble

# Errors of brokers while a topic is created, or moves to another broker.
RETRIABLE = {
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._TRANSPORT,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
}


class KafkaUnavailable(Trouble):
    """No broker answers."""


class MissingTopic(Trouble):
    """A topic does not exist."""


class DeliveryFailed(Trouble):
    """Kafka did not accept a record."""


class ProfileConflict(BadInput):
    """A model version is already published with other content."""


def reason(error: KafkaException) -> str:
    """The text of the error in the exception."""
    return str(error.args[0].str())
