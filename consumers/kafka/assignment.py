"""The partitions that a member of a consumer group owns, and the rebalances that change them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from consumers.kafka.configuration import TIMEOUT_S
from consumers.kafka.conversion import Conversion
from consumers.messages.records import CommittedOffset, TopicPartition

log = logging.getLogger(__name__)

# The positions of partitions that are kept outside of the group.
Positions = Callable[[Sequence[TopicPartition]], Mapping[TopicPartition, int]]


@dataclass
class _Rebalance:
    """Changes since the last call of ``take_rebalance``."""

    assigned: dict[TopicPartition, CommittedOffset] = field(default_factory=dict)
    lost: set[TopicPartition] = field(default_factory=set)


class Assignment:
    """Owned partitions. Assigned ones are paused at their committed offset or position."""

    def __init__(
        self,
        consumer: Consumer,
        conversion: Conversion,
        positions: Positions | None,
        on_removed: Callable[[TopicPartition], None],
    ) -> None:
        """``on_removed`` is called for each partition that is revoked or lost."""
        self._consumer, self._conversion = consumer, conversion
        self._positions, self._on_removed = positions, on_removed
        self.recover: Positions | None = None  # where the group has no offset or a smaller one
        self._owned: set[TopicPartition] = set()
        self._rebalance = _Rebalance()
        self._held: frozenset[str] = frozenset()  # topics that are not to be read now
        self.closing = False

    def subscribe(self, consumer: Consumer, topics: list[str]) -> None:
        """Join the group with ``consumer``, which replaces one that was not admitted."""
        self._consumer = consumer
        consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        """Partitions assigned, and partitions lost, since the last call."""
        rebalance, self._rebalance = self._rebalance, _Rebalance()
        return rebalance.assigned, rebalance.lost

    @property
    def lost(self) -> set[TopicPartition]:
        """Partitions lost since the last call of ``take_rebalance``."""
        return self._rebalance.lost

    @property
    def rebalanced(self) -> bool:
        """Whether the next ``take_rebalance`` returns anything."""
        return bool(self._rebalance.assigned or self._rebalance.lost)

    def keeps(self, partition: TopicPartition) -> bool:
        """Whether a partition was owned all the time since the last ``take_rebalance``."""
        return partition in self._owned and partition not in self.lost

    def pause_all(self) -> None:
        self._consumer.pause(self._all())

    def resume_all(self) -> None:
        """All but those of topics that are held."""
        self._consumer.resume(self._all(lambda topic: topic not in self._held))

    def hold(self, topics: frozenset[str]) -> None:
        """From now on do not read these topics, by their short names, and read the others."""
        released, added = self._held - topics, topics - self._held
        self._held = topics
        if added:
            self._consumer.pause(self._all(lambda topic: topic in added))
        if released:
            self._consumer.resume(self._all(lambda topic: topic in released))

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        """Pause all partitions and seek to their committed offsets."""
        self.pause_all()
        committed = self._committed(self._all())
        for partition, at in committed.items():
            self._consumer.seek(self._conversion.to_kafka(partition, at.next_offset))
        return committed

    def _all(self, is_meant: Callable[[str], bool] = lambda _: True) -> list[KafkaPartition]:
        """The owned partitions of the topics that are meant."""
        meant = [partition for partition in self._owned if is_meant(partition.topic)]
        return [self._conversion.to_kafka(partition) for partition in meant]

    # -- callbacks, called inside poll ---------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        if self.closing:  # the coordinator does not return offsets any more
            consumer.incremental_assign(partitions)
            return
        committed = self._committed(partitions)
        starts = [
            self._conversion.to_kafka(partition, at.next_offset)
            for partition, at in committed.items()
        ]
        consumer.incremental_assign(starts)
        if starts:
            consumer.pause(starts)
        self._owned |= set(committed)
        self._rebalance.assigned.update(committed)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        for partition in map(self._conversion.from_kafka, partitions):
            self._owned.discard(partition)
            self._on_removed(partition)
            self._rebalance.assigned.pop(partition, None)
            self._rebalance.lost.add(partition)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        log.warning("lost %d partitions: the group continued without this member", len(partitions))
        self._on_revoke(consumer, partitions)

    # -- offsets -------------------------------------------------------------------------------

    def _committed(self, partitions: list[KafkaPartition]) -> dict[TopicPartition, CommittedOffset]:
        """Where to start each partition: at its position, if there are positions."""
        if not partitions:
            return {}
        if self._positions is not None:
            owned = [self._conversion.from_kafka(partition) for partition in partitions]
            positions = self._positions(owned)
            return {
                partition: CommittedOffset(positions.get(partition, OFFSET_BEGINNING))
                for partition in owned
            }
        return self._committed_in_kafka(partitions)

    def _committed_in_kafka(
        self, partitions: list[KafkaPartition]
    ) -> dict[TopicPartition, CommittedOffset]:
        answers = self._consumer.committed(
            [KafkaPartition(p.topic, p.partition) for p in partitions], timeout=TIMEOUT_S
        )
        for answer in answers:
            if answer.error:
                raise KafkaException(answer.error)
        offsets = {self._conversion.from_kafka(answer): int(answer.offset) for answer in answers}
        offsets |= self._recovered(offsets)
        return {
            partition: CommittedOffset(offset if offset >= 0 else OFFSET_BEGINNING)
            for partition, offset in offsets.items()
        }

    def _recovered(self, committed: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Positions that lie behind the offsets of the group, which it has lost.

        A position behind the end of its partition belongs to an earlier topic of that name.
        """
        if self.recover is None:
            return {}
        found = {
            partition: position
            for partition, position in self.recover(list(committed)).items()
            if position > committed[partition] and position <= self._end(partition)
        }
        for partition, position in found.items():
            log.warning(
                "the group has lost its offset of %s: going on from the position, %d",
                partition.name,
                position,
            )
        return found

    def _end(self, partition: TopicPartition) -> int:
        at = self._conversion.to_kafka(partition)
        return int(self._consumer.get_watermark_offsets(at, timeout=TIMEOUT_S)[1])
