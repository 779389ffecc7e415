"""Reads a whole topic, and what is appended to it later, on request."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from driftline.settings import Settings
from producers.kafka.configuration import create_client, groupless_reader_config
from producers.kafka.errors import RETRIABLE, KafkaUnavailable
from producers.kafka.metadata import metadata, unavailable
from producers.kafka.part_reader import STALL_TIMEOUT_S, position_of, unreadable
from producers.kafka.rights import READ, TOPIC, Right

LOOK_UP_TIMEOUT_S = 10.0
LOOK_UP_INTERVAL_S = 1.0  # for a topic that does not exist yet
READ_AT_ONCE = 20  # messages; together with the queue they bound the memory of large ones


def reader_config(settings: Settings) -> dict[str, Any]:
    # The end of a partition is only reported in an empty answer, so these come soon.
    short = {"fetch.wait.max.ms": 100, "queued.max.messages.kbytes": 16_384}
    return {**groupless_reader_config(settings), **short}


class TopicFollower:
    """Passes each message to ``take``, of every partition from its beginning.

    ``look_up_consumer`` has to have nothing assigned. A topic that does not exist yet is empty.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        look_up_consumer: Any,
        take: Callable[[Message], None],
    ) -> None:
        self._settings, self._topic, self._take_message = settings, topic, take
        self._needed = Right(READ, TOPIC, topic)
        self._consumer = create_client(Consumer, reader_config(settings))
        self._look_up_consumer = look_up_consumer
        self._positions: dict[int, int] = {}  # by partition: all before this offset was read
        self._looked_up_s = float("-inf")

    def close(self) -> None:
        self._consumer.close()

    def refresh(self) -> None:
        """Read what has arrived, without waiting for more."""
        if not self._positions and time.monotonic() - self._looked_up_s > LOOK_UP_INTERVAL_S:
            self._find_partitions()
        while messages := self._consumer.consume(READ_AT_ONCE, timeout=0):
            self._take(messages)

    def catch_up(self) -> None:
        """Read everything that was published before this call.

        Raises ``KafkaUnavailable`` if nothing is read for ``STALL_TIMEOUT_S``.
        """
        self._find_partitions()
        ends = {partition: self._end(partition) for partition in self._positions}
        progress_s = time.monotonic()
        while any(self._positions[partition] < end for partition, end in ends.items()):
            messages = self._consumer.consume(READ_AT_ONCE, timeout=0.1)
            if self._take(messages):
                progress_s = time.monotonic()
            elif time.monotonic() - progress_s > STALL_TIMEOUT_S:
                raise KafkaUnavailable(
                    f"nothing could be read from {self._topic} for {STALL_TIMEOUT_S:.0f} s,"
                    " before its end"
                )

    def _find_partitions(self) -> None:
        self._looked_up_s = time.monotonic()
        topics = metadata(self._look_up_consumer, self._settings, self._topic, READ).topics
        partitions = topics[self._topic].partitions
        if set(partitions) <= set(self._positions):
            return
        for partition in partitions:
            self._positions.setdefault(partition, 0)
        self._consumer.assign(
            [
                TopicPartition(self._topic, partition, offset or OFFSET_BEGINNING)
                for partition, offset in self._positions.items()
            ]
        )

    def _end(self, partition: int) -> int:
        """The current end of a partition: the offset after its last committed record."""
        at = TopicPartition(self._topic, partition)
        deadline_s = time.monotonic() + LOOK_UP_TIMEOUT_S
        while True:
            try:
                watermarks = self._look_up_consumer.get_watermark_offsets(
                    at, timeout=LOOK_UP_TIMEOUT_S
                )
                return int(watermarks[1])
            except KafkaException as error:
                if error.args[0].code() not in RETRIABLE or time.monotonic() > deadline_s:
                    raise unavailable(self._settings, error, self._needed) from error
            time.sleep(0.1)

    def _take(self, messages: list[Message]) -> bool:
        """Whether a position has moved."""
        before = dict(self._positions)
        for message in messages:
            error, (partition, offset) = message.error(), position_of(message)
            if error is None:
                self._take_message(message)
                self._positions[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                # Transaction markers occupy offsets that have no message.
                self._positions[partition] = offset
            elif error.code() not in RETRIABLE:
                raise unreadable(self._settings, self._topic, error)
        return self._positions != before
