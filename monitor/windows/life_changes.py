"""Applies the changes of lives to the state of detection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from monitor.decisions.incidents import Change, Resolution
from monitor.events.event_time import latest
from monitor.identity import Key, VersionKey
from monitor.windows.clocks import NO_TIME, AppendClock, Progress
from monitor.windows.findings import Transition
from monitor.windows.lives import (
    LastAppend,
    LifeChanges,
    LifeRequest,
    RetireAfter,
    VersionState,
    after_first_rows,
    after_request,
    after_silence,
    next_retirement_ms,
)
from monitor.windows.model_state import keys_of
from monitor.windows.state import AFTER_ALL, Decisions, LogItem, State

K = TypeVar("K", VersionKey, Key)
T = TypeVar("T")


def items_to_next_change(state: State, items: Sequence[LogItem], after: RetireAfter) -> int:
    """How many items come before the next change of a life, with the one that makes it."""
    clock, retire_ms = state.clock, _retire_ms(state, after)
    for number, (_, item) in enumerate(items, start=1):
        if isinstance(item, LifeRequest):
            return number
        if isinstance(item, Progress):
            clock = clock.updated(item)
            if any(key not in state.lives for key in item.seen) or _is_past(clock, retire_ms):
                return number
    return len(items)


def with_change(state: State, item: LogItem, after: RetireAfter) -> tuple[State, list[Transition]]:
    """``state`` with the changes of lives that an item makes, and the incidents that they end."""
    offset, content = item
    lives, transitions = state.lives, list[Transition]()
    if isinstance(content, LifeRequest):
        state, transitions = _changed(state, after_request(lives, content, offset))
    elif isinstance(content, Progress):
        state, transitions = _changed(state, after_first_rows(lives, content))
    if _is_past(state.clock, _retire_ms(state, after)):
        silent = after_silence(state.lives, _last_append_of(state), state.clock, after, offset)
        state, more = _changed(state, silent)
        transitions += more
        lives = {}
    if state.lives is not lives or state.retire_ms is None:
        found = next_retirement_ms(state.lives, _last_append_of(state), after)
        state = replace(state, retire_ms=AFTER_ALL if found is None else found)
    return state, transitions


def _retire_ms(state: State, after: RetireAfter) -> int:
    """No shadow is retired before this append time."""
    if state.retire_ms is not None:
        return state.retire_ms
    found = next_retirement_ms(state.lives, _last_append_of(state), after)
    return AFTER_ALL if found is None else found


def _last_append_of(state: State) -> LastAppend:
    def last_append_ms(key: VersionKey) -> int | None:
        time = state.times.get(key, NO_TIME)
        return latest(*(one.last_append_ms for one in time.seen.values()))

    return last_append_ms


def _is_past(clock: AppendClock, at_ms: int) -> bool:
    now_ms = clock.predictions.min_ms
    return now_ms is not None and now_ms >= at_ms


def _changed(state: State, changes: LifeChanges) -> tuple[State, list[Transition]]:
    if not changes.lives:
        return state, []
    lives = {**state.lives, **changes.lives}
    ended = [(version, key) for version in changes.ended for key in keys_of(state, version)]
    transitions = [
        transition
        for version, key in ended
        for transition in _ended_incidents(state, key, _resolution(lives[version].state))
    ]
    dropped = frozenset(key for _, key in ended)
    return (
        replace(
            state,
            lives=lives,
            times=_without(state.times, frozenset(changes.ended)),
            decisions=_without(state.decisions, dropped),
            panes=_without(state.panes, dropped),
            uncounted=_without(state.uncounted, dropped),
            computed=_without(state.computed, dropped),
            due=_without(state.due, dropped),
            agenda=state.agenda.updated(dict.fromkeys(dropped)),
            segments=None,
            without_due=None if state.without_due is None else state.without_due - dropped,
        ),
        transitions,
    )


def _resolution(state: str) -> Resolution:
    return Resolution.RETIRED if state == VersionState.RETIRED else Resolution.REBASED


def _ended_incidents(state: State, key: Key, resolution: Resolution) -> Iterator[Transition]:
    """The incidents of a key that people know of, resolved at the end of its last pane."""
    decisions = state.decisions.get(key, Decisions((0, 0, 0)))
    for incident in decisions.incidents.values():
        if incident.primary is None:
            end_ms = max(incident.evidence.end_ms, decisions.next_pane_ms or 0)
            yield Transition(
                key, Change.RESOLVED, incident, incident.evidence.start_ms, end_ms, resolution
            )


def _without(of: Mapping[K, T], dropped: frozenset[K]) -> dict[K, T]:
    return {key: value for key, value in of.items() if key not in dropped}
