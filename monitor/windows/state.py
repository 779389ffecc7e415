"""The state of detection: event time, the sums of the panes, and the decisions.

The *sums* of the panes can be rebuilt from the summaries from ``first_needed`` on, and so can the
joined rows that are not counted yet. *Event time* and the *decisions* (revisions, incidents)
cannot; they are small and are published when they change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Part, Summary
from monitor.decisions.incidents import Incident
from monitor.decisions.retraining_history import RetrainingHistory
from monitor.identity import Key, VersionKey
from monitor.plan import Plan
from monitor.windows.agenda import Agenda
from monitor.windows.clocks import AppendClock, Clock, Progress, VersionTime
from monitor.windows.judged_windows import JudgedWindow
from monitor.windows.lives import LifeRequest, Lives
from monitor.windows.panes import Pane, add_summary, kept_from
from monitor.windows.scales import BlockSums

Uncounted = tuple[tuple[int, JoinedRows], ...]  # with their offsets

BEFORE_ALL, AFTER_ALL = -(1 << 62), 1 << 62  # for comparisons with times that are None


@dataclass(frozen=True, slots=True)
class WindowState:
    """How often a closed window was published, and whether its performance is final."""

    data_revision: int = 0
    performance_revision: int = 0
    complete: bool = True
    final: bool = False


@dataclass(frozen=True, slots=True)
class ErrorHistory:
    """The newest error rates of final panes, and the detections in them. See ``pane_errors``."""

    errors: Mapping[int, float] = field(default_factory=dict)  # standardized, by end of the pane
    detections: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # ends, by detector
    labels: int = 0  # of panes whose error rate waits for more labels
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class TrafficState:
    """What is known of the traffic of a version. See ``traffic_watch``."""

    rows_until_ms: int | None = None  # end of the newest closed pane with an on-time row
    silent_from_ms: int | None = None  # the same, if the version is silent since then
    after_jump_ms: int | None = None  # the first pane with a row after the last jump
    watches_gaps: bool = False
    watches_rows: bool = False


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions about one key. They cannot be rebuilt from the summaries."""

    window_config: tuple[int, int, int]  # pane, length and slide of the windows, in ms
    first_pane_ms: int | None = None
    next_pane_ms: int | None = None  # the pane to close next
    final_pane_ms: int | None = None  # the pane whose errors to test next
    next_start_ms: int | None = None  # start of the window to close next
    pruned_ms: int | None = None  # panes before it were dropped
    empty_run: int = 0  # windows without a row since the last one that held any
    windows: Mapping[int, WindowState] = field(default_factory=dict)  # closed, by start
    incidents: Mapping[str, Incident] = field(default_factory=dict)  # open, by subject
    recent_incidents: Mapping[str, Incident] = field(default_factory=dict)  # resolved, by subject
    errors: ErrorHistory = field(default_factory=ErrorHistory)
    first_needed: int | None = None  # offset of the first summary needed to rebuild the panes
    traffic: TrafficState = field(default_factory=TrafficState)
    # Panes and parts that changed while the key was set aside. See ``model_state``.
    unjudged: tuple[tuple[int, Part], ...] = ()
    uncounted_from: int | None = None  # offset of the first joined rows that are not counted
    # Of decisions about retraining. None: there was none yet, or it is of an earlier release.
    retraining: RetrainingHistory | None = None


class Times(NamedTuple):
    """The times of a version's clock, without None."""

    data_ms: int
    joined_ms: int
    labels_ms: int
    past_ms: int

    @classmethod
    def of(cls, clock: Clock) -> Times:
        times_ms = (clock.data_ms, clock.joined_ms, clock.labels_ms, clock.past_ms)
        return cls(*(BEFORE_ALL if ms is None else ms for ms in times_ms))


