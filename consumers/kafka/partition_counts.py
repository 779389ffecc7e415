"""How many partitions topics have, cached for a while."""

from __future__ import annotations

import time

from confluent_kafka import Consumer

from consumers.kafka.configuration import TIMEOUT_S
from driftline.settings import Settings
from producers.kafka.errors import MissingTopic

REFRESH_S = 30.0


class PartitionCounts:
    """The partition count of each topic, looked up again after 30 s."""

    def __init__(self, settings: Settings, consumer: Consumer) -> None:
        self._settings, self._consumer = settings, consumer
        self._counts: dict[str, tuple[float, int]] = {}  # by topic: when it was looked up, count

    def count(self, topic: str) -> int:
        """Raises ``MissingTopic``. A count never shrinks: a broker may not know a topic yet."""
        looked_up_s, last = self._counts.get(topic, (float("-inf"), 0))
        if time.monotonic() - looked_up_s < REFRESH_S:
            return last
        count = max(self._look_up(topic), last)
        if count == 0:
            name = self._settings.topic(topic)
            raise MissingTopic(f"there is no topic {name!r}: run `driftline topics create` first")
        self._counts[topic] = (time.monotonic(), count)
        return count

    def _look_up(self, topic: str) -> int:
        name = self._settings.topic(topic)
        metadata = self._consumer.list_topics(name, timeout=TIMEOUT_S).topics.get(name)
        return len(metadata.partitions) if metadata is not None and metadata.error is None else 0
