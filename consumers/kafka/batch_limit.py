"""How much goes into a batch: bounded by records, bytes, and the time that the last batches took.

Of source topics rows are counted instead of records: a JSON record is one row, as a half of a pair
is, and an Arrow message says how many it holds. A record of ``joins`` holds up to ten thousands,
and one of ``summaries`` may close many windows, so how long one takes is only known afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from consumers.messages.positions import HALVES
from consumers.messages.records import is_source

WORK_S = 1.0  # of a batch that is full: a commit and a heartbeat follow it
FIRST_SHARE = 1 / 64  # of the most that a batch may hold
LEAST_SHARE = FIRST_SHARE / 64


@dataclass(slots=True)
class BatchLimit:
    """The most that the next batch may hold. It adapts to the time that work takes."""

    most_records: int  # or rows, of source topics
    most_bytes: int  # of the values, decompressed if they are Arrow; up to a few messages more
    share: float = FIRST_SHARE

    @classmethod
    def of(cls, topics: Iterable[str]) -> BatchLimit:
        """For a reader of these topics."""
        if not any(is_source(topic) or topic == HALVES for topic in topics):
            return cls(most_records=1_000, most_bytes=4_000_000)
        return cls(most_records=150_000, most_bytes=32_000_000)

    @property
    def records(self) -> int:
        return max(1, int(self.most_records * self.share))

    @property
    def bytes(self) -> int:
        return max(1, int(self.most_bytes * self.share))

    def adapt(self, worked_s: float, *, full: bool) -> None:
        """After the work on a batch. One that was not full says nothing about larger ones."""
        if worked_s > WORK_S:
            self.share = max(LEAST_SHARE, self.share * max(WORK_S / worked_s, 1 / 16))
        elif full and worked_s < WORK_S / 2:
            self.share = min(1.0, 2 * self.share)
