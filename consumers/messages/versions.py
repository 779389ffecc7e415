"""The message of the compacted topic ``versions``: the state of a model version.

``detect`` writes it, in the transaction of the change. Described in ``docs/messages.md``.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from consumers.messages.names import Count, Enumerated, Name
from consumers.messages.reading import SCHEMA, decode_json
from consumers.messages.records import Message, Record
from consumers.messages.times import milliseconds, optional_rfc3339, rfc3339
from monitor.identity import VersionKey
from monitor.windows.lives import Life

TOPIC = "versions"


class VersionMessage(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    model: Name
    version: Name
    state: Enumerated  # VersionState
    since: str  # broker's clock
    by: str
    why: str
    after_offset: int  # of ``summaries``: only later ones belong to the version
    reset_at: str | None = None  # rows appended until then do not belong to it
    life: Count = 0  # how often it has begun afresh

    def __post_init__(self) -> None:
        for time in (self.since, self.reset_at):
            if time is not None:
                milliseconds(time)

    @property
    def since_ms(self) -> int:
        return milliseconds(self.since)

    @property
    def reset_ms(self) -> int | None:
        return None if self.reset_at is None else milliseconds(self.reset_at)


def version_message(partition: int, key: VersionKey, life: Life) -> Message:
    """For the partition with the number of the model's partition of ``summaries``."""
    content = VersionMessage(
        schema=SCHEMA,
        model=key[0],
        version=key[1],
        state=life.state,
        since=rfc3339(life.since_ms),
        by=life.by,
        why=life.why,
        after_offset=life.after_offset,
        reset_at=optional_rfc3339(life.reset_ms),
        life=life.number,
    )
    return Message(TOPIC, "/".join(key).encode(), msgspec.json.encode(content), partition)


def decode_version(record: Record) -> VersionMessage:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(record.value, VersionMessage)


def life_of(message: VersionMessage) -> Life:
    return Life(
        message.state,
        message.since_ms,
        message.by,
        message.why,
        message.after_offset,
        message.reset_ms,
        message.life,
    )
