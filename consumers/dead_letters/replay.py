"""Dead letters back to where they came from, each once.

Theory of operation
-------------------
Every reason has a consumer group of its own, ``<prefix>.dead-letter-replay.<reason>``. It reads all
dead letters in order, sends those of its reason and passes over the others; what it sends and how
far it has come are one transaction. So however often it is run, and wherever it is killed, a letter
goes back once; and what one reason's group has passed over, another's has still before it.

A letter that is refused again comes back as a new letter. Only what stood there when the replay
began is sent, so it ends.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

from consumers.dead_letters.dead_letter import TOPIC, DeadLetter
from consumers.kafka.client import Client
from consumers.kafka.errors import SlotTaken, TransactionAborted
from consumers.kafka.topic_reader import TopicReader, Unreadable
from consumers.messages.records import CommittedOffset, Output, Record, TopicPartition
from driftline.errors import Trouble
from driftline.settings import Settings

GROUP = "dead-letter-replay"
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()
TRIES = 6
PATIENCE_S = 45.0  # a member that was killed holds its partitions for a session


class NotSent(Trouble):
    """A replay that came to no end. What it says it sent is sent."""


class _TooLarge(Exception):
    """A record among those of a transaction is larger than its topic takes."""


@dataclass(slots=True)
class Replayed:
    """What became of the letters of one reason."""

    reason: str
    sent: Counter[str] = field(default_factory=Counter)  # by topic
    stuck: list[tuple[DeadLetter, str]] = field(default_factory=list)  # not sent, and why


def reasons_of(settings: Settings) -> list[str]:
    """Every reason for which a letter stands there, most frequent first."""
    with TopicReader(settings, TOPIC) as reader:
        met = Counter(DeadLetter.of(record).reason for record in reader.records())
    return [reason for reason, _ in met.most_common() if reason]


@dataclass(slots=True)
class Listing:
    """The letters that stand there, and which of them a replay has sent back."""

    reader: TopicReader
    counts: Counter[str] = field(default_factory=Counter)  # by reason
    sent_back: Counter[str] = field(default_factory=Counter)
    unknown: Unreadable | None = None  # the last question that Kafka did not answer
    _until: dict[str, Mapping[TopicPartition, int] | None] = field(
        default_factory=dict
    )  # by reason

    def letters(
        self, reason: str | None, *, waiting: bool
    ) -> Iterator[tuple[DeadLetter, bool | None]]:
        """Those of a reason, or of all, and whether each was sent back; None if not known.

        ``waiting`` leaves out what was. A letter that a replay found too large, and named, counts
        as sent.
        """
        for letter in map(DeadLetter.of, self.reader.records()):
            self.counts[letter.reason] += 1
            if reason in (None, letter.reason):
                sent = self._sent(letter)
                self.sent_back[letter.reason] += sent is True
                if not (waiting and sent):
                    yield letter, sent

    def _sent(self, letter: DeadLetter) -> bool | None:
        if letter.obstacle is not None or not letter.reason:
            return False
        if letter.reason not in self._until:
            self._until[letter.reason] = self._asked(letter.reason)
        until = self._until[letter.reason]
        return (
            None if until is None else letter.record.offset < until[letter.record.topic_partition]
        )

    def _asked(self, reason: str) -> Mapping[TopicPartition, int] | None:
        try:
            return self.reader.committed_offsets(f"{GROUP}.{reason}")
        except Unreadable as error:
            self.unknown = error
            return None


def replay_dead_letters(settings: Settings, reason: str) -> Replayed:
    """Send back the letters of ``reason`` that no earlier replay has sent.

    Raises ``NotSent`` if Kafka takes one back from us, ``SlotTaken`` if another replay of the same
    reason goes on.
    """
    with TopicReader(settings, TOPIC) as reader:
        stop = reader.end_offsets()
    done = Replayed(reason)
    client = Client(settings, f"{GROUP}.{reason}", 0, [TOPIC])
    try:
        committed = _joined(client, len(stop))
        start = {
            topic_partition: max(at.next_offset, 0) for topic_partition, at in committed.items()
        }
        for records in client.read(start, stop, client.keep_alive):
            _send(client, records, done)
        if client.take_rebalance()[1]:
            raise SlotTaken(f"another replay of {reason!r} took over: let it finish")
    finally:
        client.close()
    return done


def _joined(client: Client, partitions: int) -> Mapping[TopicPartition, CommittedOffset]:
    """Every partition with where the group has come there, held until it is read."""
    gained: dict[TopicPartition, CommittedOffset] = {}
    patient_until_s = time.monotonic() + PATIENCE_S
    while len(gained) < partitions:
        if time.monotonic() > patient_until_s:
            raise NotSent("Kafka gave out no dead letters: another replay seems to hold them")
        client.poll(0.2)
        came, lost = client.take_rebalance()
        gained = {
            topic_partition: at
            for topic_partition, at in {**gained, **came}.items()
            if topic_partition not in lost
        }
    return gained


def _send(client: Client, records: Sequence[Record], done: Replayed) -> None:
    """One transaction, in which the letters of other reasons are passed over.

    Kafka refuses a transaction for one record that is too large, which it was not when it came,
    better compressed: by halves that record is found, and passed over alone.
    """
    if not records:
        return
    letters = [
        letter for record in records if (letter := DeadLetter.of(record)).reason == done.reason
    ]
    free = [letter for letter in letters if letter.obstacle is None]
    try:
        _commit(client, records, free)
    except _TooLarge:
        if len(records) > 1:
            _send(client, records[: len(records) // 2], done)
            _send(client, records[len(records) // 2 :], done)
            return
        _commit(client, records, [])
        done.stuck.append((free[0], "it is larger than what its topic takes"))
        return
    done.sent.update(letter.topic for letter in free)
    done.stuck += [(letter, letter.obstacle) for letter in letters if letter.obstacle is not None]


def _commit(client: Client, records: Sequence[Record], letters: Sequence[DeadLetter]) -> None:
    """A transaction that follows an aborted one too closely is aborted, too: hence the tries."""
    offsets = {record.topic_partition: record.offset + 1 for record in records}
    output = Output([letter.original() for letter in letters])
    said = ""
    for _ in range(TRIES):
        try:
            client.commit(offsets, output)
        except TransactionAborted as error:
            said = str(error)
            if TOO_LARGE in said:
                raise _TooLarge from error
            time.sleep(0.2)
        else:
            return
    raise NotSent(f"Kafka took nothing of {_span(records)}: {said}")


def _span(records: Sequence[Record]) -> str:
    """The letters that a transaction was about."""
    first, last = DeadLetter.of(records[0]), DeadLetter.of(records[-1])
    return first.name if first == last else f"{first.name} to {last.name}"
