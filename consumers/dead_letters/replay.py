"""Sends dead letters again to the topics that they came from, each once.

Theory of operation
-------------------
Every reason has a consumer group of its own, ``<prefix>.dead-letter-replay.<reason>``. It reads all
dead letters in order, sends those of its reason and skips the others. Messages and offsets are
committed in one transaction, so each dead letter is sent once, however often a replay runs and
wherever it is killed. What the group of one reason has skipped is still unread by the others.

A record that is refused again becomes a new dead letter. A replay ends at the end of the topic as
it was when the replay started.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

from consumers.dead_letters.dead_letter import TOPIC, DeadLetter
from consumers.dead_letters.listing import replay_group
from consumers.kafka.client import Client
from consumers.kafka.errors import SlotTaken, TransactionAborted
from consumers.kafka.topic_reader import TopicReader
from consumers.messages.records import CommittedOffset, Output, Record, TopicPartition
from driftline.errors import Trouble
from driftline.settings import Settings

MAX_ATTEMPTS = 6
RETRY_S = 0.2
ASSIGNMENT_TIMEOUT_S = 45.0  # a killed member keeps its partitions for a session
TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str()


class NotSent(Trouble):
    """A replay did not complete. What it reported as sent was sent."""


class _TooLarge(Exception):
    """A record of the transaction is larger than its topic accepts."""


@dataclass(slots=True)
class ReplayResult:
    """What a replay did with the dead letters of one reason."""

    reason: str
    sent: Counter[str] = field(default_factory=Counter)  # by topic
    unsendable: list[tuple[DeadLetter, str]] = field(default_factory=list)  # with the reason

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Add dead letters that were sent, or skipped because they cannot be."""
        for letter in letters:
            if letter.unsendable is None:
                self.sent[letter.topic] += 1
            else:
                self.unsendable.append((letter, letter.unsendable))


def replay_dead_letters(settings: Settings, reason: str) -> ReplayResult:
    """Send the dead letters of ``reason`` that no earlier replay has sent.

    Raises ``NotSent`` if Kafka refuses a transaction, ``SlotTaken`` if another replay of the same
    reason is running.
    """
    with TopicReader(settings, TOPIC) as reader:
        stop = reader.end_offsets()
    result = ReplayResult(reason)
    client = Client(settings, replay_group(reason), 0, [TOPIC])
    try:
        committed = _assigned(client, len(stop))
        start = {partition: max(at.next_offset, 0) for partition, at in committed.items()}
        for records in client.read(start, stop, client.keep_alive):
            _send(client, records, result)
        if client.take_rebalance()[1]:
            raise SlotTaken(f"another replay of {reason!r} took over: let it finish")
    finally:
        client.close()
    return result


def _assigned(client: Client, partitions: int) -> Mapping[TopicPartition, CommittedOffset]:
    """Wait for all partitions. They stay paused; returns their committed offsets."""
    owned: dict[TopicPartition, CommittedOffset] = {}
    deadline_s = time.monotonic() + ASSIGNMENT_TIMEOUT_S
    while len(owned) < partitions:
        if time.monotonic() > deadline_s:
            raise NotSent("Kafka assigned no dead letters: another replay seems to be running")
        client.poll(0.2)
        new, lost = client.take_rebalance()
        owned = {key: at for key, at in {**owned, **new}.items() if key not in lost}
    return owned


def _send(client: Client, records: Sequence[Record], result: ReplayResult) -> None:
    """Send the dead letters of one reason among ``records``, in one transaction if possible.

    Kafka refuses a transaction for one record that is too large: it was compressed better when it
    came. Halving the batch isolates that record, which is then skipped.
    """
    if not records:
        return
    letters = [
        letter for letter in map(DeadLetter.from_record, records) if letter.reason == result.reason
    ]
    try:
        _commit(client, records, [letter for letter in letters if letter.unsendable is None])
    except _TooLarge:
        _send_by_halves(client, records, result)
    else:
        result.add(letters)


def _send_by_halves(client: Client, records: Sequence[Record], result: ReplayResult) -> None:
    if len(records) > 1:
        middle = len(records) // 2
        _send(client, records[:middle], result)
        _send(client, records[middle:], result)
        return
    _commit(client, records, [])
    letter = DeadLetter.from_record(records[0])
    result.unsendable.append((letter, "it is larger than its topic accepts"))


def _commit(client: Client, records: Sequence[Record], letters: Sequence[DeadLetter]) -> None:
    """Retries: a transaction that follows an aborted one too closely is aborted as well."""
    offsets = {record.topic_partition: record.offset + 1 for record in records}
    output = Output([letter.original() for letter in letters])
    reason = ""
    for _ in range(MAX_ATTEMPTS):
        try:
            client.commit(offsets, output)
        except TransactionAborted as error:
            reason = str(error)
            if TOO_LARGE in reason:
                raise _TooLarge from error
            time.sleep(RETRY_S)
        else:
            return
    raise NotSent(f"Kafka refused all attempts to send {_span(records)}: {reason}")


def _span(records: Sequence[Record]) -> str:
    """The dead letters of a transaction, by name."""
    first, last = DeadLetter.from_record(records[0]), DeadLetter.from_record(records[-1])
    return first.name if first == last else f"{first.name} to {last.name}"
