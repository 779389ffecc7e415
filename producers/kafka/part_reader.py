"""Reads single messages of a topic, by their offsets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

from confluent_kafka import KafkaError, Message, TopicPartition

from driftline.settings import Settings
from producers.kafka.errors import RETRIABLE, KafkaUnavailable
from producers.kafka.rights import READ, TOPIC, MissingRight, Right, refusal

STALL_TIMEOUT_S = 60.0

Place = tuple[int, int]  # partition, offset


class PartReader:
    """Reads with a consumer that has nothing else assigned."""

    def __init__(self, settings: Settings, consumer: Any, topic: str) -> None:
        self._settings, self._consumer, self._topic = settings, consumer, topic

    def read(self, places: Iterable[Place]) -> dict[Place, bytes]:
        """The values at these places. Compaction may have removed some of them.

        Raises ``KafkaUnavailable`` if nothing is read for ``STALL_TIMEOUT_S``.
        """
        found: dict[Place, bytes] = {}
        try:
            for partition, offsets in _runs(places):
                found.update(self._read_run(partition, offsets))
        finally:
            self._consumer.unassign()
        return found

    def _read_run(self, partition: int, offsets: range) -> Iterator[tuple[Place, bytes]]:
        self._consumer.assign([TopicPartition(self._topic, partition, offsets.start)])
        progress_s, next_offset = time.monotonic(), offsets.start
        while next_offset < offsets.stop:
            messages = self._consumer.consume(offsets.stop - next_offset, timeout=0.1)
            found = [message for message in messages if message.error() is None]
            yield from ((position_of(message), message.value() or b"") for message in found)
            if any(map(self._is_end, messages)):
                return
            if found:
                progress_s, next_offset = time.monotonic(), position_of(found[-1])[1] + 1
            elif time.monotonic() - progress_s > STALL_TIMEOUT_S:
                raise KafkaUnavailable(
                    f"nothing could be read from {self._topic} for {STALL_TIMEOUT_S:.0f} s"
                )

    def _is_end(self, message: Message) -> bool:
        error = message.error()
        if error is None or error.code() in RETRIABLE:
            return False
        if error.code() == KafkaError._PARTITION_EOF:
            return True
        raise unreadable(self._settings, self._topic, error)


def unreadable(
    settings: Settings, topic: str, error: KafkaError
) -> KafkaUnavailable | MissingRight:
    """The exception to raise for ``error`` in place of a message."""
    refused = refusal(settings, error, Right(READ, TOPIC, topic))
    return refused or KafkaUnavailable(f"{topic} cannot be read: {error.str()}")


def position_of(message: Message) -> Place:
    """Partition and offset. Only messages that were not sent yet have none."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def _runs(places: Iterable[Place]) -> Iterator[tuple[int, range]]:
    """Places as partitions with consecutive offsets."""
    run: tuple[int, range] | None = None
    for partition, offset in sorted(places):
        if run is not None and run == (partition, range(run[1].start, offset)):
            run = (partition, range(run[1].start, offset + 1))
            continue
        if run is not None:
            yield run
        run = (partition, range(offset, offset + 1))
    if run is not None:
        yield run
