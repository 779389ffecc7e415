"""Divides the state and the log of a partition by model, and puts the parts together again.

Models share nothing but the append clock, so each part can be at another offset of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from monitor.identity import Key, VersionKey
from monitor.windows.agenda import Agenda
from monitor.windows.clocks import Progress
from monitor.windows.state import LogItem, State, soonest

K = TypeVar("K", VersionKey, Key)
T = TypeVar("T")


def models_of(state: State) -> frozenset[str]:
    """The models that a state knows."""
    return frozenset(key[0] for key in (*state.lives, *state.times, *state.decisions))


def divided(state: State, model: str) -> tuple[State, State]:
    """The part of a state that belongs to a model, and that of all others."""
    return _part(state, lambda one: one == model), _part(state, lambda one: one != model)


def merged(state: State, part: State) -> State:
    """``state`` with the models of ``part``, which it does not have. Its clock stays."""
    return State(
        state.clock,
        {**state.times, **part.times},
        {**state.decisions, **part.decisions},
        {**state.panes, **part.panes},
        {**state.lives, **part.lives},
        {**state.uncounted, **part.uncounted},
        {**state.computed, **part.computed},
        {**state.due, **part.due},
        state.agenda.updated(part.agenda.times_ms),
        touched=(*state.touched, *part.touched),
    )


def items_of(items: Iterable[LogItem], is_wanted: Callable[[str], bool]) -> Iterator[LogItem]:
    """What belongs to some models. Progress stays in any case: it carries append times."""
    for offset, item in items:
        if isinstance(item, Progress):
            seen = {key: one for key, one in item.seen.items() if is_wanted(key[0])}
            joined = {key: one for key, one in item.joined.items() if is_wanted(key[0])}
            yield offset, replace(item, seen=seen, joined=joined)
        elif is_wanted(item.key[0]):
            yield offset, item


def needing(state: State, offset: int) -> State:
    """``state`` whose keys need the summaries from ``offset`` on, so that their loss is noticed."""
    decisions = {
        key: replace(one, first_needed=soonest((one.first_needed, offset)))
        for key, one in state.decisions.items()
    }
    return replace(state, decisions=decisions)


def _part(state: State, is_wanted: Callable[[str], bool]) -> State:
    def wanted(of: Mapping[K, T]) -> dict[K, T]:
        return {key: value for key, value in of.items() if is_wanted(key[0])}

    return State(
        state.clock,
        wanted(state.times),
        wanted(state.decisions),
        wanted(state.panes),
        wanted(state.lives),
        wanted(state.uncounted),
        wanted(state.computed),
        wanted(state.due),
        Agenda().updated(wanted(state.agenda.times_ms)),
    )
