"""Progress of the source partitions: the metadata that is committed with their offsets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from monitor.events.event_time import latest


@dataclass(frozen=True, slots=True)
class OffsetMetadata:
    """The newest event time of a partition, and its counts since the first record."""

    newest_ms: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    dead: Mapping[str, int] = field(default_factory=dict)  # dead letters by reason

    @classmethod
    def decode(cls, text: str) -> OffsetMetadata:
        return msgspec.json.decode(text.encode(), type=cls) if text else cls()

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


@dataclass(slots=True)
class PartitionBatch:
    """The counts of one batch of a source partition."""

    before: OffsetMetadata
    counts: Counter[str] = field(default_factory=Counter)
    dead: Counter[str] = field(default_factory=Counter)
    newest_ms: int | None = None

    def after(self) -> OffsetMetadata:
        """The metadata with this batch."""
        return OffsetMetadata(
            latest(self.before.newest_ms, self.newest_ms),
            dict(Counter(self.before.counts) + self.counts),
            dict(Counter(self.before.dead) + self.dead),
        )
