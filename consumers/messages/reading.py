"""One policy for messages on Driftline's own topics, for every role that reads one.

==========================================  =====================================================
not a message of Driftline                  skipped, counted as ``foreign`` in the heartbeat, and
(no value, other bytes, no ``schema``)      logged once for each partition
of Driftline, but malformed or of another   refused: ``UnreadableMessage`` names topic, partition
schema                                      and offset. ``detect`` sets its model aside; the others
                                            go on without it, count it and report it (``problem``)
unknown additional fields                   ignored
==========================================  =====================================================
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from consumers.messages.records import Headers, Record, TopicPartition
from driftline.errors import Trouble
from producers.contract.arrow_columns import CONTENT_TYPE

log = logging.getLogger(__name__)

SCHEMA: Literal[1] = 1

T = TypeVar("T")
Decoder = Callable[[Record], T]  # raises ForeignMessage or MalformedMessage


class ForeignMessage(ValueError):
    """A message that Driftline did not write. The text describes it."""


class MalformedMessage(ValueError):
    """A message of Driftline that this version cannot decode. The text gives the reason."""


class UnreadableMessage(Trouble):
    """A message of Driftline that this version cannot decode, with its place in the log."""

    def __init__(self, record: Record, why: str) -> None:
        super().__init__(
            f"topic {record.topic}, partition {record.partition}, offset {record.offset}: this"
            f" version cannot read the message: {why}"
        )
        self.record = record


class MessageReader(Generic[T]):
    """Decodes the records of a role's internal topics by the policy above."""

    def __init__(self, decoders: Mapping[str, Decoder[T]]) -> None:
        self._decoders = decoders  # by topic
        self._foreign: Counter[TopicPartition] = Counter()
        self._unreadable: Counter[TopicPartition] = Counter()
        self._counted_to: dict[TopicPartition, int] = {}
        self._first_skipped: dict[TopicPartition, UnreadableMessage] = {}

    def read(self, record: Record) -> T | None:
        """None for a foreign message. Raises ``UnreadableMessage``."""
        try:
            return self._decoders[record.topic](record)
        except ForeignMessage as error:
            why = f"not Driftline's ({error})"
            self._count(self._foreign, record, f"skipped a message that is {why}")
            return None
        except MalformedMessage as error:
            raise UnreadableMessage(record, str(error)) from error

    def read_or_skip(self, record: Record) -> T | None:
        """None for a message that is foreign, or that this version cannot read."""
        try:
            return self.read(record)
        except UnreadableMessage as error:
            self.skip(record, error)
            return None

    def foreign(self, partition: TopicPartition) -> int:
        """Foreign messages of a partition since this reader was created."""
        return self._foreign[partition]

    def skip(self, record: Record, error: UnreadableMessage) -> None:
        """Count a message that was refused, and that the role goes on without."""
        self._first_skipped.setdefault(record.topic_partition, error)
        why = f"skipped a message that this version cannot read ({error.__cause__})"
        self._count(self._unreadable, record, why)

    def unreadable(self, partition: TopicPartition) -> int:
        """Messages of a partition that were given to ``skip`` since this reader was created."""
        return self._unreadable[partition]

    def skipped(self, partition: TopicPartition) -> Mapping[str, int]:
        """Both numbers, for the heartbeat."""
        return {"foreign": self.foreign(partition), "unreadable": self.unreadable(partition)}

    def first_skipped(self, partitions: Iterable[TopicPartition]) -> UnreadableMessage | None:
        """The first message of these partitions that was given to ``skip``."""
        found = (self._first_skipped.get(partition) for partition in sorted(partitions))
        return next((error for error in found if error is not None), None)

    def _count(self, counter: Counter[TopicPartition], record: Record, what: str) -> None:
        """A record that is read again, after an aborted transaction, counts once."""
        if record.offset <= self._counted_to.get(record.topic_partition, -1):
            return
        self._counted_to[record.topic_partition] = record.offset
        counter[record.topic_partition] += 1
        if counter[record.topic_partition] == 1:
            log.warning(
                "topic %s, partition %d, offset %d: %s; further ones in this partition are only"
                " counted",
                record.topic,
                record.partition,
                record.offset,
                what,
            )


class _Marker(Struct):
    """What only a message of Driftline has."""

    schema: int


class AnyObject(Struct):
    """The marker where the key says that a value is Driftline's: any JSON object is."""


def decode_json(value: bytes | None, shape: type[T], marker: type[Struct] = _Marker) -> T:
    """A JSON message with ``schema``. Raises ``ForeignMessage`` or ``MalformedMessage``."""
    if value is None:
        raise ForeignMessage("a tombstone: the record has no value")
    try:
        return msgspec.json.decode(value, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if not _matches(value, marker):
            raise ForeignMessage(f"not JSON of Driftline: {error}") from error
        raise MalformedMessage(str(error)) from error


def _matches(value: bytes, marker: type[Struct]) -> bool:
    try:
        msgspec.json.decode(value, type=marker)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def content_type(headers: Headers) -> bytes | None:
    return next((value for name, value in headers if name == CONTENT_TYPE), None)
