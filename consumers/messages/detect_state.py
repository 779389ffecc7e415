"""The messages of the topic ``detect-state``: decisions that nothing else holds.

=======================  ==================================================================
``clock/<partition>``    ``ClockState``: event time of a partition of ``summaries``
``model/<m>/<version>``  ``DecisionsState``: windows and incidents of a model version
=======================  ==================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import Struct

from consumers.messages.reading import SCHEMA, ForeignMessage, decode_json
from consumers.messages.records import Message, Record
from monitor.windows.state import Clock, Decisions, Key

TOPIC = "detect-state"


class ClockState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    clock: Clock


class DecisionsState(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    decisions: Decisions


@dataclass(frozen=True, slots=True)
class ClockEntry:
    clock: Clock


@dataclass(frozen=True, slots=True)
class DecisionsEntry:
    key: Key
    decisions: Decisions


def clock_message(partition: int, clock: Clock) -> Message:
    value = msgspec.json.encode(ClockState(schema=SCHEMA, clock=clock))
    return Message(TOPIC, f"clock/{partition}".encode(), value, partition)


def decisions_message(partition: int, key: Key, decisions: Decisions) -> Message:
    value = msgspec.json.encode(DecisionsState(schema=SCHEMA, decisions=decisions))
    return Message(TOPIC, "/".join(("model", *key)).encode(), value, partition)


class _AnyObject(Struct):
    """The key says that a value is Driftline's, so any JSON object must be readable."""


def decode_state(record: Record) -> ClockEntry | DecisionsEntry:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    match (record.key or b"").decode(errors="replace").split("/"):
        case ["clock", _]:
            return ClockEntry(decode_json(record.value, ClockState, _AnyObject).clock)
        case ["model", model, version]:
            decisions = decode_json(record.value, DecisionsState, _AnyObject).decisions
            return DecisionsEntry((model, version), decisions)
        case _:
            raise ForeignMessage(f"its key {record.key!r} names neither a clock nor a model")
