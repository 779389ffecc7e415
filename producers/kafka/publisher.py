"""Sends records to Kafka, in order, until one is not taken.

Theory of operation
-------------------
Kafka's client drops a record that could not be sent for some time, and sends those behind it when
the broker returns. Here no record is dropped. While Kafka is away, records wait in the queue, and
``send`` waits when it is full. When Kafka has confirmed nothing for ``kafka.outage_patience``, or
refuses a record, all that still waits is discarded. ``taken`` is then the number of records before
the first one that was not confirmed, so a sender can go on with that one.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from driftline.settings import Settings
from producers.kafka.configuration import client_config, create_client
from producers.kafka.errors import DeliveryFailed, reason
from producers.kafka.metadata import metadata, partitions
from producers.kafka.rights import TOPIC, WRITE, Right, refusal

log = logging.getLogger(__name__)

AWAY_S = 5.0  # without a confirmation, before a line tells that Kafka is away
# Confirmations are looked at after so many records or seconds: that costs as much as a record.
UNSERVED, UNSERVED_S = 100, 0.02
LAST_S = 5.0  # for records on their way, after one of them was refused
NO_LIMIT = 0  # of the client for a record; ours is ``kafka.outage_patience``


class Publisher:
    """Sends each record at least once and without duplicates; raises when it learns of a failure.

    Connects to Kafka when it is created. Raises ``KafkaUnavailable``.
    """

    def __init__(self, settings: Settings) -> None:
        own = {"enable.idempotence": True, "message.timeout.ms": NO_LIMIT}
        config = {"linger.ms": 20, **client_config(settings, own)}  # users may override linger.ms
        self._settings = settings
        self._producer = create_client(Producer, config)
        self._patience_s = settings.outage_patience_s
        self._failure: str | None = None
        # Of each message that is not confirmed, the number of records before it.
        self._waiting: dict[int, None] = {}
        self._queued = 0
        self._served, self._served_s = 0, time.monotonic()  # as of the newest look at confirmations
        self._confirmed_s = time.monotonic()  # the newest confirmation, or since when all are
        self._away = False
        self.delivered: Counter[str] = Counter()  # confirmed records by topic
        metadata(self._producer, settings)

    @property
    def taken(self) -> int:
        """The number of records before the first one that Kafka has not confirmed."""
        return next(iter(self._waiting), self._queued)

    def send(  # noqa: PLR0913 - of a message
        self,
        topic: str,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        records: int = 1,
    ) -> None:
        """Send a message to a topic, by its short name. Blocks while the queue is full.

        Raises ``DeliveryFailed``, perhaps for an earlier record.
        """
        options: dict[str, Any] = {} if partition is None else {"partition": partition}
        if headers:
            options["headers"] = list(headers)
        while not self._enqueued(topic, key, value, options, records):
            self._serve(0.1)
        if (
            self._queued - self._served >= UNSERVED
            or time.monotonic() - self._served_s > UNSERVED_S
        ):
            self._serve(0)

    def partitions(self, topic: str) -> int:
        """The partition count of a topic. Raises ``MissingTopic``."""
        return len(partitions(self._producer, self._settings, self._settings.topic(topic), WRITE))

    def flush(self) -> None:
        """Wait until Kafka has confirmed all records. Raises ``DeliveryFailed``."""
        while self._waiting:
            self._serve(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.flush()

    def _enqueued(
        self, topic: str, key: bytes, value: bytes, options: Mapping[str, Any], records: int
    ) -> bool:
        confirm = partial(self._on_delivery, topic, self._queued, records)
        name = self._settings.topic(topic)
        try:
            self._producer.produce(name, value, key, on_delivery=confirm, **options)
        except BufferError:
            return False
        except KafkaException as error:
            self._stop(f"Kafka did not accept a record: {reason(error)}")
        if not self._waiting:
            self._confirmed_s = time.monotonic()
        self._waiting[self._queued] = None
        self._queued += records
        return True

    def _serve(self, seconds: float) -> None:
        """Take confirmations. Raises ``DeliveryFailed`` after a refusal or too long an outage."""
        self._producer.poll(seconds)
        self._served, self._served_s = self._queued, time.monotonic()
        if self._failure is not None:
            self._stop(self._failure)
        if not self._waiting:
            return
        silent_s = time.monotonic() - self._confirmed_s
        if silent_s > self._patience_s:
            self._stop(f"Kafka at {self._servers} has confirmed nothing for {silent_s:.0f} s")
        if silent_s > AWAY_S and not self._away:
            self._away = True
            log.warning("Kafka at %s confirms nothing: waiting for it", self._servers)

    def _stop(self, failure: str) -> None:
        """Discard what still waits, so that no later record is sent. Raises ``DeliveryFailed``."""
        self._producer.purge(in_flight=False)
        self._producer.flush(LAST_S)
        self._producer.purge()
        self._producer.poll(0)
        raise DeliveryFailed(failure)

    def _on_delivery(
        self, topic: str, number: int, records: int, error: KafkaError | None, message: Message
    ) -> None:
        if error is None:
            self.delivered[topic] += records
            del self._waiting[number]
            self._confirmed_s = time.monotonic()
            if self._away:
                self._away = False
                log.warning("Kafka at %s confirms records again", self._servers)
        elif self._failure is None:
            refused = refusal(self._settings, error, Right(WRITE, TOPIC, str(message.topic())))
            why = f"Kafka did not accept a record for {message.topic()}: {error.str()}"
            self._failure = why if refused is None else str(refused)

    @property
    def _servers(self) -> str:
        return self._settings.kafka.bootstrap_servers
