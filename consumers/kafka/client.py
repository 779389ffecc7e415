"""The members of consumer groups and the transactional producer of a worker, as roles use them.

Theory of operation
-------------------
A worker is a member of each group of its role, see ``groups_of``. Everything happens on one thread
in one order: poll, handle, then one transaction with the output and the offsets of all groups.
Rebalances are served inside ``poll`` only, when no transaction is open, so a partition that is
revoked was committed before. Assigned partitions are paused until the role has caught up with
their committed offset, and are read from exactly there.

A rebalance that leaves a worker the partitions of its batch does not abort its transaction, see
``Member``.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from consumers.kafka.assignment import Positions
from consumers.kafka.configuration import TIMEOUT_S
from consumers.kafka.consumer_groups import groups_of
from consumers.kafka.conversion import Conversion
from consumers.kafka.errors import rights_to_read, translated
from consumers.kafka.fetched_records import FetchedRecords, Fetcher, by_partition, record_block
from consumers.kafka.idle_detector import IdleDetector
from consumers.kafka.log_reader import LogReader
from consumers.kafka.loss_detector import LossDetector
from consumers.kafka.member import Member
from consumers.kafka.partition_counts import PartitionCounts
from consumers.kafka.transactional_producer import TransactionalProducer
from consumers.kafka.unreadable_records import UnreadableRecord, is_unreadable
from consumers.messages.positions import offset_messages
from consumers.messages.records import (
    CommittedOffset,
    Output,
    Record,
    RecordBlock,
    TopicPartition,
    is_source,
)
from driftline.settings import Settings
from producers.kafka.configuration import client_config

CLOSE_S = 10.0  # close() of the client library may block for ever; nothing is lost by not waiting


class Client:
    """A worker's membership in the groups of its role.

    ``positions``, if given, returns the offsets to start from instead of Kafka's committed
    offsets, and no transaction is begun: a ``SinkRole`` keeps its offsets itself. ``gapless`` is
    for the embedded broker, which drops records that are not read in time: it makes this an error.
    """

    def __init__(  # noqa: PLR0913 - identity, topics, and two rare options
        self,
        settings: Settings,
        role: str,
        slot: int,
        reads: Sequence[str],
        *,
        positions: Positions | None = None,
        gapless: bool = False,
    ) -> None:
        self._settings, worker = settings, f"{role}-{slot}"
        self._conversion = Conversion(settings)
        self._members = [
            Member(settings, group, worker, topics, positions, lambda at: self._idle.remove(at))
            for group, topics in groups_of(role, reads).items()
        ]
        self._groups = [member.group for member in self._members]
        self._fetcher = Fetcher(self._members, reads)
        self._idle = IdleDetector(self._members[0], self._conversion)
        self._counts = PartitionCounts(settings, self._members[0])
        self._log_reader = LogReader(settings, settings.topic(role), self._conversion)
        self._losses = LossDetector(self.first_offset) if gapless else None
        self._producer = (
            TransactionalProducer(settings, settings.topic(worker), self._groups)
            if positions is None
            else None
        )
        for topic in reads:
            self.partitions(topic)
        for member in self._members:
            member.join()

    def recover_with(self, positions: Positions) -> None:
        """Start from ``positions`` where the group has no offset or a smaller one.

        Kafka forgets a group that is empty for long, and somebody may reset its offsets. To be
        called before the first ``poll``.
        """
        for member in self._members:
            member.assignment.recover = positions

    # -- reading -------------------------------------------------------------------------------

    def poll(self, seconds: float) -> FetchedRecords:
        """The records of ``seconds``, of partitions still owned. Call ``take_rebalance`` next."""
        messages = self._fetcher.fetch(seconds)
        events = [message for message in messages if message.error() is not None]
        if events:
            messages = [message for message in messages if message.error() is None]
            messages += self._skipped(events)
        records = FetchedRecords(self._blocks(messages))
        self._follow(records, events)
        if self._losses is not None:
            self._losses.check(records)
        return records

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        """Partitions assigned, still paused, and partitions lost, since the last call."""
        assigned: dict[TopicPartition, CommittedOffset] = {}
        lost: set[TopicPartition] = set()
        for member in self._members:
            own_assigned, own_lost = member.assignment.take_rebalance()
            assigned |= own_assigned
            lost |= own_lost
        return assigned, lost

    def pause_all(self) -> None:
        """Pause all partitions, so that ``keep_alive`` can poll without reading a record."""
        for member in self._members:
            member.assignment.pause_all()

    def resume_all(self) -> None:
        """Resume all partitions. Records polled before belong to partitions still owned."""
        for member in self._members:
            member.take_group_metadata()
            member.assignment.resume_all()

    def hold(self, topics: frozenset[str]) -> None:
        """Do not read these topics until the next call."""
        for member in self._members:
            member.assignment.hold(topics)

    def idle_partitions(self, seconds: float) -> dict[TopicPartition, int]:
        """Partitions without new records for ``seconds``, with their end offset.

        Empty between look-ups, which happen four times in ``seconds``.
        """
        return self._idle.idle(seconds)

    def keep_alive(self) -> bool:
        """Poll while everything is paused. False if a partition was lost."""
        for member in self._members:
            member.consumer.poll(0)
        return not any(member.assignment.lost for member in self._members)

    def resume_unless_rebalanced(self) -> None:
        """Resume after ``keep_alive``. After a rebalance, ``take_rebalance`` comes first."""
        if not any(member.assignment.rebalanced for member in self._members):
            self.resume_all()

    # -- committing ----------------------------------------------------------------------------

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        """One transaction. Raises ``TransactionAborted`` if it had no effect.

        After any other error it is unknown whether it was committed: a restart settles it.
        """
        assert self._producer is not None
        by_member: dict[Member, list[TopicPartition]] = defaultdict(list)
        for partition in next_offsets:
            by_member[self._member(partition.topic)].append(partition)
        to_kafka = self._conversion.to_kafka
        offsets = [
            (member.metadata_to_commit(own), [to_kafka(at, next_offsets[at]) for at in own])
            for member, own in by_member.items()
        ]
        own = offset_messages(next_offsets, self.partitions)
        self._producer.commit([*output.messages, *own], offsets)

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        """Pause all partitions and seek to their committed offsets; ``resume_all`` reads on."""
        self._idle.rewound()
        committed: dict[TopicPartition, CommittedOffset] = {}
        for member in self._members:
            committed |= member.assignment.rewind()
        return committed

    # -- the log and the cluster ---------------------------------------------------------------

    def read(
        self,
        start: Mapping[TopicPartition, int],
        stop: Mapping[TopicPartition, int],
        keep_reading: Callable[[], bool],
    ) -> Iterable[list[Record]]:
        """The committed records of ``[start, stop)`` of partitions, whichever member owns them.

        ``keep_reading`` is called before each chunk; it keeps the membership alive, and can stop.
        """
        return self._log_reader.read(start, stop, keep_reading)

    def read_all(self, partition: TopicPartition) -> Iterable[Record]:
        """Every record of a partition, after the open transactions in it have ended."""
        return self._log_reader.read_all(partition)

    def partitions(self, topic: str) -> int:
        """The partition count of a topic, at most 30 s old. Raises ``MissingTopic``."""
        return self._counts.count(topic)

    def first_offset(self, partition: TopicPartition) -> int:
        """The oldest offset that retention has left."""
        at = self._conversion.to_kafka(partition)
        consumer = self._members[0].consumer
        return int(consumer.get_watermark_offsets(at, timeout=TIMEOUT_S)[0])

    def end_offset(self, partition: TopicPartition, read: int) -> int | None:
        """The end of a partition as the consumer last knew it; None if it does not know it.

        ``read`` is the next offset for the role. At its end, a partition has no more records.
        """
        try:
            at = self._conversion.to_kafka(partition)
            consumer = self._member(partition.topic).consumer
            _, high = consumer.get_watermark_offsets(at, cached=True)
        except KafkaException:
            return None
        return self._idle.end_of_records(partition, int(high), read) if high >= 0 else None

    def cluster_id(self) -> str:
        return str(self._members[0].consumer.list_topics(timeout=TIMEOUT_S).cluster_id)

    def topic_id(self, topic: str) -> str:
        """Unique, also for topics that reuse a name. The embedded broker has no such ids."""
        if self._losses is not None:
            return "embedded"
        name = self._settings.topic(topic)
        admin = AdminClient(client_config(self._settings, {}))
        described = admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
        uuid = described[name].result().topic_id
        bits = (uuid.get_most_significant_bits(), uuid.get_least_significant_bits())
        return "".join(f"{half % 2**64:016x}" for half in bits)

    def close(self) -> None:
        """A static member does not leave its group: its slot is kept for one more session."""
        threads = [Thread(target=member.close, daemon=True) for member in self._members]
        try:
            self.keep_alive()  # with a pending rebalance, closing may block for ever
        finally:
            for thread in threads:
                thread.start()
            until_s = time.monotonic() + CLOSE_S
            for thread in threads:
                thread.join(max(0.0, until_s - time.monotonic()))

    # -- helpers -------------------------------------------------------------------------------

    def _member(self, topic: str) -> Member:
        return next(member for member in self._members if topic in member.topics)

    def _keeps(self, partition: TopicPartition) -> bool:
        return self._member(partition.topic).assignment.keeps(partition)

    def _blocks(self, messages: Sequence[KafkaMessage]) -> Iterable[RecordBlock]:
        """Without those of partitions that were lost."""
        for (topic, number), of_source in by_partition(messages).items():
            source = self._conversion.partition(topic, number)
            if self._keeps(source):
                yield record_block(source, of_source, self._conversion, self._fetcher.sizes)

    def _skipped(self, events: Iterable[KafkaMessage]) -> Iterable[Any]:
        """What stands for records of the source topics that cannot be read. Seeks behind them."""
        offsets: dict[TopicPartition, int] = {}
        for event in filter(is_unreadable, events):
            source = self._conversion.source(event)
            if is_source(source.topic) and source not in offsets and self._keeps(source):
                record = UnreadableRecord(event)
                offsets[source] = record.offset()
                behind = self._conversion.to_kafka(source, record.offset() + 1)
                self._member(source.topic).consumer.seek(behind)
                yield record

    def _follow(self, records: FetchedRecords, events: Iterable[KafkaMessage]) -> None:
        """Raises the error among ``events``; all others are ends of partitions."""
        next_offsets = {block.source: block.next_offset for block in records.blocks}
        for source, next_offset in next_offsets.items():
            self._idle.record_read(source, next_offset)
        for event in events:
            error = event.error()
            if is_unreadable(event) and is_source(self._conversion.source(event).topic):
                continue
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                needed = rights_to_read(event.topic(), self._groups)
                raise translated(self._settings, error, *needed)
            source, end = self._conversion.source(event), int(event.offset() or 0)
            # Records that were read after the end was reached lie behind it.
            if self._keeps(source) and end >= next_offsets.get(source, 0):
                self._idle.end_reached(source, end)
