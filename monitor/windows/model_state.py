"""The state of one key between two batches, and of one that is set aside.

A key is *set aside* if it cannot be judged: its profile is missing or does not fit the
configuration, or its detection fails. Its summaries are still added to its panes, and
``Decisions.unjudged`` lists the panes that have changed. Joined rows that ``join`` could not count
are kept. Once the version can be judged again, they are counted, and it closes what is due, in
order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Summary
from monitor.identity import Key, VersionKey
from monitor.windows.clocks import NO_TIME, AppendClock, VersionTime
from monitor.windows.data_windows import MOST_EMPTY
from monitor.windows.panes import Pane, add_summary, first_offset
from monitor.windows.state import Computed, Decisions, Due, State, Uncounted, soonest

Counted = tuple[int, Summary | JoinedRows]  # with its offset

NOT_JUDGED = Decisions((0, 0, 0))  # no windows of any length yet


@dataclass(frozen=True, slots=True)
class ModelState:
    """The part of a ``State`` that belongs to one key."""

    time: VersionTime = NO_TIME  # of its version
    decisions: Decisions = NOT_JUDGED
    panes: Mapping[int, Pane] = field(default_factory=dict)
    uncounted: Uncounted = ()
    computed: Computed = field(default_factory=Computed)
    due: Due | None = None  # None: not computed yet
    wake_ms: int | None = None  # append time at which to look again without other news


def model_state(state: State, key: Key) -> ModelState:
    """The state of a key; an empty one if there is none."""
    return ModelState(
        state.times.get(key.version_key, NO_TIME),
        state.decisions.get(key, NOT_JUDGED),
        state.panes.get(key, {}),
        state.uncounted.get(key, ()),
        state.computed.get(key, Computed()),
        state.due.get(key),
        state.agenda.times_ms.get(key),
    )


def with_models(state: State, clock: AppendClock, models: Mapping[Key, ModelState]) -> State:
    """``state`` with another clock and other states of some keys."""
    return State(
        clock,
        {**state.times, **_times(models)},
        {**state.decisions, **{key: model.decisions for key, model in models.items()}},
        {**state.panes, **{key: model.panes for key, model in models.items()}},
        state.lives,
        _uncounted(state, models),
        {**state.computed, **{key: model.computed for key, model in models.items()}},
        {**state.due, **{key: model.due for key, model in models.items()}},
        state.agenda.updated({key: model.wake_ms for key, model in models.items()}),
        _with_segments(_segments(state), models),
        (_without_due(state) - models.keys()) | {k for k, m in models.items() if m.due is None},
        tuple(models),
        state.retire_ms,
    )


def keys_of(state: State, version: VersionKey) -> tuple[Key, ...]:
    """The whole of a version, and its segments that have decisions."""
    return Key(*version), *_segments(state).get(version, ())


def set_aside(model: ModelState, time: VersionTime, items: Iterable[Counted]) -> ModelState:
    """``model`` at another time, with summaries in its panes and no further decision."""
    panes, unjudged = dict(model.panes), set(model.decisions.unjudged)
    uncounted = list(model.uncounted)
    uncounted_from = model.decisions.uncounted_from
    for offset, item in items:
        if isinstance(item, JoinedRows):
            uncounted.append((offset, item))
            uncounted_from = soonest((uncounted_from, offset))
        elif add_summary(panes, model.decisions.pruned_ms, offset, item):
            unjudged.add((item.pane_ms, item.part))
    decisions = replace(
        model.decisions,
        unjudged=tuple(sorted(unjudged)),
        uncounted_from=uncounted_from,
        # Not of the panes alone: a part of them may be lost.
        first_needed=soonest((model.decisions.first_needed, first_offset(panes), uncounted_from)),
    )
    return replace(
        model,
        time=time,
        decisions=model.decisions if decisions == model.decisions else decisions,
        panes=panes,
        uncounted=tuple(uncounted),
        due=None,
    )


def _uncounted(state: State, models: Mapping[Key, ModelState]) -> Mapping[Key, Uncounted]:
    """By key, without the keys that have none."""
    changed = {key: model.uncounted for key, model in models.items()}
    return {key: rows for key, rows in {**state.uncounted, **changed}.items() if rows}


def due_at(state: State, clock: AppendClock) -> frozenset[Key]:
    """The keys to look at when the append time is that of ``clock``, as far as is known."""
    due, now_ms = _without_due(state), clock.predictions.min_ms
    if clock == state.clock or now_ms is None:
        return due
    return due | set(state.agenda.until(now_ms))


def _without_due(state: State) -> frozenset[Key]:
    """The keys whose due time has to be computed."""
    if state.without_due is not None:
        return state.without_due
    return frozenset(key for key in state.decisions if not _is_asleep(state, key))


def _is_asleep(state: State, key: Key) -> bool:
    """Whether nothing of a key can become due before it gets more summaries."""
    decisions = state.decisions[key]
    if state.panes.get(key) or state.uncounted.get(key) or decisions.windows or decisions.unjudged:
        return False
    if decisions.retraining is not None and decisions.retraining.due:
        return False
    return decisions.next_start_ms is None or decisions.empty_run >= MOST_EMPTY


def _times(models: Mapping[Key, ModelState]) -> dict[VersionKey, VersionTime]:
    """One of each version: not of a key that is set aside, which knew no settings, if possible."""
    judged_last = sorted(models.items(), key=lambda each: each[1].due is not None)
    return {key.version_key: model.time for key, model in judged_last}


def _segments(state: State) -> Mapping[VersionKey, tuple[Key, ...]]:
    return _with_segments({}, state.decisions) if state.segments is None else state.segments


def _with_segments(
    segments: Mapping[VersionKey, tuple[Key, ...]], keys: Iterable[Key]
) -> Mapping[VersionKey, tuple[Key, ...]]:
    """``segments``, with those of ``keys`` that are segments."""
    added = dict(segments)
    for key in keys:
        known = added.get(key.version_key, ())
        if key.segment and key not in known:
            added[key.version_key] = (*known, key)
    return added
