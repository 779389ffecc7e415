"""The clock of each model version in ``detect``, from the progress that the other roles report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.events.event_time import earliest, latest
from monitor.events.progress import AppendTimes, EventTime, SeenIn, event_time
from monitor.identity import VersionKey
from monitor.plan import Time


@dataclass(frozen=True, slots=True)
class JoinedTime:
    """The event time up to which one partition of ``joins`` has joined a version's rows."""

    predictions: EventTime | None
    labels: EventTime | None
    life: int | None = None  # of the version; None: not known, of an earlier release


JoinedIn = Mapping[int, JoinedTime]  # by partition of ``joins``


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a worker at the end of a transaction.

    ``aggregate`` sends what it has read, ``join`` what it has joined.
    """

    predictions: AppendTimes = field(default_factory=AppendTimes)
    seen: Mapping[VersionKey, SeenIn] = field(default_factory=dict)
    joins: AppendTimes = field(default_factory=AppendTimes)
    joined: Mapping[VersionKey, JoinedIn] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppendClock:
    """The append times that all versions share: of ``predictions``, and of the rows joined."""

    predictions: AppendTimes = field(default_factory=AppendTimes)
    joins: AppendTimes = field(default_factory=AppendTimes)

    def updated(self, progress: Progress) -> AppendClock:
        return AppendClock(
            self.predictions.updated(progress.predictions), self.joins.updated(progress.joins)
        )


@dataclass(frozen=True, slots=True)
class Clock:
    """The watermarks of one version, before its lateness is subtracted."""

    data_ms: int | None = None
    joined_ms: int | None = None  # predictions joined in all partitions of ``joins``
    labels_ms: int | None = None  # labels joined in all partitions of ``joins``

    @property
    def past_ms(self) -> int | None:
        """The earliest of the three times."""
        return earliest((self.data_ms, self.joined_ms, self.labels_ms))


@dataclass(frozen=True, slots=True)
class VersionTime:
    """What is known of the event time of one version.

    Watermarks never go back: ``floor`` holds those that were reached before the newest progress.
    """

    seen: SeenIn = field(default_factory=dict)
    joined: JoinedIn = field(default_factory=dict)
    floor: Clock = field(default_factory=Clock)

    def updated(
        self, key: VersionKey, progress: Progress, at: AppendClock, time: Time | None
    ) -> VersionTime:
        """With the progress of a version, at the append time before it.

        Without the settings of the version, its floor stays.
        """
        if key not in progress.seen and key not in progress.joined:
            return self
        seen = {**self.seen, **progress.seen.get(key, {})}
        joined = {**self.joined, **progress.joined.get(key, {})}
        if seen == self.seen and joined == self.joined:
            return self
        return VersionTime(seen, joined, self.floor if time is None else self.clock(at, time))

    def clock(self, at: AppendClock, time: Time) -> Clock:
        """The watermarks at an append time."""
        data = event_time(self.seen, at.predictions, time)
        joined = self._joined(at.joins)
        return Clock(
            latest(self.floor.data_ms, _at(data, at.predictions.min_ms)),
            latest(self.floor.joined_ms, earliest(ms for ms, _ in joined)),
            latest(self.floor.labels_ms, earliest(ms for _, ms in joined)),
        )

    def wake_ms(self, at: AppendClock, time: Time, remaining_ms: int) -> int | None:
        """The append time of ``predictions`` at which to look at the version again.

        Event time that goes on with append time has ``remaining_ms`` to go. None: not before its
        next progress.
        """
        if not self.seen:
            return None
        data, now_ms = event_time(self.seen, at.predictions, time), at.predictions.min_ms
        times = [data, *(one for both in self.joined.values() for one in _both(both))]
        runs = any(one is not None and one.runs_from_ms is not None for one in times)
        if data is None or now_ms is None or not data.idle:
            settled = data is not None and time.idle_after_ms is None and not runs
            return None if settled else _AT_ONCE
        return now_ms + max(1, remaining_ms) if runs else None

    def _joined(self, joins: AppendTimes) -> list[tuple[int | None, int | None]]:
        """The times of the predictions and labels joined in each partition."""
        if not 0 < joins.total <= len(self.joined):
            return [(None, None)]
        return [
            (_at(one.predictions, append_ms), _at(one.labels, append_ms))
            for append_ms, one in ((joins.reached_ms.get(n), o) for n, o in self.joined.items())
        ]


NO_TIME = VersionTime()  # nothing is known yet
_AT_ONCE = -(1 << 62)


def _at(time: EventTime | None, append_ms: int | None) -> int | None:
    return None if time is None else time.at(append_ms)


def _both(joined: JoinedTime) -> tuple[EventTime | None, EventTime | None]:
    return joined.predictions, joined.labels
