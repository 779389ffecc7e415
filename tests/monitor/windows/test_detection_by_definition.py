"""What detection finds is what the raw rows say, whoever read them, how fast and in what portions.

Several partitions, disorder, lateness, duplicates and corrections; see ``streams`` for the way and
the definition that it is held against.
"""

from collections import defaultdict
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.budget import own_length
from monitor.counts.summary import Part
from monitor.decisions.incidents import (
    Heard,
    MetricVerdict,
    WindowVerdict,
    most_severe,
    settle,
    worst,
)
from monitor.statistics.drift_rule import evidence
from monitor.statistics.scanner import Scanner
from monitor.windows.evaluator import subject_of
from monitor.windows.findings import Maturity
from monitor.windows.state import State, rebuilt
from tests.monitor.streams import (
    KEY,
    LATENESS,
    PANE,
    WAIT,
    Definition,
    Label,
    Row,
    Way,
    by_window,
    data_of,
    evaluator,
    fold,
    performance_of,
    plan,
)

X = [0.0, 1.0, 2.0, 3.0, 4.0, 9.0, None, "text", True]
FAR = 300  # the last row of every partition: it closes and settles everything before it

evaluators = {shape: evaluator(plan(*shape)) for shape in [(4, 4), (4, 2), (3, 1), (1, 1)]}
shapes = st.sampled_from(sorted(evaluators))
seeds = st.integers(0, 2**32)


def sources(seed: int) -> tuple[list[list[Row]], list[list[Label]]]:
    """Rows of one to three partitions and labels of one or two, in disorder, some of them late."""
    random = Random(seed)
    rows: list[list[Row]] = [[] for _ in range(random.randint(1, 3))]
    labels: list[list[Label]] = [[] for _ in range(random.randint(1, 2))]
    drifts, silent = random.choice([0, 0, 3]), random.choice([False, False, True])
    for number in range(random.randint(1, 80)):
        at = random.randrange(240)
        if silent and 80 <= at < 180:
            continue
        ident = f"id {number if random.random() < 0.9 else random.randrange(80)}"
        x = random.choice(X if at < 120 else X[drifts:])
        score = random.choice([0.1, 0.3, 0.7, 0.9])
        row = Row(ident, at, x, random.choice("aabbc"), score, random.choice([None, None, 1]))
        random.choice(rows).append(row)
        for _ in range(random.choice([0, 1, 1, 1, 2])):
            known = Label(ident, at + random.randrange(40), int(random.random() < score))
            random.choice(labels).append(known)
    return (
        [[*disordered(random, mine), Row(f"far {i}", FAR)] for i, mine in enumerate(rows)],
        [[*disordered(random, mine), Label(f"far {i}", FAR)] for i, mine in enumerate(labels)],
    )


def disordered(random: Random, rows: list) -> list:
    delay = random.choice([0, 10, 40])
    return sorted(rows, key=lambda row: row.time_ms + random.randint(0, delay))


@given(shape=shapes, world=seeds, order=seeds, batches=seeds)
@settings(max_examples=30)
def test_every_window_says_what_its_rows_say(shape, world, order, batches):
    predictions, labels = sources(world)
    truth = Definition(evaluators[shape], predictions, labels)
    way = Way(evaluators[shape], predictions, labels, seed=order)
    found = by_window(way.detected(batches)[1])
    assert sorted(found) == truth.starts
    for start, revisions in found.items():
        _agrees(truth, start, revisions)


ON_TIME, ALL = (Part.ON_TIME,), (Part.ON_TIME, Part.LATE)


def _agrees(truth: Definition, start: int, revisions: list) -> None:
    first, last = revisions[0], revisions[-1]
    on_time, everything = truth.data(start, *ON_TIME), truth.data(start, *ALL)
    assert first.data.revision == 0
    assert all(data_of(w) == on_time for w in revisions if w.data.revision == 0)
    assert data_of(last) == everything
    assert (last.data.revision > 0) == (everything.rows > on_time.rows)
    final = [w for w in revisions if w.performance.status is Maturity.FINAL]
    assert bool(final) == (start in truth.final)
    if final:
        assert {w.detectors for w in final} == {truth.detectors(start)}
        assert performance_of(final[0]) == truth.performance(start, Part.FINAL, rows=ON_TIME)
        amended = truth.performance(start, Part.FINAL, Part.AMENDED, rows=ALL)
        assert performance_of(last) == amended


@given(shape=shapes, world=seeds, order=seeds, batches=seeds)
@settings(max_examples=12)
def test_revisions_only_grow_and_what_is_final_stays_so(shape, world, order, batches):
    way = Way(evaluators[shape], *sources(world), seed=order)
    for revisions in by_window(way.detected(batches)[1]).values():
        numbers = [w.revision for w in revisions]
        assert numbers == sorted(set(numbers))
        for before, after in pairwise(revisions):
            assert after.data.revision >= before.data.revision
            assert after.performance.revision >= before.performance.revision
            assert (before.performance.status, after.performance.status) != ("final", "provisional")
            if after.data.revision == before.data.revision:
                assert data_of(after) == data_of(before)
            if after.performance.revision == before.performance.revision:
                assert after.performance.metrics == before.performance.metrics


@given(shape=shapes, world=seeds, order=seeds, batches=seeds)
@settings(max_examples=20)
def test_incidents_follow_from_revision_0_and_the_final_performance_alone(
    shape, world, order, batches
):
    predictions, labels = sources(world)
    truth = Definition(evaluators[shape], predictions, labels)
    _, findings = Way(evaluators[shape], predictions, labels, seed=order).detected(batches)
    found = {(t.incident.subject, t.end_ms, t.change, t.incident) for t in findings.transitions}
    assert found == set(_incidents(truth))
    assert len(found) == len(findings.transitions)


