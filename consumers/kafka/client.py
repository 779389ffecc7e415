"""A member of a consumer group with its transactional producer, as the roles use it.

Theory of operation
-------------------
Everything happens on one thread in one order: poll, handle, then one transaction with the output
and the offsets. Rebalances are served inside ``poll`` only, when no transaction is open, so a
partition that is revoked was committed before. Assigned partitions are paused until the role has
caught up with their committed offset, and are read from exactly there.

The group metadata is taken with the batch: taken at the commit, it would let a worker commit rows
of partitions that it has just lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Thread
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from consumers.kafka.assignment import Assignment, Positions
from consumers.kafka.configuration import TIMEOUT_S, consumer_config
from consumers.kafka.conversion import Conversion
from consumers.kafka.errors import translated
from consumers.kafka.fetched_records import FetchedRecords, Fetcher, by_partition, record_block
from consumers.kafka.idle_detector import IdleDetector
from consumers.kafka.log_reader import LogReader
from consumers.kafka.loss_detector import LossDetector
from consumers.kafka.partition_counts import PartitionCounts
from consumers.kafka.transactional_producer import TransactionalProducer
from consumers.messages.records import CommittedOffset, Output, Record, RecordBlock, TopicPartition
from driftline.settings import Settings
from producers.kafka.configuration import client_config

CLOSE_S = 10.0  # close() of the client library may block for ever; nothing is lost by not waiting


class Client:
    """One member of a consumer group.

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
        self._settings, self._sink = settings, positions is not None
        group, member = settings.topic(role), f"{role}-{slot}"
        self._conversion = Conversion(settings)
        self._consumer = Consumer(consumer_config(settings, group, member))
        self._fetcher = Fetcher(self._consumer, reads)
        self._assignment = Assignment(self._consumer, self._conversion, positions)
        self._idle = IdleDetector(self._consumer, self._conversion)
        self._counts = PartitionCounts(settings, self._consumer)
        self._log_reader = LogReader(settings, group, self._conversion)
        self._losses = LossDetector(self.first_offset) if gapless else None
        self._group_metadata: Any = None
        self._producer = (
            None if self._sink else TransactionalProducer(settings, settings.topic(member))
        )
        for topic in reads:
            self.partitions(topic)
        self._assignment.subscribe([settings.topic(name) for name in reads], self._idle.remove)

    def recover_with(self, positions: Positions) -> None:
        """Start from ``positions`` where the group has no offset, for example if Kafka forgot it.

        To be called before the first ``poll``.
        """
        self._assignment.recover = positions

    # -- reading -------------------------------------------------------------------------------

    def poll(self, seconds: float) -> FetchedRecords:
        """The records of ``seconds``, of partitions still owned. Call ``take_rebalance`` next."""
        messages = self._fetcher.fetch(seconds)
        self._take_group_metadata()
        events = [message for message in messages if message.error() is not None]
        if events:
            messages = [message for message in messages if message.error() is None]
        records = FetchedRecords(self._blocks(messages))
        self._follow(records, events)
        if self._losses is not None:
            self._losses.check(records)
        return records

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        """Partitions assigned, still paused, and partitions lost, since the last call."""
        return self._assignment.take_rebalance()

    def pause_all(self) -> None:
        """Pause all partitions, so that ``keep_alive`` can poll without reading a record."""
        self._assignment.pause_all()

    def resume_all(self) -> None:
        """Resume all partitions. Records polled before belong to partitions still owned."""
        self._take_group_metadata()
        self._assignment.resume_all()

    def idle_partitions(self, seconds: float) -> dict[TopicPartition, int]:
        """Partitions without new records for ``seconds``, with their end offset.

        Empty between look-ups, which happen four times in ``seconds``.
        """
        return self._idle.idle(seconds)

    def keep_alive(self) -> bool:
        """Poll while everything is paused. False if a partition was lost."""
        self._consumer.poll(0)
        return not self._assignment.lost

    def resume_unless_rebalanced(self) -> None:
        """Resume after ``keep_alive``. After a rebalance, ``take_rebalance`` comes first."""
        if not self._assignment.rebalanced:
            self.resume_all()

    # -- committing ----------------------------------------------------------------------------

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        """One transaction. Raises ``TransactionAborted`` if it had no effect.

        After any other error it is unknown whether it was committed: a restart settles it.
        """
        assert self._producer is not None
        offsets = [
            self._conversion.to_kafka(partition, offset)
            for partition, offset in next_offsets.items()
        ]
        self._producer.commit(output.messages, offsets, self._group_metadata)

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        """Pause all partitions and seek to their committed offsets; ``resume_all`` reads on."""
        self._idle.rewound()
        return self._assignment.rewind()

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
        return int(self._consumer.get_watermark_offsets(at, timeout=TIMEOUT_S)[0])

    def end_offset(self, partition: TopicPartition) -> int | None:
        """The end of a partition as the consumer last knew it; None if it does not know it."""
        try:
            at = self._conversion.to_kafka(partition)
            _, high = self._consumer.get_watermark_offsets(at, cached=True)
        except KafkaException:
            return None
        return int(high) if high >= 0 else None

    def cluster_id(self) -> str:
        return str(self._consumer.list_topics(timeout=TIMEOUT_S).cluster_id)

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
        try:
            self._consumer.poll(0)  # with a pending rebalance, close() may block for ever
        finally:
            self._assignment.closing = True
            closing = Thread(target=self._consumer.close, daemon=True)
            closing.start()
            closing.join(CLOSE_S)

    # -- helpers -------------------------------------------------------------------------------

    def _take_group_metadata(self) -> None:
        self._group_metadata = None if self._sink else self._consumer.consumer_group_metadata()

    def _blocks(self, messages: Sequence[KafkaMessage]) -> Iterable[RecordBlock]:
        """Without those of partitions that were lost."""
        for (topic, number), of_source in by_partition(messages).items():
            source = self._conversion.partition(topic, number)
            if self._assignment.keeps(source):
                yield record_block(source, of_source, self._conversion)

    def _follow(self, records: FetchedRecords, events: Iterable[KafkaMessage]) -> None:
        """Raises the error among ``events``; all others are ends of partitions."""
        next_offsets = {block.source: block.next_offset for block in records.blocks}
        for source in next_offsets:
            self._idle.record_read(source)
        for event in events:
            error = event.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise translated(error)
            source, end = self._conversion.source(event), int(event.offset() or 0)
            # Records that were read after the end was reached lie behind it.
            if self._assignment.keeps(source) and end >= next_offsets.get(source, 0):
                self._idle.end_reached(source, end)
