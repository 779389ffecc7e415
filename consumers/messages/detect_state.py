"""The messages of the topic ``detect-state``: decisions that nothing else holds.

=================================  ========================================================
``clock/<partition>``              ``ClockState``: append time of a partition of ``summaries``
``time/<m>/<version>``             ``TimeState``: event time of a model version
``model/<m>/<version>``            ``DecisionsState``: windows and incidents of a version
``model/<m>/<version>/<segment>``  the same of a segment
``unread/<m>``                     ``UnreadState``: from where on the model is not read
``lost/<m>/<version>``             ``LostState``: an incident says that its summaries are lost
=================================  ========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from consumers.messages.reading import SCHEMA, AnyObject, ForeignMessage, decode_json
from consumers.messages.records import Message, Record
from monitor.identity import Key, VersionKey
from monitor.windows.clocks import AppendClock, VersionTime
from monitor.windows.state import Decisions

TOPIC = "detect-state"


class ClockState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    clock: AppendClock


class TimeState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    time: VersionTime


class DecisionsState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    decisions: Decisions


class UnreadState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    next: int  # offset of the first message of ``summaries`` that was not read for the model
    clock: AppendClock  # before that message


class LostState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    opened_ms: int  # when the incident was opened, by the broker's clock


@dataclass(frozen=True, slots=True)
class ClockEntry:
    clock: AppendClock


@dataclass(frozen=True, slots=True)
class TimeEntry:
    key: VersionKey
    time: VersionTime


@dataclass(frozen=True, slots=True)
class DecisionsEntry:
    key: Key
    decisions: Decisions


@dataclass(frozen=True, slots=True)
class UnreadEntry:
    """A model that is not read from the offset ``next`` on, where the append time is ``clock``."""

    model: str
    next: int
    clock: AppendClock


@dataclass(frozen=True, slots=True)
class LostEntry:
    """An incident about a version whose summaries are lost was opened."""

    key: VersionKey
    opened_ms: int


StateEntry = ClockEntry | TimeEntry | DecisionsEntry | UnreadEntry | LostEntry


def clock_message(partition: int, clock: AppendClock) -> Message:
    value = msgspec.json.encode(ClockState(schema=SCHEMA, clock=clock))
    return Message(TOPIC, f"clock/{partition}".encode(), value, partition)


def time_message(partition: int, key: VersionKey, time: VersionTime) -> Message:
    value = msgspec.json.encode(TimeState(schema=SCHEMA, time=time))
    return Message(TOPIC, _time_key(key), value, partition)


def decisions_message(partition: int, key: Key, decisions: Decisions) -> Message:
    value = msgspec.json.encode(DecisionsState(schema=SCHEMA, decisions=decisions))
    return Message(TOPIC, _decisions_key(key), value, partition)


def ended_time_message(partition: int, key: VersionKey) -> Message:
    """The tombstone for a model version that is retired."""
    return Message(TOPIC, _time_key(key), None, partition)


def ended_decisions_message(partition: int, key: Key) -> Message:
    """The tombstone for the whole or a segment of a model version that is retired."""
    return Message(TOPIC, _decisions_key(key), None, partition)


def unread_message(partition: int, entry: UnreadEntry) -> Message:
    content = UnreadState(schema=SCHEMA, next=entry.next, clock=entry.clock)
    return Message(TOPIC, _unread_key(entry.model), msgspec.json.encode(content), partition)


def ended_unread_message(partition: int, model: str) -> Message:
    """The tombstone for a model that is read again."""
    return Message(TOPIC, _unread_key(model), None, partition)


def lost_message(partition: int, entry: LostEntry) -> Message:
    value = msgspec.json.encode(LostState(schema=SCHEMA, opened_ms=entry.opened_ms))
    return Message(TOPIC, _lost_key(entry.key), value, partition)


def ended_lost_message(partition: int, key: VersionKey) -> Message:
    """The tombstone for a version whose summaries are complete again."""
    return Message(TOPIC, _lost_key(key), None, partition)


def decode_state(record: Record) -> StateEntry:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    match (record.key or b"").decode(errors="replace").split("/"):
        case ["clock", _]:
            return ClockEntry(decode_json(record.value, ClockState, AnyObject).clock)
        case ["time", model, version]:
            time = decode_json(record.value, TimeState, AnyObject).time
            return TimeEntry((model, version), time)
        case ["model", model, version, *segment] if len(segment) <= 1:
            decisions = decode_json(record.value, DecisionsState, AnyObject).decisions
            return DecisionsEntry(Key(model, version, *segment), decisions)
        case ["unread", model]:
            unread = decode_json(record.value, UnreadState, AnyObject)
            return UnreadEntry(model, unread.next, unread.clock)
        case ["lost", model, version]:
            lost = decode_json(record.value, LostState, AnyObject)
            return LostEntry((model, version), lost.opened_ms)
        case _:
            raise ForeignMessage(f"its key {record.key!r} names neither a clock nor a model")


def _unread_key(model: str) -> bytes:
    return f"unread/{model}".encode()


def _lost_key(key: VersionKey) -> bytes:
    return "/".join(("lost", *key)).encode()


def _time_key(key: VersionKey) -> bytes:
    return "/".join(("time", *key)).encode()


def _decisions_key(key: Key) -> bytes:
    return f"model/{key.name}".encode()
