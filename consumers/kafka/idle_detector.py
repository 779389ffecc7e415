"""Which partitions are idle: read to their end, and without new records for some time."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from confluent_kafka import OFFSET_END, KafkaException

from consumers.kafka.conversion import Conversion
from consumers.kafka.member import Member
from consumers.messages.records import TopicPartition

log = logging.getLogger(__name__)

LOOK_UP_TIMEOUT_S = 2.0
STALLED_S = 5.0  # a longer gap between look-ups proves nothing about the time between them


class IdleDetector:
    """Compares the end that was read with the end that Kafka reports, again and again."""

    def __init__(self, member: Member, conversion: Conversion) -> None:
        self._member, self._conversion = member, conversion
        self._ends_read: dict[TopicPartition, int] = {}
        self._quiet_since_s: dict[TopicPartition, float] = {}
        self._next_offsets: dict[TopicPartition, int] = {}  # after the newest record that was read
        self._looked_up_s = float("-inf")

    def end_reached(self, partition: TopicPartition, offset: int) -> None:
        self._ends_read[partition] = offset
        self._quiet_since_s.setdefault(partition, time.monotonic())

    def end_of_records(self, partition: TopicPartition, high: int, read: int) -> int:
        """The offset that follows the newest record; ``high``, unless all before it was read.

        Behind the newest record there may be markers of transactions. ``read`` is returned if no
        record was read yet.
        """
        at_end = self._ends_read.get(partition, -1) >= high
        return self._next_offsets.get(partition, read) if at_end else high

    def record_read(self, partition: TopicPartition, next_offset: int) -> None:
        self._next_offsets[partition] = next_offset
        self._ends_read.pop(partition, None)
        self._quiet_since_s[partition] = time.monotonic()

    def remove(self, partition: TopicPartition) -> None:
        self._ends_read.pop(partition, None)
        self._quiet_since_s.pop(partition, None)
        self._next_offsets.pop(partition, None)

    def rewound(self) -> None:
        """Partitions will be read again: none of them is at its end."""
        self._ends_read.clear()
        self._next_offsets.clear()

    def idle(self, seconds: float) -> dict[TopicPartition, int]:
        """The end offset of each partition that was at its end in all look-ups of ``seconds``.

        There are four look-ups in that time. A failed or late one restarts the time, for example
        after an outage. Empty between look-ups.
        """
        now_s, last_s = time.monotonic(), self._looked_up_s
        if now_s - last_s < seconds / 4:
            return {}
        self._looked_up_s = now_s
        stalled = now_s - last_s > max(seconds / 2, STALLED_S)
        ends = {} if stalled else self._look_up_ends(list(self._ends_read))
        for partition, end in self._ends_read.items():
            if ends.get(partition) != end:
                self._quiet_since_s[partition] = now_s
        return {
            partition: end
            for partition, end in self._ends_read.items()
            if now_s - self._quiet_since_s[partition] >= seconds
        }

    def _look_up_ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The end offsets of partitions; without those that could not be looked up."""
        if not partitions:
            return {}
        at_end = [self._conversion.to_kafka(partition, OFFSET_END) for partition in partitions]
        try:
            ends = self._member.consumer.offsets_for_times(at_end, timeout=LOOK_UP_TIMEOUT_S)
        except KafkaException as error:
            log.info("could not look up the ends of %d partitions: %s", len(partitions), error)
            return {}
        return {self._conversion.from_kafka(end): end.offset for end in ends if end.error is None}
