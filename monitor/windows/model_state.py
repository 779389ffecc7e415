"""The state of one model version between two batches, and of one that is set aside.

A model version is *set aside* if it cannot be judged: its profile is missing or does not fit the
configuration, or its detection fails. Its summaries are still added to its panes, and
``Decisions.unjudged`` lists the panes that have changed. Once it can be judged again, it closes
what is due, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.counts.summary import Summary
from monitor.windows.data_windows import MOST_EMPTY
from monitor.windows.panes import Pane, add_summary, first_offset
from monitor.windows.state import Clock, Decisions, Due, Key, State, Sums, Times, soonest

NOT_JUDGED = Decisions((0, 0, 0))  # no windows of any length yet


@dataclass(frozen=True, slots=True)
class ModelState:
    """The part of a ``State`` that belongs to one model version."""

    decisions: Decisions = NOT_JUDGED
    panes: Mapping[int, Pane] = field(default_factory=dict)
    sums: Sums = field(default_factory=Sums)
    due: Due | None = None  # None: not computed yet


def model_state(state: State, key: Key) -> ModelState:
    """The state of a model version; an empty one if there is none."""
    return ModelState(
        state.decisions.get(key, NOT_JUDGED),
        state.panes.get(key, {}),
        state.sums.get(key, Sums()),
        state.due.get(key),
    )


def with_models(state: State, clock: Clock, models: Mapping[Key, ModelState]) -> State:
    """``state`` with another clock and other states of some model versions."""
    return State(
        clock,
        {**state.decisions, **{key: model.decisions for key, model in models.items()}},
        {**state.panes, **{key: model.panes for key, model in models.items()}},
        {**state.sums, **{key: model.sums for key, model in models.items()}},
        {**state.due, **{key: model.due for key, model in models.items()}},
    )


def set_aside(model: ModelState, summaries: Iterable[tuple[int, Summary]]) -> ModelState:
    """``model`` with summaries, each with its offset, in its panes and no further decision."""
    panes, unjudged = dict(model.panes), set(model.decisions.unjudged)
    for offset, summary in summaries:
        if add_summary(panes, model.decisions.pruned_ms, offset, summary):
            unjudged.add((summary.pane_ms, summary.part))
    # Not of the panes alone: a part of them may be lost.
    first_needed = soonest((model.decisions.first_needed, first_offset(panes)))
    decisions = replace(
        model.decisions, unjudged=tuple(sorted(unjudged)), first_needed=first_needed
    )
    return replace(model, decisions=decisions, panes=panes, due=None)


def reached(state: State, clock: Clock) -> set[Key]:
    """The model versions that have something to do at a clock, as far as it is known."""
    times, dues = Times.of(clock), state.due
    due = {key for key, due in dues.items() if due is None or due.is_reached(times)}
    if len(dues) < len(state.decisions):
        due |= {key for key in state.decisions if key not in dues and not _is_asleep(state, key)}
    return due


def _is_asleep(state: State, key: Key) -> bool:
    """Whether nothing of a model version can become due before it gets more summaries."""
    decisions = state.decisions[key]
    if state.panes.get(key) or decisions.windows or decisions.unjudged:
        return False
    return decisions.next_start_ms is None or decisions.empty_run >= MOST_EMPTY
