"""The messages of the topic ``detect-state``: decisions that nothing else holds.

=======================  ==================================================================
``clock/<partition>``    ``ClockState``: append time of a partition of ``summaries``
``time/<m>/<version>``   ``TimeState``: event time of a model version
``model/<m>/<version>``  ``DecisionsState``: windows and incidents of a model version
=======================  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from consumers.messages.reading import SCHEMA, AnyObject, ForeignMessage, decode_json
from consumers.messages.records import Message, Record
from monitor.windows.clocks import AppendClock, Key, VersionTime
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


@dataclass(frozen=True, slots=True)
class ClockEntry:
    clock: AppendClock


@dataclass(frozen=True, slots=True)
class TimeEntry:
    key: Key
    time: VersionTime


@dataclass(frozen=True, slots=True)
class DecisionsEntry:
    key: Key
    decisions: Decisions


def clock_message(partition: int, clock: AppendClock) -> Message:
    value = msgspec.json.encode(ClockState(schema=SCHEMA, clock=clock))
    return Message(TOPIC, f"clock/{partition}".encode(), value, partition)


def time_message(partition: int, key: Key, time: VersionTime) -> Message:
    value = msgspec.json.encode(TimeState(schema=SCHEMA, time=time))
    return Message(TOPIC, "/".join(("time", *key)).encode(), value, partition)


def decisions_message(partition: int, key: Key, decisions: Decisions) -> Message:
    value = msgspec.json.encode(DecisionsState(schema=SCHEMA, decisions=decisions))
    return Message(TOPIC, "/".join(("model", *key)).encode(), value, partition)


def ended_messages(partition: int, key: Key) -> list[Message]:
    """Tombstones for a model version that is retired."""
    return [
        Message(TOPIC, "/".join((kind, *key)).encode(), None, partition)
        for kind in ("time", "model")
    ]


def decode_state(record: Record) -> ClockEntry | TimeEntry | DecisionsEntry:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    match (record.key or b"").decode(errors="replace").split("/"):
        case ["clock", _]:
            return ClockEntry(decode_json(record.value, ClockState, AnyObject).clock)
        case ["time", model, version]:
            time = decode_json(record.value, TimeState, AnyObject).time
            return TimeEntry((model, version), time)
        case ["model", model, version]:
            decisions = decode_json(record.value, DecisionsState, AnyObject).decisions
            return DecisionsEntry((model, version), decisions)
        case _:
            raise ForeignMessage(f"its key {record.key!r} names neither a clock nor a model")
