"""Detection: summaries in, findings out, state carried along.

    summaries -> panes -> windows of all lengths -> verdicts -> incidents

``advance`` is a pure function; the state between two calls is in ``monitor.windows.state``.

Theory of operation
-------------------
1. A summary is added to its pane (``panes``). Closed windows over that pane are marked as changed
   (``closed_windows``).
2. When the watermark of the predictions passes the end of a pane, the pane closes, and with it
   every window that ends there: the windows of all scales (``pane_closer``) and those of
   ``windows.length`` (``data_windows``). Their verdicts open, continue and resolve incidents
   (``incident_tracker``). The first publication of a window, revision 0, holds the on-time rows
   alone; whatever comes later only amends it.
3. When the labels have had their time, errors and performance are final (``performance_windows``).
4. Changed windows are published again, with a higher revision.
5. Panes and windows that no row or label can reach any more are dropped.

Model versions do not affect each other: each is judged by itself, and one that fails is set aside
(``model_state``). A version is only touched if it gets a summary or if the clock has passed the
time at which it has something to do next, so idle versions cost next to nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.counts.summary import Summary
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings
from monitor.windows.model_detection import ModelDetection
from monitor.windows.model_state import (
    ModelState,
    model_state,
    reached,
    set_aside,
    with_models,
)
from monitor.windows.state import Clock, Item, Key, State, WatermarkUpdate, window_config

OffsetSummary = tuple[int, Summary]  # with its offset


def advance(
    evaluators: Mapping[Key, Evaluator], state: State, items: Iterable[Item]
) -> tuple[State, Findings]:
    """Add ``items`` to ``state``, in order.

    A model version without an evaluator is set aside, as is one whose detection fails; its
    exception is in the findings. ``due_models`` returns the versions that need an evaluator.
    """
    batch = _Batch.of(state.clock, items)
    models: dict[Key, ModelState] = {}
    findings = Findings()
    for key in _touched(state, batch, evaluators):
        before = model_state(state, key)
        evaluator = evaluators.get(key)
        judged = None if evaluator is None else _judged(evaluator, before, key, batch, findings)
        if judged is not None:
            models[key] = judged
        elif key in batch.summaries:
            models[key] = set_aside(before, batch.summaries_of(key))
    return with_models(state, batch.clock, models), findings


def due_models(state: State, items: Iterable[Item]) -> list[Key]:
    """The model versions that ``items`` name, or that have something to do after them."""
    return list(_touched(state, _Batch.of(state.clock, items), {}))


@dataclass(frozen=True, slots=True)
class _Batch:
    """The items of a batch; each clock and summary has its position among them."""

    start: Clock
    clock: Clock  # after the batch
    clocks: Sequence[tuple[int, Clock]]
    summaries: Mapping[Key, Sequence[tuple[int, OffsetSummary]]]

    @classmethod
    def of(cls, clock: Clock, items: Iterable[Item]) -> _Batch:
        start, clocks = clock, list[tuple[int, Clock]]()
        summaries: dict[Key, list[tuple[int, OffsetSummary]]] = defaultdict(list)
        for position, (offset, item) in enumerate(items):
            if isinstance(item, WatermarkUpdate):
                clock = clock.updated(item)
                clocks.append((position, clock))
            else:
                summaries[item.model, item.version].append((position, (offset, item)))
        return cls(start, clock, clocks, summaries)

    def summaries_of(self, key: Key) -> Iterator[OffsetSummary]:
        return (summary for _, summary in self.summaries.get(key, ()))

    def of_model(self, key: Key) -> Iterator[Clock | OffsetSummary]:
        """The clocks, and the summaries of one model version, in the order of the batch."""
        steps: list[tuple[int, Clock | OffsetSummary]] = [*self.clocks]
        steps += self.summaries.get(key, ())
        return (step for _, step in sorted(steps, key=lambda step: step[0]))


def _touched(state: State, batch: _Batch, evaluators: Mapping[Key, Evaluator]) -> Iterator[Key]:
    """The model versions to look at: first those of ``state`` in their order, then new ones."""
    named, known = batch.summaries.keys(), state.decisions.keys()
    due = reached(state, batch.clock)
    other_config = {
        key
        for key in known & evaluators.keys()
        if state.decisions[key].window_config != window_config(evaluators[key].plan)
    }
    touched = (known & named) | due | other_config
    if len(touched) > 1:
        yield from (key for key in known if key in touched)
    else:
        yield from touched
    yield from (key for key in named if key not in known)


def _judged(
    evaluator: Evaluator, before: ModelState, key: Key, batch: _Batch, findings: Findings
) -> ModelState | None:
    """The state of a model version after a batch; None if its detection failed.

    What it has found is added to ``findings``.
    """
    try:
        model = ModelDetection(evaluator, before)
        if key not in batch.summaries and model.is_idle(batch.clock):
            return replace(before, due=model.due)
        _detect(model, key, batch)
        after = model.state
    except Exception as error:  # a bug in the judgement of one version must not stop the others
        findings.failures[key] = error
        return None
    findings.windows += model.windows
    findings.transitions += model.transitions
    return after


def _detect(model: ModelDetection, key: Key, batch: _Batch) -> None:
    model.wake(batch.start)
    for step in batch.of_model(key):
        if isinstance(step, Clock):
            model.close_until(step)
        else:
            model.add(*step)
    model.publish_changed()
    model.prune(batch.clock)
