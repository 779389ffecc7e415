"""Detection finds what follows from the raw rows, in whatever order and batches they are read.

Several partitions, disorder, lateness, duplicates and corrections; see ``streams`` for the
pipeline and the definition that it is compared with.
"""

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.budget import own_length
from monitor.counts.subjects import TRAFFIC, subject_of
from monitor.counts.summary import Part
from monitor.decisions.incident_groups import KnownIncidents, apply_verdicts
from monitor.decisions.incidents import Change
from monitor.decisions.retraining import Facts, decide
from monitor.decisions.signals import WindowVerdict
from monitor.plan import Retraining, Traffic
from monitor.statistics.drift_rule import Severity, is_clear
from monitor.statistics.histograms import categorical, numeric
from monitor.statistics.scanner import Scanner
from monitor.windows.findings import Maturity
from monitor.windows.state import State, rebuilt
from tests.monitor.streams import (
    KEY,
    LATENESS,
    PANE,
    WAIT,
    Definition,
    Label,
    Pipeline,
    Row,
    by_window,
    data_of,
    evaluator,
    fold,
    performance_of,
    plan,
)

X = [0.0, 1.0, 2.0, 3.0, 4.0, 9.0, None, "text", True]
FAR = 300  # the last row of every partition: it closes and settles everything before it

# No incident ends as stale: a gap of the longest window that has ended is a jump.
UNWATCHED = Traffic(watch=False)
POLICY = Retraining(lookback_ms=60, min_labels=20)
evaluators = {
    shape: evaluator(plan(*shape, traffic=UNWATCHED, retraining=POLICY))
    for shape in [(4, 4), (4, 2), (3, 1), (1, 1)]
}
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


@given(shape=shapes, source_seed=seeds, order=seeds, batches=seeds)
@settings(max_examples=30)
def test_every_published_window_is_the_one_of_its_rows(shape, source_seed, order, batches):
    predictions, labels = sources(source_seed)
    definition = Definition(evaluators[shape], predictions, labels)
    pipeline = Pipeline(evaluators[shape], predictions, labels, seed=order)
    found = by_window(pipeline.detected(batches)[1])
    assert sorted(found) == definition.starts
    for start, revisions in found.items():
        _assert_equal(definition, start, revisions)


ON_TIME, ALL = (Part.ON_TIME,), (Part.ON_TIME, Part.LATE)


def _assert_equal(definition: Definition, start: int, revisions: list) -> None:
    first, last = revisions[0], revisions[-1]
    on_time, everything = definition.data(start, *ON_TIME), definition.data(start, *ALL)
    assert first.data.revision == (start in definition.skipped)
    assert all(data_of(w) == on_time for w in revisions if w.data.revision == 0)
    assert data_of(last) == everything
    assert (last.data.revision > 0) == (everything.rows > on_time.rows)
    final = [w for w in revisions if w.performance.status is Maturity.FINAL]
    assert bool(final) == (start in definition.final)
    if final:
        assert {w.detectors for w in final} == {definition.detectors(start)}
        assert performance_of(final[0]) == definition.performance(start, Part.FINAL, rows=ON_TIME)
        amended = definition.performance(start, Part.FINAL, Part.AMENDED, rows=ALL)
        assert performance_of(last) == amended


@given(shape=shapes, source_seed=seeds, order=seeds, batches=seeds)
@settings(max_examples=12)
def test_revisions_only_grow_and_final_performance_stays_final(shape, source_seed, order, batches):
    pipeline = Pipeline(evaluators[shape], *sources(source_seed), seed=order)
    for revisions in by_window(pipeline.detected(batches)[1]).values():
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


@given(shape=shapes, source_seed=seeds, order=seeds, batches=seeds)
@settings(max_examples=20)
def test_incidents_follow_from_revision_0_and_the_final_performance_alone(
    shape, source_seed, order, batches
):
    predictions, labels = sources(source_seed)
    definition = Definition(evaluators[shape], predictions, labels)
    _, findings = Pipeline(evaluators[shape], predictions, labels, seed=order).detected(batches)
    changes = [t for t in findings.transitions if t.incident.subject != TRAFFIC]
    found = {
        (t.incident.subject, t.end_ms, t.change, replace(t.incident, told=None)) for t in changes
    }
    assert found == set(_incidents(definition))
    assert len(found) == len(changes)


