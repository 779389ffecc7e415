"""Detection: summaries in, findings out, state carried along.

    summaries -> panes -> windows of all lengths -> verdicts -> incidents

``advance`` is a pure function; the state between two calls is in ``monitor.windows.state``.

Theory of operation
-------------------
1. A summary is added to its pane (``panes``). Closed windows over that pane are marked as changed
   (``closed_windows``).
2. When the watermark of its predictions passes the end of a pane, the pane closes, and with it
   every window that ends there: the windows of all scales (``pane_closer``) and those of
   ``windows.length`` (``data_windows``). Their verdicts open, continue and resolve incidents
   (``incident_tracker``). The first publication of a window, revision 0, holds the on-time rows
   alone; whatever comes later only amends it.
3. When the labels have had their time, errors and performance are final (``performance_windows``).
4. Once both have passed the end of a window, there is a decision about retraining
   (``retraining_watch``).
5. Changed windows are published again, with a higher revision.
6. Panes and windows that no row or label can reach any more are dropped.

What is watched, a model version or a segment of one, has a ``Key``. Keys do not affect each other:
each is judged by itself, and one that fails is set aside (``model_state``). Each version has its
own event time (``clocks``), which its segments share. A key is only touched if the batch names it
or its version, or if its event time has moved with append time, so idle versions cost next to
nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Summary
from monitor.identity import Key, VersionKey
from monitor.plan import Time
from monitor.windows.clocks import AppendClock, Clock, Progress, VersionTime
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings, RetrainingFinding
from monitor.windows.lives import Life, life_number
from monitor.windows.model_detection import ModelDetection
from monitor.windows.model_state import (
    Counted,
    ModelState,
    due_at,
    keys_of,
    model_state,
    set_aside,
    with_models,
)
from monitor.windows.segment_incidents import relate
from monitor.windows.state import Item, State, Times, window_config


def advance(
    evaluators: Mapping[Key, Evaluator], state: State, items: Iterable[Item]
) -> tuple[State, Findings]:
    """Add ``items`` to ``state``, in order.

    A key without an evaluator is set aside, as is one whose detection fails; its exception is in
    the findings. ``due_keys`` returns the keys that need an evaluator.
    """
    batch = _Batch.of(state, items)
    models: dict[Key, ModelState] = {}
    findings = Findings()
    for key in _touched(state, batch, evaluators):
        before = model_state(state, key)
        evaluator = evaluators.get(key)
        judged = None
        if evaluator is not None:
            life = state.lives.get(key.version_key)
            judged = _judged(evaluator, before, key, batch, findings, life)
        if judged is not None:
            models[key] = judged
        elif key in batch.named:
            time = batch.time_of(key.version_key, before.time)
            models[key] = set_aside(before, time, batch.items_of(key))
    after = with_models(state, batch.clock, models)
    relate(after, findings)
    return after, findings


def due_keys(state: State, items: Iterable[Item]) -> list[Key]:
    """The keys that ``items`` name, or that have something to do after them."""
    return list(_touched(state, _Batch.of(state, items), {}))


@dataclass(frozen=True, slots=True)
class _Batch:
    """The items of a batch; each of them has its position."""

    start: AppendClock
    clock: AppendClock  # after the batch
    progress: Sequence[tuple[int, Progress, AppendClock]]  # with the append time after it
    named: Mapping[Key, list[tuple[int, Counted]]]  # what is to be counted, by key named

    @classmethod
    def of(cls, state: State, items: Iterable[Item]) -> _Batch:
        clock, progress = state.clock, list[tuple[int, Progress, AppendClock]]()
        named: dict[Key, list[tuple[int, Counted]]] = defaultdict(list)
        for position, (offset, item) in enumerate(items):
            if isinstance(item, Progress):
                clock = clock.updated(item)
                progress.append((position, item, clock))
                for version in (*item.seen, *item.joined):
                    for key in keys_of(state, version):
                        named[key]
            else:
                for key in _counting(state, named, item):
                    named[key].append((position, (offset, item)))
        return cls(state.clock, clock, progress, dict(named))

    def items_of(self, key: Key) -> Iterator[Counted]:
        return (item for _, item in self.named.get(key, ()))

    def time_of(
        self, version: VersionKey, before: VersionTime, time: Time | None = None
    ) -> VersionTime:
        """The time of a version after the batch."""
        at = self.start
        for _, progress, clock in self.progress:
            before, at = before.updated(version, progress, at, time), clock
        return before

    def steps(
        self, key: Key, before: VersionTime, time: Time
    ) -> Iterator[tuple[int, Clock | Counted]]:
        """The clocks of a key and what is to be counted, with their positions."""
        at = self.start
        for position, progress, clock in self.progress:
            before, at = before.updated(key.version_key, progress, at, time), clock
            yield position, before.clock(at, time)
        yield from self.named.get(key, ())


def _counting(state: State, named: Iterable[Key], item: Summary | JoinedRows) -> Iterable[Key]:
    """The keys that count an item: joined rows that are not counted yet, segments as well."""
    if isinstance(item, Summary):
        return (item.key,)
    version = item.key.version_key
    return dict.fromkeys(
        (*keys_of(state, version), *(k for k in named if k.version_key == version))
    )


def _touched(state: State, batch: _Batch, evaluators: Mapping[Key, Evaluator]) -> Iterator[Key]:
    """The keys to look at: first those of ``state`` in their order, then new ones."""
    named, known = batch.named.keys(), state.decisions.keys()
    other_config = {
        key
        for key in known & evaluators.keys()
        if state.decisions[key].window_config != window_config(evaluators[key].plan)
    }
    touched = (known & named) | due_at(state, batch.clock) | other_config
    if len(touched) > 1:
        yield from (key for key in known if key in touched)
    else:
        yield from touched
    yield from (key for key in named if key not in known)


def _judged(  # noqa: PLR0913 - the version, its batch, and where the findings go
    evaluator: Evaluator,
    before: ModelState,
    key: Key,
    batch: _Batch,
    findings: Findings,
    life: Life | None,
) -> ModelState | None:
    """The state of a key after a batch; None if its detection failed.

    What it has found is added to ``findings``.
    """
    try:
        after = _if_nothing_is_due(evaluator, before, key, batch)
        if after is not None:
            return after
        model = ModelDetection(evaluator, key, before, life)
        _detect(model, evaluator.plan.time, before.time, key, batch)
        after = _with_time(model.state, evaluator, before.time, key, batch)
    except Exception as error:  # a bug in the judgement of one key must not stop the others
        findings.failures[key] = error
        return None
    findings.windows += model.windows
    findings.transitions += model.transitions
    if model.closed:
        findings.closed[key] = model.closed
    findings.retraining += [
        RetrainingFinding(key, one, life_number(life)) for one in model.retraining
    ]
    return after


def _if_nothing_is_due(
    evaluator: Evaluator, before: ModelState, key: Key, batch: _Batch
) -> ModelState | None:
    """The state of a key after a batch if it has nothing to do in it."""
    if batch.named.get(key) or before.due is None:
        return None
    if before.decisions.window_config != window_config(evaluator.plan):
        return None
    after = _with_time(before, evaluator, before.time, key, batch)
    clock = after.time.clock(batch.clock, evaluator.plan.time)
    return None if before.due.is_reached(Times.of(clock)) else after


def _with_time(
    model: ModelState, evaluator: Evaluator, before: VersionTime, key: Key, batch: _Batch
) -> ModelState:
    """``model`` at the time after the batch."""
    time = evaluator.plan.time
    after = batch.time_of(key.version_key, before, time)
    clock = after.clock(batch.clock, time)
    remaining_ms = 0 if model.due is None else model.due.remaining_ms(Times.of(clock))
    return replace(model, time=after, wake_ms=after.wake_ms(batch.clock, time, remaining_ms))


def _detect(
    model: ModelDetection, time: Time, before: VersionTime, key: Key, batch: _Batch
) -> None:
    model.wake(before.clock(batch.start, time))
    for _, step in sorted(batch.steps(key, before, time), key=lambda step: step[0]):
        if isinstance(step, Clock):
            model.close_until(step)
        else:
            model.add(*step)
    model.publish_changed()
    model.prune(batch.time_of(key.version_key, before, time).clock(batch.clock, time))
