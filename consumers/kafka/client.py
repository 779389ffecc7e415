"""The only module of the consumers that knows the Kafka client.

Theory of operation
-------------------
Everything happens on one thread, in one order: poll, handle, then one transaction with the outputs
and the offsets. Rebalances are served inside ``poll`` alone, when no transaction is open, so a
partition that is taken away was committed before. Partitions that arrive are paused until the role
has caught up with their committed offset, and start exactly there.

The group's metadata is taken with the batch: taken afresh at the commit, it would let a worker
commit rows of partitions that it has just lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
)
from confluent_kafka import Message as KafkaMessage
from confluent_kafka import (
    TopicPartition as KafkaPartition,
)
from confluent_kafka.admin import AdminClient

from consumers.messages.records import (
    CommittedOffset,
    Headers,
    Message,
    Output,
    Record,
    TopicPartition,
)
from driftline.errors import Trouble
from driftline.settings import Settings
from producers.kafka.profile_table import client_config

log = logging.getLogger(__name__)

BATCH = 5_000  # records: bounds the size of a transaction
TIMEOUT_S = 30.0
CLOSE_S = 10.0  # the client has been seen to wait for ever; nothing is lost by not waiting
LOOK_S = 2.0  # patience with a broker that is asked for the ends of partitions
STALLED_S = 5.0  # without a look-up: too long to say that nothing came meanwhile
REFRESH_S = 30.0  # how long the number of partitions of a topic is believed
TRANSACTION_MS = SESSION_MS = 10_000
_SHUT_OUT = {
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError.INVALID_PRODUCER_EPOCH,
    KafkaError.PRODUCER_FENCED,
    KafkaError._FENCED,
}


class TransactionAborted(Exception):
    """The transaction took no effect and nothing of it is visible: go on from what is committed."""


class TransactionUnsettled(Trouble):
    """Whether a transaction took effect is decided when its worker starts anew."""


class MissingTopic(Trouble):
    """A topic that a role needs does not exist."""


class SlotTaken(Trouble):
    """Another process works under the same role and slot, and this one is shut out."""


class RecordsLost(Trouble):
    """Records that the embedded broker dropped before they were read."""


@dataclass
class _Changes:
    """What rebalances have done since the last poll returned."""

    gained: dict[TopicPartition, CommittedOffset] = field(default_factory=dict)
    lost: set[TopicPartition] = field(default_factory=set)


class Client:
    """One member of a consumer group, with its transactional producer.

    ``positions``, if given, says where to start instead of Kafka's committed offsets: the database
    of ``store`` rules, and no transaction is ever begun. ``gapless`` is for the embedded broker,
    which drops what is not read in time, and says so then.
    """

    def __init__(  # noqa: PLR0913 - who it is, what it reads, and two rare ways of reading
        self,
        settings: Settings,
        role: str,
        slot: int,
        reads: Sequence[str],
        *,
        positions: Callable[[Sequence[TopicPartition]], Mapping[TopicPartition, int]] | None = None,
        gapless: bool = False,
    ) -> None:
        self._settings, self._positions = settings, positions
        self._following: dict[TopicPartition, int] | None = {} if gapless else None
        self._prefix = settings.kafka.prefix
        self._group = f"{self._prefix}.{role}"
        self._changes = _Changes()
        self._owned: set[TopicPartition] = set()
        self._ended: dict[
            TopicPartition, int
        ] = {}  # offset at which the end of a partition was met
        self._quiet_since: dict[TopicPartition, float] = {}
        self._looked_at = float("-inf")  # when the ends were last looked up
        self._metadata: Any = None
        self._closing = False
        self._partitions: dict[str, tuple[float, int]] = {}
        self._consumer = Consumer(self._consumer_config(self._group, f"{role}-{slot}"))
        self._producer = None if positions else self._transactional(f"{self._prefix}.{role}-{slot}")
        topics = [settings.topic(name) for name in reads]
        for name in reads:
            self.partitions(name)
        self._consumer.subscribe(
            topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def partitions(self, topic: str) -> int:
        """How many partitions a topic has, looked up anew every 30 s. Raises ``MissingTopic``."""
        looked_at, known = self._partitions.get(topic, (float("-inf"), 0))
        if time.monotonic() - looked_at < REFRESH_S:
            return known
        name = self._settings.topic(topic)
        found = self._consumer.list_topics(name, timeout=TIMEOUT_S).topics.get(name)
        number = len(found.partitions) if found is not None and found.error is None else 0
        if max(number, known) == 0:
            raise MissingTopic(f"there is no topic {name!r}: run `driftline topics create` first")
        self._partitions[topic] = (time.monotonic(), max(number, known))
        return max(number, known)

    def cluster_id(self) -> str:
        return str(self._consumer.list_topics(timeout=TIMEOUT_S).cluster_id)

    def topic_id(self, topic: str) -> str:
        """Differs from that of a deleted topic of the same name. The embedded broker has none."""
        if self._following is not None:
            return "embedded"
        name = self._settings.topic(topic)
        admin = AdminClient(client_config(self._settings, {}))
        asked = admin.describe_topics(TopicCollection([name]), request_timeout=TIMEOUT_S)
        uuid = asked[name].result().topic_id
        bits = (uuid.get_most_significant_bits(), uuid.get_least_significant_bits())
        return "".join(f"{half % 2**64:016x}" for half in bits)

    def poll(self, seconds: float) -> list[Record]:
        """What came in ``seconds``, of partitions still owned. Call ``take_rebalance`` after it."""
        messages = self._consumer.consume(BATCH, timeout=seconds)
        self._take_metadata()
        records = [r for m in messages if (r := self._record(m)) is not None]
        if self._following is not None:
            self._refuse_losses(self._following, records)
        return records

    def take_rebalance(self) -> tuple[dict[TopicPartition, CommittedOffset], set[TopicPartition]]:
        """Partitions gained, still paused, and partitions lost, since this was last asked."""
        changes, self._changes = self._changes, _Changes()
        return changes.gained, changes.lost

    def pause_all(self) -> None:
        """Pause everything, so that ``keep_alive`` can poll without taking a record."""
        self._consumer.pause([self._of(topic_partition) for topic_partition in self._owned])

    def resume_all(self) -> None:
        """Read on everywhere. What the batch in hand still holds is of partitions still owned."""
        self._take_metadata()
        self._consumer.resume([self._of(topic_partition) for topic_partition in self._owned])

    def idle_partitions(self, seconds: float) -> dict[TopicPartition, int]:
        """Partitions that every look-up of so many seconds found read to their end; and that end.

        Four look-ups fall into that time. One that fails or is left out is no silence: after an
        outage the time starts anew. Between look-ups there is no answer.
        """
        now, looked_at = time.monotonic(), self._looked_at
        if now - looked_at < seconds / 4:
            return {}
        self._looked_at = now
        stalled = now - looked_at > max(seconds / 2, STALLED_S)
        found = {} if stalled else self._ends(list(self._ended))
        for topic_partition, end in self._ended.items():
            if found.get(topic_partition) != end:
                self._quiet_since[topic_partition] = now
        return {p: at for p, at in self._ended.items() if now - self._quiet_since[p] >= seconds}

    def commit(self, next_offsets: Mapping[TopicPartition, int], output: Output) -> None:
        """One transaction. Raises ``TransactionAborted`` if it did not take effect.

        Anything else that it raises is no news of it: whoever starts in this slot finds out.
        """
        assert self._producer is not None
        offsets = [
            self._of(topic_partition, offset, output.offset_metadata.get(topic_partition, ""))
            for topic_partition, offset in next_offsets.items()
        ]
        try:
            self._producer.begin_transaction()
            for message in output.messages:
                self._produce(message)
            if offsets:
                self._producer.send_offsets_to_transaction(offsets, self._metadata)
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            self._abort(error)

    def rewind(self) -> dict[TopicPartition, CommittedOffset]:
        """Everything owned, held and back at its committed offset; call ``resume_all`` after it."""
        self.pause_all()
        self._ended.clear()
        committed = self._committed([self._of(topic_partition) for topic_partition in self._owned])
        for topic_partition, at in committed.items():
            self._consumer.seek(self._of(topic_partition, at.next_offset))
        return committed

    def read(
        self,
        start: Mapping[TopicPartition, int],
        stop: Mapping[TopicPartition, int],
        alive: Callable[[], bool],
    ) -> Iterable[list[Record]]:
        """The committed records of ``[start, stop)`` of partitions, whoever owns them.

        ``alive`` is asked between chunks; it keeps the group membership alive and says whether to
        go on.
        """
        reader = Consumer(self._consumer_config(f"{self._group}.replay", None))
        try:
            reader.assign(
                [
                    self._of(topic_partition, max(start[topic_partition], 0))
                    for topic_partition in start
                ]
            )
            waiting = {
                topic_partition
                for topic_partition in start
                if start[topic_partition] < stop[topic_partition]
            }
            while waiting and alive():
                records, done = self._chunk(reader, stop)
                waiting -= done
                yield records
        finally:
            reader.close()

    def first_offset(self, topic_partition: TopicPartition) -> int:
        """The oldest offset that retention has left."""
        return int(
            self._consumer.get_watermark_offsets(self._of(topic_partition), timeout=TIMEOUT_S)[0]
        )

    def end_offset(self, topic_partition: TopicPartition) -> int | None:
        """The end of a partition as last heard of, without asking; None if nothing was heard."""
        try:
            _, high = self._consumer.get_watermark_offsets(self._of(topic_partition), cached=True)
        except KafkaException:
            return None
        return int(high) if high >= 0 else None

    def whole(self, topic_partition: TopicPartition) -> Iterable[Record]:
        """Every record that a partition holds now, once the transactions under way there are over.

        Offsets can be seen as committed a moment before the records committed with them: who reads
        only what is decided by now may miss the newest.
        """
        for records in self.read(
            {topic_partition: 0}, {topic_partition: self._written(topic_partition)}, lambda: True
        ):
            yield from records

    def keep_alive(self) -> bool:
        """Poll while everything is paused. False once a rebalance has changed what is owned."""
        self._consumer.poll(0)
        return not self._changes.lost

    def close(self) -> None:
        """A static member does not leave its group: its slot stays its own for a session more."""
        try:
            self._consumer.poll(0)  # with a rebalance to be served, closing may never end
        finally:
            self._closing = True
            closing = Thread(target=self._consumer.close, daemon=True)
            closing.start()
            closing.join(CLOSE_S)

    # -- callbacks, served inside poll ---------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        if self._closing:  # the coordinator tells no offsets any more
            consumer.incremental_assign(partitions)
            return
        committed = self._committed(partitions)
        starts = [
            self._of(topic_partition, at.next_offset) for topic_partition, at in committed.items()
        ]
        consumer.incremental_assign(starts)
        if starts:
            consumer.pause(starts)
        self._owned |= set(committed)
        self._changes.gained.update(committed)

    def _on_revoke(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        self._let_go(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[KafkaPartition]) -> None:
        log.warning("lost %d partitions: the group went on without this member", len(partitions))
        self._on_revoke(consumer, partitions)

    def _let_go(self, partitions: list[KafkaPartition]) -> None:
        for topic_partition in map(self._place, partitions):
            self._owned.discard(topic_partition)
            self._ended.pop(topic_partition, None)
            self._quiet_since.pop(topic_partition, None)
            self._changes.gained.pop(topic_partition, None)
            self._changes.lost.add(topic_partition)

    # -- the rest ------------------------------------------------------------------------------

    def _committed(self, partitions: list[KafkaPartition]) -> dict[TopicPartition, CommittedOffset]:
        if not partitions:
            return {}
        if self._positions is not None:
            found = self._positions([self._place(p) for p in partitions])
            return {
                self._place(p): CommittedOffset(found.get(self._place(p), OFFSET_BEGINNING))
                for p in partitions
            }
        answers = self._consumer.committed(
            [KafkaPartition(p.topic, p.partition) for p in partitions], timeout=TIMEOUT_S
        )
        for answer in answers:
            if answer.error:
                raise KafkaException(answer.error)
        return {
            self._place(answer): CommittedOffset(
                answer.offset if answer.offset >= 0 else OFFSET_BEGINNING, answer.metadata or ""
            )
            for answer in answers
        }

    def _chunk(
        self, reader: Consumer, stop: Mapping[TopicPartition, int]
    ) -> tuple[list[Record], set[TopicPartition]]:
        records, done = [], set()
        for message in reader.consume(BATCH, timeout=1.0):
            topic_partition = TopicPartition(
                self._short(message.topic()), int(message.partition() or 0)
            )
            error, offset = message.error(), int(message.offset() or 0)
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            if offset >= stop[topic_partition] - (error is None):
                done.add(topic_partition)
            if error is None and offset < stop[topic_partition]:
                records.append(_record(message, topic_partition))
        return records, done

    def _ends(self, topic_partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions end now; those that could not be looked up are left out."""
        if not topic_partitions:
            return {}
        asked = [self._of(topic_partition, OFFSET_END) for topic_partition in topic_partitions]
        try:
            found = self._consumer.offsets_for_times(asked, timeout=LOOK_S)
        except KafkaException as error:
            log.info(
                "could not look up the ends of %d partitions: %s", len(topic_partitions), error
            )
            return {}
        return {self._place(of): of.offset for of in found if of.error is None}

    def _written(self, topic_partition: TopicPartition) -> int:
        """The end of a partition with all that is not decided yet."""
        config = self._consumer_config(f"{self._group}.replay", None)
        reader = Consumer({**config, "isolation.level": "read_uncommitted"})
        try:
            return int(
                reader.get_watermark_offsets(self._of(topic_partition), timeout=TIMEOUT_S)[1]
            )
        finally:
            reader.close()

    def _refuse_losses(
        self, following: dict[TopicPartition, int], records: Sequence[Record]
    ) -> None:
        """Markers of transactions leave gaps, too: what is lost lies before the oldest record."""
        for record in records:
            expected = following.get(record.topic_partition, record.offset)
            if record.offset > expected and self.first_offset(record.topic_partition) > expected:
                raise RecordsLost(
                    f"{record.offset - expected} records of {record.topic}-{record.partition} fell"
                    " out of the embedded broker before they were read: simulate at a lower"
                    " --speed, or use a real Kafka with --kafka"
                )
            following[record.topic_partition] = record.offset + 1

    def _take_metadata(self) -> None:
        self._metadata = None if self._positions else self._consumer.consumer_group_metadata()

    def _record(self, message: KafkaMessage) -> Record | None:
        """The record, if it is one, and of a partition that was kept while it came."""
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            raise _trouble(error)
        topic_partition = TopicPartition(
            self._short(message.topic()), int(message.partition() or 0)
        )
        if topic_partition not in self._owned or topic_partition in self._changes.lost:
            return None
        if error is not None:
            self._ended[topic_partition] = int(message.offset() or 0)
            self._quiet_since.setdefault(topic_partition, time.monotonic())
            return None
        self._ended.pop(topic_partition, None)
        self._quiet_since[topic_partition] = time.monotonic()
        return _record(message, topic_partition)

    def _produce(self, message: Message) -> None:
        assert self._producer is not None
        options: dict[str, Any] = {"key": message.key, "value": message.value}
        if message.partition is not None:
            options["partition"] = message.partition
        if message.headers:
            options["headers"] = list(message.headers)
        while True:
            try:
                self._producer.produce(self._settings.topic(message.topic), **options)
                return
            except BufferError:
                self._producer.poll(0.1)

    def _abort(self, error: KafkaException) -> None:
        assert self._producer is not None
        reason = error.args[0]
        if reason.fatal():
            raise _trouble(reason) from error
        log.warning("transaction aborted, going back to what is committed: %s", reason.str())
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException as failed:
            raise TransactionUnsettled(
                f"Kafka failed in mid-transaction ({reason.str()}; {failed.args[0].str()}): whether"
                " it took effect is settled when this worker starts anew"
            ) from failed
        raise TransactionAborted(reason.str()) from error

    def _transactional(self, identity: str) -> Producer:
        own = {
            "transactional.id": identity,
            "transaction.timeout.ms": TRANSACTION_MS,
            "compression.type": "lz4",
            "linger.ms": 5,
            "message.max.bytes": 4_000_000,
        }
        producer = Producer(client_config(self._settings, own))
        producer.init_transactions(TIMEOUT_S)
        return producer

    def _consumer_config(self, group: str, instance: str | None) -> dict[str, Any]:
        own: dict[str, Any] = {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 2_000,
            "fetch.message.max.bytes": 4_000_000,
            "queued.max.messages.kbytes": 32_768,
        }
        # A static member that comes back within its session finds its partitions as it left them.
        return client_config(
            self._settings, own if instance is None else {**own, "group.instance.id": instance}
        )

    def _of(
        self, topic_partition: TopicPartition, offset: int | None = None, note: str = ""
    ) -> KafkaPartition:
        topic = self._settings.topic(topic_partition.topic)
        if offset is None:
            return KafkaPartition(topic, topic_partition.partition)
        return KafkaPartition(topic, topic_partition.partition, offset, note)

    def _place(self, partition: KafkaPartition) -> TopicPartition:
        return TopicPartition(self._short(partition.topic), partition.partition)

    def _short(self, topic: str | None) -> str:
        return str(topic).removeprefix(f"{self._prefix}.")


def _trouble(error: KafkaError) -> Exception:
    """What to raise: a sentence where there is one that helps."""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return MissingTopic(f"{error.str()}: run `driftline topics create` first")
    if error.code() in _SHUT_OUT or _is_fenced_member(error):
        return SlotTaken(
            f"shut out of Kafka ({error.str()}): another process seems to work in the same role and"
            " slot; give each its own --slot"
        )
    return KafkaException(error)


def _is_fenced_member(error: KafkaError) -> bool:
    """A consumer is told in words only: its fatal errors all have one code."""
    return bool(error.code() == KafkaError._FATAL and "group.instance.id" in error.str())


def _record(message: KafkaMessage, topic_partition: TopicPartition) -> Record:
    return Record(
        topic_partition.topic,
        topic_partition.partition,
        int(message.offset() or 0),
        message.key(),
        message.value(),
        _headers(message),
        int(message.timestamp()[1]),
    )


def _headers(message: KafkaMessage) -> Headers:
    """None where a name is no text: some clients write such, and no client here can read them."""
    try:
        found = message.headers() or ()
    except UnicodeDecodeError:
        return ()
    return cast("Headers", found)