@given(shape=shapes, source_seed=seeds, order=seeds, batches=seeds)
@settings(max_examples=20)
def test_decisions_about_retraining_follow_from_the_rows_alone(shape, source_seed, order, batches):
    predictions, labels = sources(source_seed)
    definition = Definition(evaluators[shape], predictions, labels)
    _, findings = Pipeline(evaluators[shape], predictions, labels, seed=order).detected(batches)
    assert [found.decision for found in findings.retraining] == list(_decisions(definition))


def _decisions(definition: Definition):
    """One at the end of each window that closes once both clocks have passed it."""
    windows, incidents = definition.evaluator.plan.windows, list(_incidents(definition))
    late = definition.skipped  # they are published only if late rows come
    for end in (at + windows.length_ms for at in definition.starts if at not in late):
        if end <= definition.labels_ms - LATENESS:
            open_ms = list(_critical_open(incidents, end))
            final = definition.cells(Part.FINAL, -1_000, (end - WAIT) // PANE * PANE)
            labels = final["outcomes"].size if "outcomes" in final else 0
            yield decide(definition.evaluator.plan.retraining, Facts(end, open_ms, labels))


def _critical_open(incidents: list, end: int):
    """When each critical incident was last open, as known at a decision."""
    open_until: dict[str, int] = {}
    for subject, at, change, incident in incidents:
        of_labels = subject.partition("/")[0] in ("concept", "performance", "coverage")
        if incident.severity is Severity.CRITICAL and at <= end - (WAIT if of_labels else 0):
            open_until[incident.id] = at if change is Change.RESOLVED else end
    return open_until.values()


def _incidents(definition: Definition):
    """All windows that end together are one step in the life of each subject."""
    known = KnownIncidents()
    for end, verdicts in sorted(_all_verdicts(definition), key=lambda pair: pair[0]):
        known, events = apply_verdicts(
            known, verdicts, end, scope="credit/1", plan=definition.evaluator.plan.incidents
        )
        for event in events:
            yield event.incident.subject, end, event.change, event.incident


def _all_verdicts(definition: Definition):
    evaluator = definition.evaluator
    for end in range(definition.first_ms + PANE, definition.newest_ms - LATENESS + 1, PANE):
        yield end, _verdicts(definition, evaluator.data, Part.ON_TIME, end)
    settled = min(definition.labels_ms - WAIT, definition.newest_ms) - LATENESS
    for end in range(definition.first_ms + PANE, settled + 1, PANE):
        yield end, _verdicts(definition, evaluator.errors, Part.FINAL, end)
    for start in (at for at in definition.final if at >= definition.first_ms):
        yield start + evaluator.plan.windows.length_ms, _performance(definition, start)


def _performance(definition: Definition, start: int) -> dict[str, list[WindowVerdict]]:
    end = start + definition.evaluator.plan.windows.length_ms
    verdicts: dict[str, list[WindowVerdict]] = defaultdict(list)
    for length in definition.evaluator.performance_lengths:
        from_ms, own = end - length.panes * PANE, length == own_length(definition.evaluator.plan)
        if from_ms >= definition.first_ms and (own or from_ms % (length.slide * PANE) == 0):
            for name, judged in definition.metrics(from_ms, end, length):
                verdicts[f"performance/{name}"].append(judged)
    tested = definition.coverage(start)
    if tested is not None:
        judged = WindowVerdict.of_test(tested, start, end, is_clear=is_clear([tested]))
        verdicts["coverage/labels"] = [judged]
    return verdicts


def _verdicts(
    definition: Definition, scanner: Scanner, part: Part, end: int
) -> dict[str, list[WindowVerdict]]:
    """The verdicts of the windows of every length that end at ``end``, by subject."""
    found: dict[str, list[WindowVerdict]] = defaultdict(list)
    own = own_length(definition.evaluator.plan)
    for length in {own, *scanner.levels}:
        start = end - length.panes * PANE
        if start < definition.first_ms or start % (length.slide * PANE):
            continue
        middle = start + length.panes // 2 * PANE
        halves = [definition.cells(part, start, middle), definition.cells(part, middle, end)]
        parts = [scanner.cell_index.gather(half) for half in halves[length.panes == 1 :]]
        for cells, tests in scanner.judge(parts, length).items():
            most = max(tests, key=lambda tested: tested.severity_order)
            verdict = WindowVerdict.of_test(most, start, end, is_clear=is_clear(tests))
            found[subject_of(cells)].append(verdict)
    return found


@given(shape=shapes, source_seed=seeds, order=seeds, batches=seeds)
@settings(max_examples=15)
def test_an_incident_keeps_the_distribution_of_the_rows_of_its_own_window(
    shape, source_seed, order, batches
):
    predictions, labels = sources(source_seed)
    definition = Definition(evaluators[shape], predictions, labels)
    _, findings = Pipeline(evaluators[shape], predictions, labels, seed=order).detected(batches)
    for transition in findings.transitions:
        evidence, subject = transition.evidence, transition.incident.subject
        assert evidence.distribution == _distribution(definition, subject, evidence)


def _distribution(definition: Definition, subject: str, evidence):
    part = Part.FINAL if subject.startswith("concept/") else Part.ON_TIME
    counts = definition.cells(part, evidence.start_ms, evidence.end_ms)
    schema = definition.evaluator.profile.schema
    drawn = {
        "data/x": lambda: numeric(schema.features["x"].sample, counts["bins/x"]),
        "data/c": lambda: categorical(schema.features["c"], counts["categories/c"]),
        "prediction/score": lambda: numeric(schema.outputs["score"].sample, counts["score"]),
        "concept/error": lambda: numeric(schema.errors["errors"].sample, counts["errors"]),
    }
    return drawn[subject]() if subject in drawn else None


def test_random_sources_cover_every_kind_of_change():
    found = set()
    for source_seed in range(20):
        _, findings = Pipeline(evaluators[4, 2], *sources(source_seed), seed=source_seed).detected()
        found |= {(t.incident.subject.partition("/")[0], t.change) for t in findings.transitions}
    assert {("data", "opened"), ("data", "resolved"), ("data", "escalated")} <= found
    assert {"data", "quality", "performance", "coverage"} <= {kind for kind, _ in found}


def test_random_sources_cover_every_decision():
    found = set()
    for source_seed in range(20):
        _, findings = Pipeline(evaluators[4, 2], *sources(source_seed), seed=source_seed).detected()
        found |= {each.decision.outcome for each in findings.retraining}
    assert found == {"retrain", "wait", "none"}


@given(shape=shapes, source_seed=seeds, order=seeds, kept=st.floats(0, 1), lost=st.floats(0, 1))
@settings(max_examples=15)
def test_lost_panes_are_rebuilt_from_a_snapshot_and_the_log(shape, source_seed, order, kept, lost):
    by_key = {KEY: evaluators[shape]}
    pipeline = Pipeline(evaluators[shape], *sources(source_seed), seed=order)
    first, second = sorted([int(kept * len(pipeline.log)), int(lost * len(pipeline.log))])
    snapshot, _ = fold(by_key, pipeline.log[:first], order)
    state, _ = fold(by_key, pipeline.log[first:second], order, snapshot)
    behind = State(state.clock, state.times, state.decisions, snapshot.panes)
    assert _sums(rebuilt(behind, pipeline.log[first:second])) == _sums(state)

    needed = [i for i in pipeline.log[:second] if i[0] >= (state.first_needed or 0)]
    from_nothing = rebuilt(State(state.clock, state.times, state.decisions), needed)
    assert _sums(from_nothing) == _sums(state)


def _sums(state: State):
    return {key: dict(panes) for key, panes in state.panes.items() if panes}


def test_detection_continues_unchanged_after_lost_panes_were_rebuilt():
    by_key = {KEY: evaluators[4, 2]}
    pipeline = Pipeline(evaluators[4, 2], *sources(8), seed=8)
    half = len(pipeline.log) // 2
    state, _ = fold(by_key, pipeline.log[:half])
    restored = rebuilt(State(state.clock, state.times, state.decisions), pipeline.log[:half])
    expected = fold(by_key, pipeline.log[half:], 1, state)
    assert expected[1].windows
    assert fold(by_key, pipeline.log[half:], 1, restored) == expected


@pytest.mark.parametrize("shape", sorted(evaluators))
def test_advance_does_not_change_the_state_it_is_given(shape):
    pipeline = Pipeline(evaluators[shape], *sources(3), seed=3)
    first, rest = pipeline.log[: len(pipeline.log) // 2], pipeline.log[len(pipeline.log) // 2 :]
    state, _ = fold({KEY: evaluators[shape]}, first)
    once, again = (fold({KEY: evaluators[shape]}, rest, 2, state) for _ in "ab")
    assert once == again
