"""Event time: which rows are late, and which panes are complete.

Theory of operation
-------------------
Only the order inside a partition is defined. A row is therefore late or on time by the newest event
time seen before it in *its own* partition; the result depends neither on how a poll cuts the stream
nor on how fast other partitions are read. The watermark is the minimum of the partitions' newest
event times, and panes that end before it are complete. A row that is on time lies ahead of the
progress of its own partition, so it cannot arrive after the watermark that closes its pane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

NEVER = -(1 << 62)  # the newest event time before the first row of a partition


class Arrival(IntEnum):
    ON_TIME = 0
    LATE = 1
    TOO_LATE = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest event time of one partition, None before its first row."""

    newest_ms: int | None = None
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """The partitions of a topic: their number, and the progress of those that have reported."""

    total: int = 0
    partitions: Mapping[int, Progress] = field(default_factory=dict)

    def updated(self, total: int, partitions: Mapping[int, Progress]) -> Sources:
        return Sources(max(total, self.total), {**self.partitions, **partitions})

    @property
    def all_idle(self) -> bool:
        return 0 < self.total <= len(self.partitions) and all(
            progress.idle for progress in self.partitions.values()
        )

    def min_newest_ms(self) -> int | None:
        """The event time that every active partition has reached.

        None if a partition has neither reported a time nor been marked idle, and if all partitions
        are idle. The watermark does not move then.
        """
        if self.total == 0 or len(self.partitions) < self.total:
            return None
        return earliest(p.newest_ms for p in self.partitions.values() if not p.idle)


def newest_before(newest_ms: int | None, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The newest event time before each row of a partition, shape (n,).

    ``newest_ms`` is the newest time before all of ``time_ms``; without one, ``NEVER`` is used.
    """
    start = NEVER if newest_ms is None else newest_ms
    return np.maximum.accumulate(np.concatenate([[start], time_ms]))[:-1]


def classify_arrivals(
    newest_before_ms: NDArray[np.int64],
    pane_end_ms: NDArray[np.int64],
    lateness_ms: NDArray[np.int64],
    accept_late_ms: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The ``Arrival`` of each row. All arrays have shape (n,).

    ``lateness_ms`` and ``accept_late_ms`` are the settings of each row's model.
    """
    behind_ms = newest_before_ms - lateness_ms - pane_end_ms
    return np.select(
        [behind_ms < 0, behind_ms <= accept_late_ms],
        [Arrival.ON_TIME, Arrival.LATE],
        default=Arrival.TOO_LATE,
    ).astype(np.int64)


def latest(*times_ms: int | None) -> int | None:
    """The maximum of the times that are not None. None if there is no such time."""
    return max((time_ms for time_ms in times_ms if time_ms is not None), default=None)


def earliest(times_ms: Iterable[int | None]) -> int | None:
    """The minimum. None if any time is None, or if there is no time."""
    minimum: int | None = None
    for time_ms in times_ms:
        if time_ms is None:
            return None
        minimum = time_ms if minimum is None else min(minimum, time_ms)
    return minimum
