"""Requests a change of the state of a model version."""

from __future__ import annotations

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from driftline.settings import Settings
from producers.contract.life_requests import LifeRequestMessage
from producers.contract.partitions import model_partition
from producers.kafka.configuration import client_config, create_client
from producers.kafka.errors import DeliveryFailed, KafkaUnavailable
from producers.kafka.metadata import partitions
from producers.kafka.rights import TOPIC, WRITE, Right, refusal

FLUSH_S = 10.0


def send_request(settings: Settings, request: LifeRequestMessage) -> None:
    """Write a request to the partition of its model. It takes effect once ``detect`` reads it.

    Raises ``KafkaUnavailable``, ``MissingTopic``, ``MissingRight`` or ``DeliveryFailed``.
    """
    errors: list[KafkaError] = []

    def confirm(error: KafkaError | None, _message: Message) -> None:
        errors.extend(() if error is None else (error,))

    required = {"enable.idempotence": True}
    producer = create_client(Producer, client_config(settings, required))
    topic = settings.topic("summaries")
    total = len(partitions(producer, settings, topic, WRITE))
    producer.produce(
        topic,
        key=request.model.encode(),
        value=msgspec.json.encode(request),
        partition=model_partition(request.model, total),
        headers=[("content-type", b"application/json")],
        on_delivery=confirm,
    )
    if producer.flush(FLUSH_S):
        raise KafkaUnavailable(f"the request was not written to {topic} within {FLUSH_S:.0f} s")
    for error in errors:
        refused = refusal(settings, error, Right(WRITE, TOPIC, topic))
        raise refused or DeliveryFailed(f"Kafka did not accept the request: {error.str()}")
