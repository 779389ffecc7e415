"""Reads the dead letters of the topic, and which of them were sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from consumers.dead_letters.dead_letter import TOPIC, DeadLetter
from consumers.kafka.topic_reader import TopicReader, Unreadable
from consumers.messages.records import TopicPartition
from driftline.settings import Settings

GROUP = "dead-letter-replay"


def replay_group(reason: str) -> str:
    """The consumer group of the replays of one reason, without the prefix."""
    return f"{GROUP}.{reason}"


def reasons_of(settings: Settings) -> list[str]:
    """Every reason of the dead letters in the topic, the most frequent first."""
    with TopicReader(settings, TOPIC) as reader:
        counts = Counter(DeadLetter.from_record(record).reason for record in reader.records())
    return [reason for reason, _ in counts.most_common() if reason]


@dataclass(slots=True)
class Listing:
    """The dead letters of the topic, counted while they are read."""

    reader: TopicReader
    counts: Counter[str] = field(default_factory=Counter)  # by reason
    sent_back: Counter[str] = field(default_factory=Counter)  # by reason
    unknown: Unreadable | None = None  # why the state of a replay is unknown
    # By reason, the offsets up to which a replay has come; None: unknown.
    _replayed: dict[str, Mapping[TopicPartition, int] | None] = field(default_factory=dict)

    def letters(
        self, reason: str | None, *, waiting: bool
    ) -> Iterator[tuple[DeadLetter, bool | None]]:
        """Dead letters of one reason or of all, and whether each was sent again; None: unknown.

        ``waiting`` leaves out those that were. One that a replay has reported as too large counts
        as sent.
        """
        for letter in map(DeadLetter.from_record, self.reader.records()):
            self.counts[letter.reason] += 1
            if reason in (None, letter.reason):
                sent = self._was_sent(letter)
                self.sent_back[letter.reason] += sent is True
                if not (waiting and sent):
                    yield letter, sent

    def _was_sent(self, letter: DeadLetter) -> bool | None:
        if letter.unsendable is not None or not letter.reason:
            return False
        if letter.reason not in self._replayed:
            self._replayed[letter.reason] = self._committed(letter.reason)
        replayed = self._replayed[letter.reason]
        record = letter.record
        return None if replayed is None else record.offset < replayed[record.topic_partition]

    def _committed(self, reason: str) -> Mapping[TopicPartition, int] | None:
        try:
            return self.reader.committed_offsets(replay_group(reason))
        except Unreadable as error:
            self.unknown = error
            return None