class Due(NamedTuple):
    """The clock at which a key has something to do next, in event time.

    Panes and windows close at ``data_ms``. They become final once both ``joined_ms`` and
    ``labels_ms`` are reached. Once all three times are past ``past_ms``, some can be dropped.
    """

    data_ms: int
    joined_ms: int
    labels_ms: int
    past_ms: int

    @classmethod
    def of(cls, **times_ms: int | None) -> Due:
        """None: never."""
        return cls(**{name: AFTER_ALL if ms is None else ms for name, ms in times_ms.items()})

    def is_reached(self, times: Times) -> bool:
        return (
            self.data_ms <= times.data_ms
            or (self.joined_ms <= times.joined_ms and self.labels_ms <= times.labels_ms)
            or self.past_ms <= times.past_ms
        )

    def remaining_ms(self, times: Times) -> int:
        """How far the times have to go until one is reached, if all of them go on equally fast."""
        joined_ms = max(self.joined_ms - times.joined_ms, self.labels_ms - times.labels_ms)
        return min(self.data_ms - times.data_ms, joined_ms, self.past_ms - times.past_ms)


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is kept between two batches of one partition of the summaries."""

    clock: AppendClock = field(default_factory=AppendClock)
    times: Mapping[VersionKey, VersionTime] = field(default_factory=dict)
    decisions: Mapping[Key, Decisions] = field(default_factory=dict)
    panes: Mapping[Key, Mapping[int, Pane]] = field(default_factory=dict)
    lives: Lives = field(default_factory=dict)
    uncounted: Mapping[Key, Uncounted] = field(default_factory=dict)
    # Caches, computed from the decisions and panes.
    computed: Mapping[Key, Computed] = field(default_factory=dict, compare=False)
    due: Mapping[Key, Due | None] = field(default_factory=dict, compare=False)
    agenda: Agenda = field(default_factory=Agenda, compare=False)
    # The segments of each version that have decisions, besides the whole. None: not computed.
    segments: Mapping[VersionKey, tuple[Key, ...]] | None = field(default=None, compare=False)
    # The keys whose due time is not computed. None: all that may have something to do.
    without_due: frozenset[Key] | None = field(default=None, compare=False)
    touched: tuple[Key, ...] = field(default=(), compare=False)  # by the last batch
    # No version retires by itself before this append time. None: it is not computed.
    retire_ms: int | None = field(default=None, compare=False)

    @property
    def first_needed(self) -> int | None:
        """Offset of the first summary needed to rebuild the panes of all keys."""
        offsets = (decisions.first_needed for decisions in self.decisions.values())
        return min((offset for offset in offsets if offset is not None), default=None)


@dataclass(frozen=True, slots=True)
class Computed:
    """What was computed from the panes, and is needed again."""

    data: BlockSums = field(default_factory=dict)  # of the blocks of the scales
    errors: BlockSums = field(default_factory=dict)
    windows: Mapping[int, JudgedWindow] = field(default_factory=dict)  # not final yet, by start


Item = tuple[int, Summary | JoinedRows | Progress]  # with its offset
LogItem = tuple[int, Summary | JoinedRows | Progress | LifeRequest]  # with its offset


def rebuilt(state: State, items: Iterable[Item]) -> State:
    """``state`` with its panes rebuilt from ``items``; no decision is made.

    Joined rows stay uncounted until their version is judged.
    """
    pruned_ms = {key: decisions.pruned_ms for key, decisions in state.decisions.items()}
    panes = {key: kept_from(kept, pruned_ms.get(key)) for key, kept in state.panes.items()}
    uncounted = dict(state.uncounted)
    for offset, item in items:
        if isinstance(item, Progress):
            continue
        if isinstance(item, JoinedRows):
            for key in _counting(item, (*state.decisions, *panes)):
                uncounted[key] = (*uncounted.get(key, ()), (offset, item))
        else:
            its_panes = panes.setdefault(item.key, {})
            add_summary(its_panes, pruned_ms.get(item.key), offset, item)
    return replace(
        state,
        panes=panes,
        uncounted=uncounted,
        computed={},
        due={},
        agenda=Agenda(),
        without_due=None,
    )


def _counting(item: JoinedRows, known: Iterable[Key]) -> Iterable[Key]:
    """The whole of a version, and its segments: each takes its own of the rows."""
    segments = (key for key in known if key.segment and key.version_key == item.key.version_key)
    return dict.fromkeys((item.key, *segments))


def rewindow(decisions: Decisions, plan: Plan) -> Decisions:
    """After a change of the configuration, continue with windows of the new length and slide."""
    if decisions.window_config == window_config(plan):
        return decisions
    due = [ms for ms in (decisions.first_pane_ms, decisions.next_start_ms) if ms is not None]
    next_ms = max((plan.windows.over(plan.windows.pane_of(ms))[0] for ms in due), default=None)
    same_pane = decisions.window_config[0] == plan.windows.pane_ms
    return replace(
        decisions,
        window_config=window_config(plan),
        next_start_ms=next_ms,
        windows={},
        errors=decisions.errors if same_pane else ErrorHistory(),
    )


def soonest(times: Iterable[int | None]) -> int | None:
    """The minimum of the times or offsets that are not None."""
    return min((time for time in times if time is not None), default=None)


def window_config(plan: Plan) -> tuple[int, int, int]:
    return plan.windows.pane_ms, plan.windows.length_ms, plan.windows.slide_ms
