"""Sends records to Kafka."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from driftline.settings import Settings
from producers.kafka.configuration import client_config, create_client
from producers.kafka.errors import DeliveryFailed, reason
from producers.kafka.metadata import metadata, partitions

MESSAGE_TIMEOUT_MS = 60_000
FLUSH_S = 60.0


class Publisher:
    """Sends each record at least once and without duplicates; raises when it learns of a failure.

    Connects to Kafka when it is created. Raises ``KafkaUnavailable``.
    """

    def __init__(self, settings: Settings) -> None:
        defaults = {"linger.ms": 20, "message.timeout.ms": MESSAGE_TIMEOUT_MS}  # users may override
        config = {**defaults, **client_config(settings, {"enable.idempotence": True})}
        self._settings = settings
        self._producer = create_client(Producer, config)
        self._failure: str | None = None
        self.delivered: Counter[str] = Counter()  # confirmed records by topic
        metadata(self._producer, settings)

    def send(self, topic: str, key: bytes, value: bytes, partition: int | None = None) -> None:
        """Send to a topic, by its short name. Blocks while the queue is full.

        Raises ``DeliveryFailed``, perhaps for an earlier record.
        """
        options = {} if partition is None else {"partition": partition}
        while not self._queued(self._settings.topic(topic), key, value, options):
            self._producer.poll(0.1)
            self._raise_failure()
        self._producer.poll(0)
        self._raise_failure()

    def partitions(self, topic: str) -> int:
        """The partition count of a topic. Raises ``MissingTopic``."""
        return len(partitions(self._producer, self._settings, self._settings.topic(topic)))

    def flush(self) -> None:
        """Wait until Kafka has confirmed all records. Raises ``DeliveryFailed``."""
        waiting = self._producer.flush(FLUSH_S)
        self._raise_failure()
        if waiting:
            raise DeliveryFailed(f"Kafka did not confirm {waiting} records within a minute")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()

    def _queued(self, topic: str, key: bytes, value: bytes, options: Mapping[str, int]) -> bool:
        try:
            self._producer.produce(topic, value, key, on_delivery=self._on_delivery, **options)
        except BufferError:
            return False
        except KafkaException as error:
            raise DeliveryFailed(f"Kafka did not accept a record: {reason(error)}") from error
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            prefix = self._settings.topic("")
            self.delivered[str(message.topic()).removeprefix(prefix)] += 1
        else:
            self._failure = f"Kafka did not accept a record for {message.topic()}: {error.str()}"

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise DeliveryFailed(self._failure)
