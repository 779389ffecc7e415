"""Records that the client library cannot decompress: damaged, or they would inflate beyond limits.

The library reports an error at their offset and tries again, for ever. They are passed on as
records without a value, which become dead letters, and reading goes on behind them.
"""

from __future__ import annotations

import logging

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError
from confluent_kafka import Message as KafkaMessage

from driftline.clock import wall_clock_ms

log = logging.getLogger(__name__)


def is_unreadable(event: KafkaMessage) -> bool:
    """Whether an error event says that the record at its offset cannot be decompressed."""
    error = event.error()
    return error is not None and error.code() == KafkaError._BAD_COMPRESSION


class UnreadableRecord:
    """Stands for such a record, where a message of the client library is expected."""

    def __init__(self, event: KafkaMessage) -> None:
        self._event = event
        log.warning(
            "%s/%s: the record at offset %s is skipped: %s",
            *(event.topic(), event.partition(), event.offset(), event.error()),
        )

    def topic(self) -> str | None:
        return self._event.topic()

    def partition(self) -> int | None:
        return self._event.partition()

    def offset(self) -> int:
        return int(self._event.offset() or 0)

    def error(self) -> None:
        return None

    def key(self) -> None:
        return None

    def value(self) -> None:
        return None

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        """The clock of this worker: the event has no time."""
        return TIMESTAMP_LOG_APPEND_TIME, wall_clock_ms()

    def __len__(self) -> int:
        return 0
