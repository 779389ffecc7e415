"""Detects records that the embedded broker dropped before they were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from consumers.kafka.errors import RecordsLost
from consumers.messages.records import Record, TopicPartition


class LossDetector:
    """Follows the offsets of partitions. For the embedded broker only."""

    def __init__(self, first_offset: Callable[[TopicPartition], int]) -> None:
        self._first_offset = first_offset
        self._expected: dict[TopicPartition, int] = {}

    def check(self, records: Sequence[Record]) -> None:
        """Raises ``RecordsLost``.

        Transaction markers leave gaps as well: records are lost only if the oldest offset that is
        left lies behind the expected one.
        """
        for record in records:
            partition = record.topic_partition
            expected = self._expected.get(partition, record.offset)
            if record.offset > expected and self._first_offset(partition) > expected:
                raise RecordsLost(
                    f"{record.offset - expected} records of {record.topic}-{record.partition} fell"
                    " out of the embedded broker before they were read: simulate at a lower"
                    " --speed, or use a real Kafka with --kafka"
                )
            self._expected[partition] = record.offset + 1
