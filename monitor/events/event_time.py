"""Event time: what is late in its own partition, and how far all partitions together have come.

Theory of operation
-------------------
A partition is the only order that a stream has. Whether a row is late is judged by the newest row
seen before it in *its own* partition, so it depends neither on how a poll cuts the stream nor on
how fast the other partitions are read. The watermark, the smallest of those newest times, then says
which panes are complete. Since a row that is on time lies ahead of its own partition's
progress, no row that is on time can come after the watermark that closes its pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

NEVER = -(1 << 62)  # stands for the newest time seen before the first row of a partition


class Arrival(IntEnum):
    ON_TIME = 0
    LATE = 1
    TOO_LATE = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one partition has come. ``newest_ms`` is None before its first row."""

    newest_ms: int | None = None
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """The partitions of a topic: how many there are, and the progress of those heard of."""

    total: int = 0
    partitions: Mapping[int, Progress] = field(default_factory=dict)

    def updated(self, total: int, partitions: Mapping[int, Progress]) -> Sources:
        return Sources(max(total, self.total), {**self.partitions, **partitions})

    @property
    def all_idle(self) -> bool:
        return 0 < self.total <= len(self.partitions) and all(
            progress.idle for progress in self.partitions.values()
        )

    def smallest_ms(self) -> int | None:
        """The newest time that every partition which is not idle has reached.

        None while a partition was neither heard of nor marked idle, and while all are idle: the
        watermark then stays where it was.
        """
        if self.total == 0 or len(self.partitions) < self.total:
            return None
        awake = [p.newest_ms for p in self.partitions.values() if not p.idle]
        heard = [newest_ms for newest_ms in awake if newest_ms is not None]
        return min(heard) if heard and len(heard) == len(awake) else None


def seen_before(newest_ms: int | None, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The newest time seen before each row, shape (n,); ``NEVER`` before a partition's first."""
    start = NEVER if newest_ms is None else newest_ms
    return np.maximum.accumulate(np.concatenate([[start], time_ms]))[:-1]


def arrivals(
    before_ms: NDArray[np.int64],
    pane_end_ms: NDArray[np.int64],
    lateness_ms: NDArray[np.int64],
    accept_late_ms: NDArray[np.int64],
) -> NDArray[np.int64]:
    """``Arrival`` of each row. All of shape (n,); the last two are settings of the row's model."""
    behind_ms = before_ms - lateness_ms - pane_end_ms
    return np.select(
        [behind_ms < 0, behind_ms <= accept_late_ms],
        [Arrival.ON_TIME, Arrival.LATE],
        default=Arrival.TOO_LATE,
    ).astype(np.int64)


def latest(*times_ms: int | None) -> int | None:
    """The largest of what is known: a watermark never goes back."""
    known = [time_ms for time_ms in times_ms if time_ms is not None]
    return max(known) if known else None


def earliest(times_ms: Iterable[int | None]) -> int | None:
    """The smallest; None as soon as one is unknown, or there is none."""
    known = list(times_ms)
    settled = [time_ms for time_ms in known if time_ms is not None]
    return min(settled) if settled and len(settled) == len(known) else None
