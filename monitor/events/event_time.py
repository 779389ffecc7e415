"""Event time: which rows are late.

Theory of operation
-------------------
Only the order inside a partition is defined. A row is therefore late or on time by the newest event
time of its model version seen before it in *its own* partition; the result depends neither on how a
poll cuts the stream, nor on how fast other partitions are read, nor on other models. The watermark
of a version is the minimum of its newest event times in the partitions (``progress``), and panes
that end before it are complete. A row that is on time lies ahead of the progress of its own
partition, so it cannot arrive after the watermark that closes its pane.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

NEVER = -(1 << 62)  # the newest event time before the first row of a partition


class Arrival(IntEnum):
    ON_TIME = 0
    LATE = 1
    TOO_LATE = 2


def newest_before(newest_ms: int | None, time_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """The newest event time before each row of a partition, shape (n,).

    ``newest_ms`` is the newest time before all of ``time_ms``; without one, ``NEVER`` is used.
    """
    start = NEVER if newest_ms is None else newest_ms
    return np.maximum.accumulate(np.concatenate([[start], time_ms]))[:-1]


def classify_arrivals(
    newest_before_ms: NDArray[np.int64],
    pane_end_ms: NDArray[np.int64],
    lateness_ms: int,
    accept_late_ms: int,
) -> NDArray[np.int64]:
    """The ``Arrival`` of each row. All arrays have shape (n,).

    ``lateness_ms`` and ``accept_late_ms`` are the settings of the rows' model.
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
