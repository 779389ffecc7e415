"""How far event time has come, for each model version by itself.

Theory of operation
-------------------
Two clocks are used. *Event time* is the time in the rows, and each model version has its own: a
model that is scored at night must not wait for one that is scored all day, nor make it wait.
*Append time* is the broker's clock, one for each partition, and decides what is idle. It is part
of the log, so the same log gives the same event times whenever it is read.

The event time of a version is the smallest of its newest times in the source partitions. Two kinds
of partition do not count:

* one in which the version is *idle*: its append time is ``time.idle_after`` past the version's last
  row there;
* one in which the version was never seen, once its append time is ``time.idle_after`` past the
  version's first row anywhere. Until then it holds the version, because rows may be on their way.

A version that is idle in all partitions has the newest of its times. If its newest row was recent
when it was appended (no older than ``time.accept_late``), its event time goes on with append time:
the last windows of a live model close without another row. That of a replay stands still.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.plan import Time


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of a model version in one source partition."""

    newest_ms: int  # event time
    newest_append_ms: int  # append time of the row with the newest event time
    first_append_ms: int
    last_append_ms: int

    def plus(self, other: Seen | None) -> Seen:
        """What both have seen."""
        if other is None:
            return self
        newest = max(self, other, key=lambda seen: seen.newest_ms)
        return Seen(
            newest.newest_ms,
            newest.newest_append_ms,
            min(self.first_append_ms, other.first_append_ms),
            max(self.last_append_ms, other.last_append_ms),
        )


SeenIn = Mapping[int, Seen]  # by source partition


@dataclass(frozen=True, slots=True)
class AppendTimes:
    """The append time that has been read up to, in the partitions of a topic."""

    total: int = 0  # partitions of the topic
    reached_ms: Mapping[int, int] = field(default_factory=dict)  # by partition, of those known

    def updated(self, other: AppendTimes) -> AppendTimes:
        """With the later time of each partition."""
        reached_ms = dict(self.reached_ms)
        for number, at_ms in other.reached_ms.items():
            reached_ms[number] = max(at_ms, reached_ms.get(number, at_ms))
        return AppendTimes(max(self.total, other.total), reached_ms)

    @property
    def min_ms(self) -> int | None:
        """The time that all partitions have reached. None if one is not known yet."""
        if not 0 < self.total <= len(self.reached_ms):
            return None
        return min(self.reached_ms.values())

    def is_past(self, number: int, at_ms: int, span_ms: int | None) -> bool:
        """Whether a partition has reached ``at_ms + span_ms``. Never if ``span_ms`` is None."""
        reached_ms = self.reached_ms.get(number)
        return span_ms is not None and reached_ms is not None and reached_ms >= at_ms + span_ms


@dataclass(frozen=True, slots=True)
class EventTime:
    """The event time of a model version, as a function of append time."""

    ms: int
    idle: bool = False  # in all partitions
    runs_from_ms: int | None = None  # append time from which it goes on; None: it stands still

    def at(self, append_ms: int | None) -> int:
        """The event time when the append time is ``append_ms``."""
        if self.runs_from_ms is None or append_ms is None:
            return self.ms
        return self.ms + max(0, append_ms - self.runs_from_ms)


def event_time(seen: SeenIn, appended: AppendTimes, time: Time) -> EventTime | None:
    """The event time of a version. None before its first row, and while a partition holds it."""
    if not seen or is_held(seen, appended, time):
        return None
    idle_ms = time.idle_after_ms
    active = [
        one.newest_ms
        for number, one in seen.items()
        if not appended.is_past(number, one.last_append_ms, idle_ms)
    ]
    if active:
        return EventTime(min(active))
    newest = max(seen.values(), key=lambda one: one.newest_ms)
    recent = newest.newest_append_ms - newest.newest_ms <= time.accept_late_ms
    return EventTime(newest.newest_ms, True, newest.newest_append_ms if recent else None)


def label_time(
    labels: SeenIn,
    appended: AppendTimes,
    predictions: SeenIn,
    predictions_time: EventTime | None,
    time: Time,
) -> EventTime | None:
    """The event time of the labels of a version; ``labels`` are those of its model.

    While no labels come, it is that of the predictions: if it stood still, missing labels would
    never be noticed.
    """
    if not labels:
        held = not predictions or is_held(predictions, appended, time, of_another_topic=True)
        return None if held else predictions_time
    found = event_time(labels, appended, time)
    return predictions_time if found is not None and found.idle else found


def is_held(
    seen: SeenIn, appended: AppendTimes, time: Time, *, of_another_topic: bool = False
) -> bool:
    """Whether a partition without rows of a version may still have some on their way."""
    if appended.total == 0:
        return True
    first_ms = min(one.first_append_ms for one in seen.values())
    unseen = (number for number in range(appended.total) if of_another_topic or number not in seen)
    return not all(appended.is_past(number, first_ms, time.idle_after_ms) for number in unseen)
