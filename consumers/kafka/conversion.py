"""Partitions and records of the client library, and ours: topics by their short names."""

from __future__ import annotations

from typing import cast

from confluent_kafka import Message as KafkaMessage
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.messages.records import Headers, Record, TopicPartition
from driftline.settings import Settings


class Conversion:
    """Converts between full topic names, with the prefix, and short ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def to_kafka(
        self, topic_partition: TopicPartition, offset: int | None = None
    ) -> KafkaPartition:
        topic = self._settings.topic(topic_partition.topic)
        if offset is None:
            return KafkaPartition(topic, topic_partition.partition)
        return KafkaPartition(topic, topic_partition.partition, offset)

    def from_kafka(self, partition: KafkaPartition) -> TopicPartition:
        return TopicPartition(self._short(partition.topic), partition.partition)

    def source(self, message: KafkaMessage) -> TopicPartition:
        """The partition that a message or an error event came from."""
        return self.partition(message.topic(), int(message.partition() or 0))

    def partition(self, topic: str | None, number: int) -> TopicPartition:
        return TopicPartition(self._short(topic), number)

    def record(self, message: KafkaMessage) -> Record:
        topic, partition = self.source(message)
        return Record(
            topic,
            partition,
            int(message.offset() or 0),
            message.key(),
            message.value(),
            headers_of(message),
            int(message.timestamp()[1]),
        )

    def _short(self, topic: str | None) -> str:
        return self._settings.short_topic(str(topic))


def headers_of(message: KafkaMessage) -> Headers:
    """Empty if a name is not UTF-8: the client library cannot return such headers."""
    try:
        headers = message.headers() or ()
    except UnicodeDecodeError:
        return ()
    return cast("Headers", headers)
