"""A topic read whole, and followed, as a member of no group: for people who look at it.

It commits nothing, so it disturbs no role and no subscriber, and reads what is committed only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka.client import MissingTopic
from consumers.messages.records import Headers, Record, TopicPartition
from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.profile_table import KafkaUnavailable, client_config

PATIENCE_S = 10.0  # with brokers that do not answer
STALLED_S = 60.0  # without a record and without an end
CHUNK = 1_000
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()  # as Kafka says it


class Unreadable(Trouble):
    """A topic that exists and cannot be read."""


class Reader:
    """One topic from its beginning. Raises ``KafkaUnavailable`` or ``MissingTopic``."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self._settings, self._short, self._name = settings, topic, settings.topic(topic)
        own = {
            "group.id": settings.topic("no-group"),  # librdkafka wants one; it is not used
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
        self._consumer = Consumer(client_config(settings, own))
        self._partitions = self._found()
        self._consumer.assign(
            [KafkaPartition(self._name, number, OFFSET_BEGINNING) for number in self._partitions]
        )

    def history(self) -> list[Record]:
        """What stands there now, in the order in which the broker took it."""
        return sorted(self.records(), key=lambda record: record.append_ms)

    def records(self) -> Iterator[Record]:
        """What stands there now, each partition in its order."""
        left = set(self._partitions)
        patient_until_s = time.monotonic() + STALLED_S
        while left:
            if time.monotonic() > patient_until_s:
                raise Unreadable(f"reading {self._name} to its end took over a minute")
            for message in self._consumer.consume(CHUNK, timeout=0.5):
                patient_until_s = time.monotonic() + STALLED_S
                if self._ended(message):
                    left.discard(int(message.partition() or 0))
                elif message.error() is None:
                    yield self._record(message)

    def news(self) -> Iterator[Record]:
        """What comes after that, as it comes, without end."""
        while True:
            for message in self._consumer.consume(CHUNK, timeout=0.5):
                if not self._ended(message) and message.error() is None:
                    yield self._record(message)

    def ends(self) -> dict[TopicPartition, int]:
        """Behind the last record that is committed by now, asked afresh, by partition."""
        try:
            return {
                TopicPartition(self._short, number): int(
                    self._consumer.get_watermark_offsets(
                        KafkaPartition(self._name, number), timeout=PATIENCE_S
                    )[1]
                )
                for number in self._partitions
            }
        except KafkaException as error:
            raise self._unavailable(error) from error

    def committed(self, role: str) -> dict[TopicPartition, int]:
        """Up to where the group of a role has come, by partition; 0 where it never was.

        Raises ``Unreadable`` if the group cannot be asked.
        """
        group = self._settings.topic(role)
        # Of a transaction under way it asks for what was there before, and does not wait for it.
        own = {"group.id": group, "isolation.level": "read_uncommitted"}
        asked = Consumer(client_config(self._settings, own))
        every = [KafkaPartition(self._name, number) for number in self._partitions]
        try:
            found = asked.committed(every, timeout=PATIENCE_S)
        except KafkaException as error:
            said: Any = error.args[0]
            raise Unreadable(f"group {group} cannot be asked: {said.str()}") from error
        finally:
            asked.close()
        for at in found:
            if at.error is not None:
                raise Unreadable(f"group {group} cannot be asked: {at.error.str()}")
        return {TopicPartition(self._short, at.partition): max(at.offset, 0) for at in found}

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _found(self) -> list[int]:
        try:
            found = self._consumer.list_topics(self._name, timeout=PATIENCE_S).topics[self._name]
        except KafkaException as error:
            raise self._unavailable(error) from error
        if not found.partitions:
            raise MissingTopic(
                f"there is no topic {self._name!r}: run `driftline topics create` first"
            )
        return sorted(found.partitions)

    def _ended(self, message: KafkaMessage) -> bool:
        """Whether this is the end of a partition, no record. Raises ``Unreadable``."""
        error = message.error()
        if error is None or error.retriable():
            return False
        if error.code() != KafkaError._PARTITION_EOF:
            raise Unreadable(f"{self._name} cannot be read: {error.str()}")
        return True

    def _record(self, message: KafkaMessage) -> Record:
        return Record(
            self._short,
            int(message.partition() or 0),
            int(message.offset() or 0),
            message.key(),
            message.value(),
            _headers(message),
            int(message.timestamp()[1]),
        )

    def _unavailable(self, error: KafkaException) -> KafkaUnavailable:
        said: Any = error.args[0]
        return KafkaUnavailable(
            f"could not reach Kafka at {self._settings.kafka.bootstrap_servers}: is it running?"
            f" ({said.str()})"
        )


def _headers(message: KafkaMessage) -> Headers:
    """None of them where a name is no text, which no client here can read."""
    try:
        found: Any = message.headers() or ()
    except UnicodeDecodeError:
        return ()
    return [(name, value) for name, value in found]