def _incidents(truth: Definition):
    """What all windows say that end together is one step in the life of each subject."""
    incidents: dict = {}
    for end, heard in sorted(_heard(truth), key=lambda pair: pair[0]):
        incidents, told = settle(
            incidents, heard, scope="credit/1", plan=truth.evaluator.plan.incidents
        )
        for one in told:
            yield one.incident.subject, end, one.change, one.incident


def _heard(truth: Definition):
    watching = truth.evaluator
    for end in range(truth.first_ms + PANE, truth.newest_ms - LATENESS + 1, PANE):
        said = _said(truth, watching.data, Part.ON_TIME, end)
        yield end, {subject: most_severe(of, end, PANE) for subject, of in said.items()}
    settled = min(truth.labels_ms - WAIT, truth.newest_ms) - LATENESS
    for end in range(truth.first_ms + PANE, settled + 1, PANE):
        said = _said(truth, watching.errors, Part.FINAL, end)
        yield end, {subject: most_severe(of, end, PANE) for subject, of in said.items()}
    for start in (at for at in truth.final if at >= truth.first_ms):
        yield start + watching.plan.windows.length_ms, dict(_performance(truth, start))


def _performance(truth: Definition, start: int):
    slide_ms = truth.evaluator.plan.windows.slide_ms
    end = start + truth.evaluator.plan.windows.length_ms
    said: dict[str, list[MetricVerdict]] = defaultdict(list)
    for length in truth.evaluator.performance_lengths:
        from_ms, own = end - length.panes * PANE, length == own_length(truth.evaluator.plan)
        if from_ms >= truth.first_ms and (own or from_ms % (length.slide * PANE) == 0):
            for name, judged in truth.metrics(from_ms, end, length):
                said[name].append(judged)
    for name, of in said.items():
        yield f"performance/{name}", worst(of, end)
    tested = truth.coverage(start)
    if tested is not None:
        yield "coverage/labels", Heard(end, slide_ms, evidence(tested, start, end), slide_ms)


def _said(
    truth: Definition, scanner: Scanner, part: Part, end: int
) -> dict[str, list[WindowVerdict]]:
    """By subject, what the windows of every length that end there say of it."""
    found: dict[str, list[WindowVerdict]] = defaultdict(list)
    own, plan = own_length(truth.evaluator.plan), truth.evaluator.plan
    for length in {own, *scanner.levels}:
        start = end - length.panes * PANE
        if start < truth.first_ms or start % (length.slide * PANE):
            continue
        middle = start + length.panes // 2 * PANE
        halves = [truth.cells(part, start, middle), truth.cells(part, middle, end)]
        parts = [scanner.cell_index.gather(half) for half in halves[length.panes == 1 :]]
        for cells, tests in scanner.judge(parts, length).items():
            worst = max(tests, key=lambda tested: tested.severity_order)
            drifted = worst if worst.severity is not None else None
            if drifted is not None or length.panes == 1:
                slide_ms = max(length.slide * PANE, plan.windows.slide_ms)
                found[subject_of(cells)].append(WindowVerdict(drifted, start, end, slide_ms))
    return found


def test_some_of_these_worlds_hold_every_kind_of_change():
    found = set()
    for world in range(20):
        _, findings = Way(evaluators[4, 2], *sources(world), seed=world).detected()
        found |= {(t.incident.subject.partition("/")[0], t.change) for t in findings.transitions}
    assert {("data", "opened"), ("data", "resolved"), ("data", "escalated")} <= found
    assert {"data", "quality", "performance", "coverage"} <= {kind for kind, _ in found}


@given(shape=shapes, world=seeds, order=seeds, kept=st.floats(0, 1), lost=st.floats(0, 1))
@settings(max_examples=15)
def test_lost_sums_come_back_from_a_snapshot_and_the_log_behind_it(shape, world, order, kept, lost):
    way, watching = Way(evaluators[shape], *sources(world), seed=order), {KEY: evaluators[shape]}
    first, second = sorted([int(kept * len(way.log)), int(lost * len(way.log))])
    snapshot, _ = fold(watching, way.log[:first], order)
    state, _ = fold(watching, way.log[first:second], order, snapshot)
    behind = State(state.clock, state.decisions, snapshot.panes)
    assert _sums(rebuilt(behind, way.log[first:second])) == _sums(state)

    needed = [i for i in way.log[:second] if i[0] >= (state.first_needed or 0)]
    from_nothing = rebuilt(State(state.clock, state.decisions), needed)
    assert _sums(from_nothing) == _sums(state)


def _sums(state: State):
    return {key: dict(panes) for key, panes in state.panes.items() if panes}


def test_and_all_goes_on_as_if_they_had_never_been_lost():
    way, watching = Way(evaluators[4, 2], *sources(8), seed=8), {KEY: evaluators[4, 2]}
    half = len(way.log) // 2
    state, _ = fold(watching, way.log[:half])
    restored = rebuilt(State(state.clock, state.decisions), way.log[:half])
    expected = fold(watching, way.log[half:], 1, state)
    assert expected[1].windows
    assert fold(watching, way.log[half:], 1, restored) == expected


@pytest.mark.parametrize("shape", sorted(evaluators))
def test_a_state_that_was_kept_is_not_changed_by_going_on(shape):
    way = Way(evaluators[shape], *sources(3), seed=3)
    first, rest = way.log[: len(way.log) // 2], way.log[len(way.log) // 2 :]
    state, _ = fold({KEY: evaluators[shape]}, first)
    once, again = (fold({KEY: evaluators[shape]}, rest, 2, state) for _ in "ab")
    assert once == again
