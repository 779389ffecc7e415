"""The message of the topic ``heartbeats``: that a worker is alive, and how far it has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from consumers.messages.names import Count
from consumers.messages.reading import decode_json
from consumers.messages.records import Record
from consumers.messages.times import milliseconds

Counts = Mapping[str, int | Mapping[str, int]]  # ``dead`` holds counts by reason


class PartitionStatus(Struct, frozen=True, kw_only=True):
    """One partition of a worker; a role leaves out what does not apply to it."""

    offset: int | None = None  # the next one to read
    watermark: str | UnsetType | None = UNSET
    idle: bool | UnsetType = UNSET
    counts: Counts | UnsetType = UNSET
    end: int | None = None  # behind the newest record; null while it is unknown


class CollectingVersion(Struct, frozen=True, kw_only=True):
    """A version whose reference is built from the next rows, and how far that is."""

    model: str
    version: str
    rows: Count
    needed: Count | None = None  # null if the end is a time
    start: str | None = None  # time of the first row
    end: str | None = None  # of the reference; null until it is known
    labels: Count | None = None  # of these rows; null if none are expected
    refused: Count = 0
    progress: str  # a sentence


class HeartbeatMessage(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    role: str
    slot: Count
    at: str  # the worker's clock
    progress_at: str | None = None  # the newest commit
    partitions: Mapping[str, PartitionStatus] = {}  # by ``topic/partition``
    problem: str | None = None
    plan: str | None = None  # hash of the settings by which models are judged
    collecting: Sequence[CollectingVersion] = ()

    def __post_init__(self) -> None:
        milliseconds(self.at)
        if self.progress_at is not None:
            milliseconds(self.progress_at)

    @property
    def at_ms(self) -> int:
        return milliseconds(self.at)


def decode_heartbeat(record: Record) -> HeartbeatMessage:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(record.value, HeartbeatMessage)
