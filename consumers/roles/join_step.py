"""One batch of the role ``join``: how its rows change the entries and counts of one partition.

The result is a function of the log up to the offset, whatever the batches were. A row finds its
entry as it is at the row's position in the log: expired if the watermarks there have passed it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from consumers.messages.joins import JoinColumns
from consumers.messages.progress import SourceProgress
from consumers.roles.join_batch import RowCollector
from consumers.roles.join_clock import JoinClock, TimeOf
from consumers.roles.join_matching import Matching
from consumers.roles.join_store import Changes, JoinState, JoinStore
from monitor.counts.joined_rows import JoinedRows
from monitor.events.joining import JoinPolicy
from monitor.identity import VersionKey
from monitor.windows.clocks import JoinedTime

PolicyOf = Callable[[str], JoinPolicy]


@dataclass(frozen=True, slots=True)
class JoinStep:
    """The changes of one batch in one partition, before they are committed."""

    changes: Changes
    joined_rows: Sequence[JoinedRows]
    joined_times: Mapping[VersionKey, JoinedTime]  # event times that have changed

    @property
    def state(self) -> JoinState:
        return self.changes.state


def join_step(
    store: JoinStore,
    next_offset: int,
    messages: Sequence[JoinColumns | SourceProgress],
    policy_of: PolicyOf,
    time_of: TimeOf,
) -> JoinStep:
    """The changes that ``messages`` make, which end before ``next_offset``."""
    before = store.state
    counts = Counter(before.counts)
    collector = RowCollector({version: i for i, version in enumerate(before.versions)})
    clock = _collect(collector, messages, before.clock, counts, time_of)
    rows = collector.grouped()
    matching = Matching(store.find(rows.ident), rows, [policy_of(model) for model in rows.models])
    counts.update(matching.counts)
    times = {} if clock is before.clock else _changed_times(before, clock, time_of)
    state = replace(
        before,
        next=next_offset,
        clock=clock,
        reported=_reported(before, times),
        counts=dict(counts),
        versions=tuple(rows.versions),
    )
    changes = store.changes(matching.found, list(matching.new_blocks), state)
    return JoinStep(changes, list(matching.joined_rows), times)


def watermarks(clock: JoinClock, time_of: TimeOf) -> Mapping[str, int]:
    """The watermark of each model that has one."""
    found = {model: clock.watermark_ms(model, time_of(model)) for model in clock.models}
    return {model: at_ms for model, at_ms in found.items() if at_ms is not None}


def _collect(
    into: RowCollector,
    messages: Sequence[JoinColumns | SourceProgress],
    clock: JoinClock,
    counts: Counter[str],
    time_of: TimeOf,
) -> JoinClock:
    """Collect the rows and count them. Returns the clock after ``messages``."""
    watermark_ms = cache(clock.watermark_ms)
    for message in messages:
        if isinstance(message, SourceProgress):
            clock = clock.updated(message, time_of)
            watermark_ms = cache(clock.watermark_ms)
        else:
            at_ms = watermark_ms(message.model, time_of(message.model))
            counts.update(into.add(message, at_ms))
    return clock


def _changed_times(
    before: JoinState, clock: JoinClock, time_of: TimeOf
) -> dict[VersionKey, JoinedTime]:
    """The event times that differ from those reported before."""
    times = {
        (model, version): clock.joined(model, version, time_of(model))
        for model, progress in clock.models.items()
        for version in progress.versions
    }
    return {
        (model, version): joined
        for (model, version), joined in times.items()
        if before.reported.get(model, {}).get(version) != joined
    }


def _reported(
    before: JoinState, times: Mapping[VersionKey, JoinedTime]
) -> Mapping[str, Mapping[str, JoinedTime]]:
    if not times:
        return before.reported
    reported = {model: dict(versions) for model, versions in before.reported.items()}
    for (model, version), joined in times.items():
        reported.setdefault(model, {})[version] = joined
    return reported
