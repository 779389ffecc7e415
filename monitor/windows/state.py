"""What detection remembers: clocks, the sums of panes, and what was decided.

It has two halves with different fates. The *sums* of the panes can be had again by adding up the
summaries from ``first_needed`` on; the *decisions* (watermarks, revisions, incidents) cannot, are
small, and are published with every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.counts.summary import Summary
from monitor.decisions.incidents import Incident
from monitor.events.event_time import Sources, earliest, latest
from monitor.plan import Plan
from monitor.windows.panes import Pane, add_summary, kept_from
from monitor.windows.scales import BlockSums

Key = tuple[str, str]  # model, version


@dataclass(frozen=True, slots=True)
class JoinWatermark:
    """How far the predictions and labels had come that a partition of ``joins`` has joined."""

    predictions_ms: int | None
    labels_ms: int | None


@dataclass(frozen=True, slots=True)
class WatermarkUpdate:
    """How far a worker has come at the end of a transaction.

    ``aggregate`` sends ``predictions``; ``join`` sends ``joins`` and ``joins_total``.
    """

    predictions: Sources | None = None
    joins_total: int = 0
    joins: Mapping[int, JoinWatermark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Clock:
    """Event time as the summaries know it. Raw: each model subtracts its own lateness."""

    predictions: Sources = field(default_factory=Sources)
    joins_total: int = 0
    joins: Mapping[int, JoinWatermark] = field(default_factory=dict)
    data_ms: int | None = None
    joined_ms: int | None = None  # predictions joined everywhere
    labels_ms: int | None = None  # labels joined everywhere

    def updated(self, update: WatermarkUpdate) -> Clock:
        sources = self.predictions
        if update.predictions is not None:
            sources = sources.updated(update.predictions.total, update.predictions.partitions)
        joins = {**self.joins, **update.joins}
        total = max(self.joins_total, update.joins_total)
        all_joined = 0 < total <= len(joins)
        return Clock(
            sources,
            total,
            joins,
            latest(self.data_ms, sources.min_newest_ms()),
            latest(
                self.joined_ms, _smallest(all_joined, (r.predictions_ms for r in joins.values()))
            ),
            latest(self.labels_ms, _smallest(all_joined, (r.labels_ms for r in joins.values()))),
        )


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
class Decisions:
    """What was decided of one model version. Cannot be had again from the summaries."""

    shape: tuple[int, int, int]  # pane, length and slide that the windows were cut with
    first_pane_ms: int | None = None
    next_pane_ms: int | None = None  # to close next
    final_pane_ms: int | None = None  # whose errors to judge next
    next_start_ms: int | None = None  # of the window to close next
    pruned_ms: int | None = None  # panes before it were let go
    empty_run: int = 0
    windows: Mapping[int, WindowState] = field(default_factory=dict)  # closed, by start
    incidents: Mapping[str, Incident] = field(default_factory=dict)  # open, by subject
    errors: ErrorHistory = field(default_factory=ErrorHistory)
    first_needed: int | None = None  # offset of the summaries that rebuilding starts from


@dataclass(frozen=True, slots=True)
class State:
    """Everything remembered between two batches of one partition of the summaries."""

    clock: Clock = field(default_factory=Clock)
    decisions: Mapping[Key, Decisions] = field(default_factory=dict)
    panes: Mapping[Key, Mapping[int, Pane]] = field(default_factory=dict)
    # Made of the panes, and kept to be quick: no part of what is remembered.
    sums: Mapping[Key, Sums] = field(default_factory=dict, compare=False)

    @property
    def first_needed(self) -> int | None:
        known = [d.first_needed for d in self.decisions.values() if d.first_needed is not None]
        return min(known) if known else None


@dataclass(frozen=True, slots=True)
class Sums:
    """The blocks of the scales, of the data and of the errors."""

    data: BlockSums = field(default_factory=dict)
    errors: BlockSums = field(default_factory=dict)


Item = tuple[int, Summary | WatermarkUpdate]  # the offset, and what stands there


def rebuilt(state: State, items: Iterable[Item]) -> State:
    """``state`` with the sums of ``items`` and nothing decided: how a lost cache comes back."""
    pruned_ms = {key: decisions.pruned_ms for key, decisions in state.decisions.items()}
    panes = {key: kept_from(mine, pruned_ms.get(key)) for key, mine in state.panes.items()}
    for offset, item in items:
        if isinstance(item, Summary):
            key = (item.model, item.version)
            add_summary(panes.setdefault(key, {}), pruned_ms.get(key), offset, item)
    return replace(state, panes=panes, sums={})


def rewindow(decisions: Decisions, plan: Plan) -> Decisions:
    """After a change of the configuration, continue with windows of the new length and slide."""
    if decisions.shape == window_config(plan):
        return decisions
    due = [ms for ms in (decisions.first_pane_ms, decisions.next_start_ms) if ms is not None]
    next_ms = max((plan.windows.over(plan.windows.pane_of(ms))[0] for ms in due), default=None)
    same_pane = decisions.shape[0] == plan.windows.pane_ms
    return replace(
        decisions,
        shape=window_config(plan),
        next_start_ms=next_ms,
        windows={},
        errors=decisions.errors if same_pane else ErrorHistory(),
    )


def window_config(plan: Plan) -> tuple[int, int, int]:
    return plan.windows.pane_ms, plan.windows.length_ms, plan.windows.slide_ms


def _smallest(known: bool, times_ms: Iterable[int | None]) -> int | None:
    return earliest(times_ms) if known else None
