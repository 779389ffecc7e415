"""The role detect beside a thousand versions that are idle: a batch costs as if they were not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

import consumers.roles.learning
from consumers.messages.arrow import ARROW_HEADERS
from consumers.messages.detect_state import clock_message, decisions_message, time_message
from consumers.messages.progress import (
    JoinProgress,
    SourceProgress,
    VersionJoined,
    VersionSeen,
    join_progress_messages,
    source_progress_messages,
)
from consumers.messages.records import Message, TopicPartition
from consumers.messages.summaries import encode_pieces
from consumers.roles.detect import Detect
from monitor.counts.counts import Counts
from monitor.counts.profile import Profile
from monitor.counts.summary import Part, Summary
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import Key, VersionKey
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.state import State
from tests.consumers.in_memory import NOW, PANE, T0, Log, Table, Worker, constant, plan, profile

S0 = TopicPartition("summaries", 0)
LIVE, IDLE = ("live", "1"), ("idle", "0")
START = NOW - NOW % (4 * PANE)  # of the live version, whose rows are appended at their time
IDLE_AFTER = 10 * PANE
PLAN = plan(idle_after_ms=IDLE_AFTER)
VERSIONS, BATCHES, STEP_MS = 1_000, 100, PANE // 100


class AnyVersion(Table):
    """Every model version, with the same profile but for its name."""

    def get(self, model: str, version: str) -> Profile:
        named = profile()
        return replace(named, schema=replace(named.schema, model=model, version=version))


@pytest.fixture(autouse=True, scope="module")
def _evaluators() -> Iterator[None]:
    learned = Evaluator.of(PLAN, profile())

    def evaluator(_: object, __: Plan, named: Profile, ___: bytes | None) -> Evaluator:
        return replace(learned, profile=named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.learning.Learning, "evaluator", evaluator)
        yield


def new_worker(directory: Path, *state: Message) -> tuple[Worker[Detect], Log]:
    log = Log(summaries=1, **{"detect-state": 1, "windows": 1, "alerts": 1})
    for message in state:
        log.append(message)
    role = Detect(
        AnyVersion(),
        constant(PLAN),
        log.partitions,
        log.read,
        directory,
        log.first_offset,
    )
    return Worker(role, log, [S0]), log


def rows(key: VersionKey, at_ms: int) -> Message:
    """Twenty on-time rows in the pane of a moment."""
    x = profile().schema.features["x"]
    values = np.random.default_rng(at_ms).normal(size=20)
    cells = {"rows": Counts.of([0] * 20), "bins/x": Counts.of(x.sample.locate(values))}
    summary = Summary(*key, at_ms - at_ms % PANE, Part.ON_TIME, cells)
    (value,) = encode_pieces([summary])
    return Message("summaries", key[0].encode(), value, 0, ARROW_HEADERS)


def progress(key: VersionKey, at_ms: int, append_ms: int, last_append_ms: int) -> list[Message]:
    """A version has come to ``at_ms``; the append time of all partitions is ``append_ms``."""
    (model, version), appended = key, AppendTimes(1, {0: append_ms})
    seen = Seen(at_ms, last_append_ms, last_append_ms, last_append_ms)
    is_idle = append_ms >= last_append_ms + IDLE_AFTER
    runs_from_ms = last_append_ms if is_idle and last_append_ms == at_ms else None
    joined = EventTime(at_ms, is_idle, runs_from_ms)
    sources = SourceProgress(
        schema=1,
        predictions=appended,
        labels=appended,
        versions=[VersionSeen(model=model, version=version, partition=0, seen=seen)],
    )
    joins = JoinProgress(
        schema=1,
        joins=appended,
        versions=[
            VersionJoined(
                model=model, version=version, partition=0, predictions=joined, labels=joined
            )
        ],
    )
    return [
        *source_progress_messages(sources, joins=0, summaries=1, has_append_times=True),
        *join_progress_messages(joins, 1, has_append_times=True),
    ]


def idle_state(directory: Path, end_ms: int) -> State:
    """The state after 30 panes of a version to ``end_ms``, appended until ``START`` at the latest.

    It has been idle long enough for all windows with its rows to close and its panes to be dropped.
    """
    worker, log = new_worker(directory)
    last_append_ms = START - 80 * PANE
    for at_ms in range(end_ms - 30 * PANE, end_ms + 1, PANE):
        append_ms = last_append_ms + at_ms - end_ms
        for message in [rows(IDLE, at_ms), *progress(IDLE, at_ms, append_ms, append_ms)]:
            log.append(message)
        worker.work()
    for message in progress(IDLE, end_ms, START, last_append_ms):
        log.append(message)
    worker.work()
    return worker.role._owned[S0].now.state


def beside(state: State, versions: int, directory: Path) -> tuple[Worker[Detect], Log]:
    """A worker that finds so many versions with the state of one, and no panes."""
    keys = [Key("idle", str(number)) for number in range(versions)]
    decided, known = state.decisions[Key(*IDLE)], state.times[IDLE]
    return new_worker(
        directory,
        clock_message(0, state.clock),
        *(decisions_message(0, key, decided) for key in keys),
        *(time_message(0, key.version_key, known) for key in keys),
    )


def handled_s(worker: Worker[Detect], log: Log, at_ms: int) -> float:
    """The time of ``detect`` for a batch with rows of the live version and an append time."""
    for message in [rows(LIVE, at_ms), *progress(LIVE, at_ms, at_ms, at_ms)]:
        log.append(message)
    batch = worker.poll()
    started_s = time.perf_counter()
    worker.work(batch=batch)
    return time.perf_counter() - started_s


@pytest.mark.parametrize(
    ("end_ms", "goes_on"),
    [
        pytest.param(T0, False, id="whose time stands still"),
        pytest.param(START - 80 * PANE, True, id="whose time goes on with append time"),
    ],
)
def test_batch_of_a_live_version_costs_as_much_beside_a_thousand_idle_ones(
    tmp_path, end_ms, goes_on
):
    state = idle_state(tmp_path / "idle", end_ms)
    assert (state.times[IDLE].clock(state.clock, PLAN.time).data_ms > end_ms) == goes_on
    alone = beside(state, 0, tmp_path / "alone")
    crowded = beside(state, VERSIONS, tmp_path / "crowded")
    times_s = [
        (handled_s(*alone, at_ms), handled_s(*crowded, at_ms))
        for at_ms in range(START, START + BATCHES * STEP_MS, STEP_MS)
    ]
    assert len(crowded[0].role._owned[S0].now.state.decisions) == VERSIONS + 1
    ratio = median(many for _, many in times_s) / median(one for one, _ in times_s)
    assert ratio < 1.5
