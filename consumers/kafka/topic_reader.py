"""Reads a whole topic, and follows it, outside a consumer group: for commands that show a topic.

It commits nothing, so it does not affect roles or other consumers, and reads committed records
only.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka.conversion import Conversion
from consumers.messages.records import Record, TopicPartition
from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.configuration import client_config, groupless_reader_config
from producers.kafka.errors import MissingTopic
from producers.kafka.metadata import metadata, unavailable
from producers.kafka.rights import GROUP, READ, TOPIC, Right, refusal

TIMEOUT_S = 10.0
STALLED_S = 60.0  # without a record and without an end
CHUNK = 1_000  # records
ARRIVED_S = 0.05  # for records that have come, but are not here yet


class Unreadable(Trouble):
    """A topic or a group exists, but cannot be read."""


class TopicReader:
    """One topic from its beginning, or about its ``last`` records.

    Raises ``KafkaUnavailable``, ``MissingTopic`` or ``MissingRight``.
    """

    def __init__(self, settings: Settings, topic: str, last: int | None = None) -> None:
        self._settings, self._topic, self._name = settings, topic, settings.topic(topic)
        self._conversion = Conversion(settings)
        self._consumer = Consumer(groupless_reader_config(settings))
        self._partitions = self._find_partitions()
        self._unread = set(self._partitions)
        starts = dict.fromkeys(self._partitions, OFFSET_BEGINNING)
        if last is not None:
            share = -(-last // len(self._partitions))
            starts = {
                at.partition: max(low, high - share)
                for at, (low, high) in self._watermarks().items()
            }
        self._consumer.assign(
            [KafkaPartition(self._name, number, offset) for number, offset in starts.items()]
        )

    def records_by_time(self) -> list[Record]:
        """The records up to the present end, ordered by the time of their append."""
        return sorted(self.records(), key=lambda record: record.append_ms)

    def records(self) -> Iterator[Record]:
        """The records up to the present end, each partition in its order."""
        unfinished = set(self._partitions)
        deadline_s = time.monotonic() + STALLED_S
        while unfinished:
            if time.monotonic() > deadline_s:
                raise Unreadable(f"reading {self._name} to its end took over a minute")
            for message in self._consumer.consume(CHUNK, timeout=0.5):
                deadline_s = time.monotonic() + STALLED_S
                if self._is_end(message):
                    unfinished.discard(int(message.partition() or 0))
                elif message.error() is None:
                    yield self._conversion.record(message)

    def follow(self) -> Iterator[Record]:
        """The records after those, as they arrive, without end."""
        while True:
            for message in self._consumer.consume(CHUNK, timeout=0.5):
                if not self._is_end(message) and message.error() is None:
                    yield self._conversion.record(message)

    def arrived(self) -> list[Record]:
        """Some of the records that are there, without waiting for more. Empty at the end."""
        found = []
        for message in self._consumer.consume(CHUNK, timeout=ARRIVED_S):
            if self._is_end(message):
                self._unread.discard(int(message.partition() or 0))
            elif message.error() is None:
                found.append(self._conversion.record(message))
        return found

    @property
    def caught_up(self) -> bool:
        """Whether ``arrived`` has been at the end of each partition."""
        return not self._unread

    def end_offsets(self) -> dict[TopicPartition, int]:
        """The present end of each partition: the offset after its last committed record."""
        return {at: high for at, (_, high) in self._watermarks().items()}

    def first_offsets(self) -> dict[TopicPartition, int]:
        """The oldest offset that retention has left in each partition."""
        return {at: low for at, (low, _) in self._watermarks().items()}

    def _watermarks(self) -> dict[TopicPartition, tuple[int, int]]:
        try:
            return {
                TopicPartition(self._topic, number): self._consumer.get_watermark_offsets(
                    KafkaPartition(self._name, number), timeout=TIMEOUT_S
                )
                for number in self._partitions
            }
        except KafkaException as error:
            needed = Right(READ, TOPIC, self._name)
            raise unavailable(self._settings, error, needed) from error

    def committed_offsets(self, role: str) -> dict[TopicPartition, int]:
        """The committed offset of a role's group in each partition; 0 if there is none.

        Raises ``Unreadable`` if the group cannot be read.
        """
        group = self._settings.topic(role)
        # Returns the offsets before an open transaction, instead of waiting for it.
        required = {"group.id": group, "isolation.level": "read_uncommitted"}
        consumer = Consumer(client_config(self._settings, required))
        partitions = [KafkaPartition(self._name, number) for number in self._partitions]
        try:
            committed = consumer.committed(partitions, timeout=TIMEOUT_S)
        except KafkaException as error:
            raise self._unreadable(f"group {group}", error.args[0], group) from error
        finally:
            consumer.close()
        for at in committed:
            if at.error is not None:
                raise self._unreadable(f"group {group}", at.error, group)
        return {TopicPartition(self._topic, at.partition): max(at.offset, 0) for at in committed}

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _find_partitions(self) -> list[int]:
        found = metadata(self._consumer, self._settings, self._name, READ)
        partitions = found.topics[self._name]
        if not partitions.partitions:
            raise MissingTopic(
                f"there is no topic {self._name!r}: run `driftline topics create` first"
            )
        return sorted(partitions.partitions)

    def _is_end(self, message: KafkaMessage) -> bool:
        """Whether this is the end of a partition, not a record. Raises ``Unreadable``."""
        error = message.error()
        if error is None or error.retriable():
            return False
        if error.code() != KafkaError._PARTITION_EOF:
            raise self._unreadable(self._name, error)
        return True

    def _unreadable(self, what: str, error: KafkaError, group: str | None = None) -> Trouble:
        of_group = () if group is None else (Right(READ, GROUP, group),)
        refused = refusal(self._settings, error, Right(READ, TOPIC, self._name), *of_group)
        return refused or Unreadable(f"{what} cannot be read: {error.str()}")
