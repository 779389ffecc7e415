"""A member of one consumer group: its consumer, its partitions, and its group metadata.

The group metadata has the generation of the group, and a commit with another generation is
refused. The client library rejoins the group in the background. But as long as it is a member, the
group gives a partition to another one only after ``consume`` or ``poll`` has revoked it here. So
partitions that were kept are committed with the newest generation. For others it might allow rows
that another worker has counted; they are committed with the generation of their records.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer
from confluent_kafka import Message as KafkaMessage

from consumers.kafka.assignment import Assignment, Positions
from consumers.kafka.configuration import member_config
from consumers.kafka.conversion import Conversion
from consumers.kafka.errors import is_slot_unreleased
from consumers.messages.records import TopicPartition
from driftline.settings import Settings

log = logging.getLogger(__name__)

JOIN_AGAIN_S = 2.0


class Member:
    """It joins its group with ``join``. ``topics`` are short names."""

    def __init__(  # noqa: PLR0913 - identity, topics, and where partitions start
        self,
        settings: Settings,
        group: str,
        instance: str,
        topics: Sequence[str],
        positions: Positions | None,
        on_removed: Callable[[TopicPartition], None],
    ) -> None:
        self.topics, self.group = topics, settings.topic(group)
        self._names = [settings.topic(name) for name in topics]
        self._config = member_config(settings, self.group, instance)
        self.consumer = Consumer(self._config)
        self._metadata: bytes = self.consumer.consumer_group_metadata()  # of the last records
        self._no_generation = self._generation(self._metadata)
        self.assignment = Assignment(self.consumer, Conversion(settings), positions, on_removed)

    def join(self) -> None:
        self.assignment.subscribe(self.consumer, self._names)

    def consume(self, most: int, timeout: float) -> list[KafkaMessage]:
        """Records and events, with rebalances meanwhile. Takes the group metadata with them."""
        messages = self.consumer.consume(most, timeout=timeout)
        if len(messages) == 1 and is_slot_unreleased(messages[0].error()):
            self._join_again()
            return []
        self.take_group_metadata()
        return messages

    def take_group_metadata(self) -> None:
        self._metadata = self.consumer.consumer_group_metadata()

    def metadata_to_commit(self, partitions: Iterable[TopicPartition]) -> bytes:
        """The group metadata for a commit of these partitions."""
        newest: bytes = self.consumer.consumer_group_metadata()
        is_member = self._generation(newest) != self._no_generation
        kept = is_member and all(map(self.assignment.keeps, partitions))
        return newest if kept else self._metadata

    def _generation(self, metadata: bytes) -> bytes:
        """It comes before the name of the group; if it did not, no newest one would be used."""
        return metadata.partition(self.group.encode())[0]

    def close(self) -> None:
        self.assignment.closing = True
        self.consumer.close()

    def _join_again(self) -> None:
        """With another consumer: the client library regards the refusal as final.

        With the protocol ``consumer``, a killed worker is a member until its session ends. Until
        then the group does not admit another one in its slot.
        """
        log.warning("an earlier worker in this slot is still a member of its group: joining again")
        self.consumer.close()
        time.sleep(JOIN_AGAIN_S)
        self.consumer = Consumer(self._config)
        self.join()
