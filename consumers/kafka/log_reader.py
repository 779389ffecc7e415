"""Reads ranges of partitions outside a consumer group: for replays, and for compacted topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Consumer, KafkaError

from consumers.kafka.configuration import TIMEOUT_S, consumer_config
from consumers.kafka.conversion import Conversion
from consumers.kafka.errors import translated
from consumers.kafka.fetched_records import Fetcher
from consumers.messages.records import Record, TopicPartition
from driftline.settings import Settings
from producers.kafka.rights import READ, TOPIC, Right

CONSUME_S = 1.0


class LogReader:
    """Reads committed records of any partition, whichever member owns it."""

    def __init__(self, settings: Settings, group: str, conversion: Conversion) -> None:
        self._config = consumer_config(settings, f"{group}.replay")
        self._settings, self._conversion = settings, conversion

    def read(
        self,
        start: Mapping[TopicPartition, int],
        stop: Mapping[TopicPartition, int],
        keep_reading: Callable[[], bool],
    ) -> Iterable[list[Record]]:
        """The committed records of ``[start, stop)`` of partitions, in chunks.

        ``keep_reading`` is called before each chunk.
        """
        consumer = Consumer(self._config)
        try:
            consumer.assign(
                [
                    self._conversion.to_kafka(partition, max(offset, 0))
                    for partition, offset in start.items()
                ]
            )
            fetcher = Fetcher([consumer], {partition.topic for partition in start})
            unfinished = {partition for partition in start if start[partition] < stop[partition]}
            while unfinished and keep_reading():
                records, finished = self._chunk(fetcher, stop)
                unfinished -= finished
                yield records
        finally:
            consumer.close()

    def read_all(self, partition: TopicPartition) -> Iterable[Record]:
        """Every record of a partition, after the open transactions in it have ended.

        A committed offset may be visible before the records committed with it. So the records up
        to the high watermark are read, not only those up to the last stable offset.
        """
        stop = {partition: self._high_watermark(partition)}
        for records in self.read({partition: 0}, stop, lambda: True):
            yield from records

    def _chunk(
        self, fetcher: Fetcher, stop: Mapping[TopicPartition, int]
    ) -> tuple[list[Record], set[TopicPartition]]:
        """The next records before ``stop``, and the partitions that have reached it."""
        records, finished = [], set()
        for message in fetcher.fetch(CONSUME_S):
            partition = self._conversion.source(message)
            error, offset = message.error(), int(message.offset() or 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                name = self._settings.topic(partition.topic)
                raise translated(self._settings, error, Right(READ, TOPIC, name))
            if offset >= stop[partition] - (error is None):
                finished.add(partition)
            if error is None and offset < stop[partition]:
                records.append(self._conversion.record(message))
        return records, finished

    def _high_watermark(self, partition: TopicPartition) -> int:
        """The end of a partition, with the records of open transactions."""
        consumer = Consumer({**self._config, "isolation.level": "read_uncommitted"})
        try:
            at = self._conversion.to_kafka(partition)
            return int(consumer.get_watermark_offsets(at, timeout=TIMEOUT_S)[1])
        finally:
            consumer.close()
