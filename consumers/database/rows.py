"""Values that are written to the database: rows of its tables, and ranges of offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consumers.messages.records import TopicPartition

Row = Mapping[str, Any]  # by the name of the column


class OffsetRange(NamedTuple):
    """The offsets ``[start, end)`` of a batch. ``start`` is None if nothing was written before."""

    start: int | None
    end: int


class Alert(NamedTuple):
    """A transition of an incident, and the incident after it."""

    transition: Row  # without its sequence number
    incident: Row


@dataclass(frozen=True, slots=True)
class RowBatch:
    """The rows of a batch of messages, in the order of the messages."""

    windows: Sequence[Row] = ()
    distributions: Sequence[Row] = ()
    alerts: Sequence[Alert] = ()
    decisions: Sequence[Row] = ()
    heartbeats: Sequence[Row] = ()
    versions: Sequence[Row] = ()
    # The offset of the first message of each partition that could not be read.
    unread: Mapping[TopicPartition, int] = field(default_factory=dict)

    @property
    def has_findings(self) -> bool:
        """Whether it holds more than heartbeats."""
        return any((self.windows, self.alerts, self.decisions, self.versions))
