"""Detection step by step. Panes of 10, windows of four panes by default, lateness 7.

    0    10   20   30   40   50   60   70   80
    |----+----+----+----|----+----+----+----|
    the first window     the second

Here each partition is read row by row; ``test_detection_by_definition`` covers random streams.
"""

from dataclasses import replace

import numpy as np
import pytest

from monitor.counts.counts import Counts
from monitor.counts.joined_rows import JoinedRows
from monitor.counts.summary import Part, Summary
from monitor.events.progress import AppendTimes, EventTime
from monitor.identity import Key
from monitor.windows import data_windows, pane_errors
from monitor.windows.clocks import JoinedTime, Progress
from monitor.windows.detection import advance, due_keys
from monitor.windows.findings import Maturity, WindowStatus, evidence_of
from monitor.windows.state import (
    Decisions,
    ErrorHistory,
    State,
    rebuilt,
)
from tests.monitor.streams import (
    KEY,
    PANE,
    VERSION,
    Row,
    counted,
    evaluator,
    fold,
    joined,
    plan,
    reached,
)

EVALUATOR = evaluator()
LATE, ON_TIME = Part.LATE, Part.ON_TIME


def rows(*times_ms: int, part: Part = ON_TIME, by=EVALUATOR, **values) -> list[Summary]:
    sent = [Row(str(at), at, **values) for at in times_ms]
    return counted(by, sent, [part] * len(sent))


def correct(pane_ms: int, n: int, part: Part = Part.FINAL, wrong: int = 0) -> list[Summary]:
    """``n`` correctly predicted labelled rows of a pane, and ``wrong`` others."""
    right = {"outcomes": Counts.of([0, 3], [n // 2, n - n // 2]), "errors": Counts.of([1], [n])}
    scores = Counts.of([2 * 1000, 2 * 9000 + 1], [n // 2, n - n // 2])
    if wrong:
        right["outcomes"] += Counts.of([1, 2], [wrong // 2, wrong - wrong // 2])
        scores += Counts.of([2 * 9000, 2 * 1000 + 1], [wrong // 2, wrong - wrong // 2])
    return [Summary(*VERSION, pane_ms, part, {**right, "scores_labels": scores})]


def findings_of(*batches: list, by=EVALUATOR):
    """The findings of each batch."""
    state, found, offset = State(), [], 0
    for batch in batches:
        items = list(enumerate(batch, start=offset))
        offset += len(items)
        state, findings = advance({KEY: by}, state, items)
        found.append(findings)
    return found


def windows(*batches: list, by=EVALUATOR) -> list[list[tuple]]:
    """Start, status, rows and revision of every window that each batch published."""
    return [
        [(w.start_ms, w.data.status.value, w.data.rows, w.data.revision) for w in findings.windows]
        for findings in findings_of(*batches, by=by)
    ]


# -- closing -----------------------------------------------------------------------------------


def test_a_window_closes_when_the_watermark_reaches_its_end():
    before, at = windows(rows(0, 12, 39), reached(46)), windows(rows(0, 12, 39), reached(47))
    assert before == [[], []]
    assert at == [[], [(0, "closed", 3, 0)]]


def test_a_window_closes_only_when_every_partition_has_reached_its_end():
    batches = rows(0), reached(99, None), reached(99, 46), reached(99, 47)
    assert windows(*batches) == [[], [], [], [(0, "closed", 1, 0)]]


def test_a_window_closes_without_waiting_for_an_idle_partition():
    assert windows(rows(0), reached(47, None, idle=(1,))) == [[], [(0, "closed", 1, 0)]]


def test_the_watermark_holds_while_all_partitions_are_idle_and_never_goes_back():
    batches = rows(0), reached(30, idle=(0,)), reached(47), reached(20), rows(41)
    assert windows(*batches) == [[], [], [(0, "closed", 1, 0)], [], []]


def test_a_window_may_start_before_1970():
    assert windows(rows(-40, -1), reached(7)) == [[], [(-40, "closed", 2, 0)]]


def test_the_window_that_starts_in_1970_closes_like_any_other():
    found = windows(rows(-1, 0), reached(7), reached(47), reached(87))
    assert found[1:] == [
        [(-40, "incomplete", 1, 0)],
        [(0, "closed", 1, 0)],
        [(40, "no_data", 0, 0)],
    ]


def test_several_windows_close_at_once_oldest_first():
    found = windows([*rows(0, 40, 80), *reached(127)])
    assert found == [[(0, "closed", 1, 0), (40, "closed", 1, 0), (80, "closed", 1, 0)]]


def test_windows_do_not_depend_on_batch_boundaries():
    items = [*rows(0), *reached(47), *rows(45, 50), *reached(87)]
    assert windows(items) == [[*windows(*([item] for item in items))[1], (40, "closed", 2, 0)]]


def test_overlapping_windows_each_hold_their_rows():
    """0    10   20   30   40   50   60
    |----+----+----+----|
              |----+----+----+----|
    """
    by = evaluator(plan(4, 2))
    found = windows(rows(0, 25), reached(47), rows(45), reached(67), by=by)
    assert found[1:] == [
        [(-20, "incomplete", 1, 0), (0, "closed", 2, 0)],
        [],
        [(20, "closed", 2, 0)],
    ]


def test_a_window_that_starts_before_the_first_row_opens_no_incident():
    drifted = rows(*[32] * 20, x=2.5), rows(*[50] * 50, x=9.0)
    first, second = findings_of([*drifted[0], *reached(47)], [*drifted[1], *reached(87)])
    assert first.windows[0].data.status is WindowStatus.INCOMPLETE
    assert first.windows[0].data.features[0].verdict == "drift"
    assert all(t.start_ms >= 30 for t in (*first.transitions, *second.transitions))
    assert ("data/x", 30) in {(t.incident.subject, t.start_ms) for t in first.transitions}


def test_an_empty_window_is_published_and_changes_no_incident():
    drifted = rows(*[5] * 50, x=9.0)
    opened, empty = findings_of([*drifted, *reached(47)], reached(87))
    assert [t.change for t in opened.transitions] == ["opened"] * 2
    assert {w.data.status for w in empty.windows} == {WindowStatus.NO_DATA}
    assert empty.transitions == []


def test_no_window_closes_before_the_first_row():
    assert windows(reached(1_000), rows(1_000), reached(1_050)) == [
        [],
        [],
        [(1_000, "closed", 1, 0)],
    ]


# -- late rows ---------------------------------------------------------------------------------


def test_late_rows_amend_a_closed_window_and_open_no_incident():
    late = rows(*[20] * 500, x=9.0, part=LATE)
    first, amended = findings_of([*rows(0), *reached(47)], late)
    assert [(w.data.revision, w.data.rows) for w in first.windows] == [(0, 1)]
    assert [(w.data.revision, w.data.rows) for w in amended.windows] == [(1, 501)]
    assert amended.windows[0].data.features[0].verdict == "drift"
    assert amended.transitions == []


def test_late_rows_that_came_before_their_window_closed_amend_it_at_once():
    assert windows([*rows(0), *rows(3, part=LATE), *reached(47)]) == [
        [(0, "closed", 1, 0), (0, "closed", 2, 1)]
    ]


def test_names_in_late_rows_are_published_with_the_revision_that_counts_them():
    late = rows(3, part=LATE, c="new", extra=1)
    (findings,) = findings_of([*rows(0), *late, *reached(47)])
    first, amended = findings.windows
    assert (first.data.unknown, first.data.features[1].unseen) == ({}, {})
    assert (amended.data.unknown, amended.data.features[1].unseen) == ({"extra": 1}, {"new": 1})


def test_one_batch_amends_a_window_once():
    assert windows([*rows(0), *reached(47)], [*rows(3, part=LATE), *rows(9, part=LATE)])[1] == [
        (0, "closed", 3, 1)
    ]


def test_a_late_row_amends_every_window_over_its_pane():
    by = evaluator(plan(4, 2))
    found = windows([*rows(0, 39), *reached(67)], rows(25, part=LATE), by=by)
    assert found[1] == [(0, "closed", 3, 1), (20, "closed", 2, 1)]


def test_on_time_rows_of_a_partition_after_idleness_amend_closed_windows():
    found = windows([*rows(0), *reached(47, None, idle=(1,))], rows(8), reached(47, 8))
    assert found[1:] == [[(0, "closed", 2, 1)], []]


def test_revision_0_never_changes_when_an_idle_partition_resumes():
    """Its rows and the labels' watermark may come in one batch."""
    batch = [*rows(8), *joined(47, 57)]
    closed, woken = findings_of([*rows(0), *reached(47, None, idle=(1,))], batch)
    revisions = [(w.data.revision, w.data.rows) for w in (*closed.windows, *woken.windows)]
    assert set(revisions) == {(0, 1), (1, 2)}


def test_a_row_before_the_first_amends_the_window_that_was_not_published():
    found = windows([*rows(45), *reached(87, None, idle=(1,))], rows(3), reached(127, 3, idle=(1,)))
    assert found[1:] == [[(0, "closed", 1, 1)], [(80, "no_data", 0, 0)]]


# -- gaps -----------------------------------------------------------------------------------


@pytest.fixture
def three_empty_windows(monkeypatch):
    monkeypatch.setattr(data_windows, "MOST_EMPTY", 3)


@pytest.mark.usefixtures("three_empty_windows")
def test_empty_windows_of_a_long_gap_are_skipped():
    found = windows(rows(0), reached(10**12 + 7), rows(10**12), reached(10**12 + 47))
    assert found[1] == [(0, "closed", 1, 0), *((at, "no_data", 0, 0) for at in (40, 80, 120))]
    assert found[3] == [(10**12, "closed", 1, 0)]


@pytest.mark.usefixtures("three_empty_windows")
@pytest.mark.parametrize("stride", [20, 40, 360, 1_000])
def test_skipped_windows_do_not_depend_on_the_steps_of_the_watermark(stride):
    """A row at 0 and 305, gaps between and after them."""
    steps = [closing for at in range(0, 1_000, stride) for closing in reached(at)]
    batches = windows([*rows(0), *rows(305)], *([step] for step in steps), reached(1_000))
    empty = [(at, "no_data", 0, 0) for at in (40, 80, 120)]
    assert [window for batch in batches for window in batch] == [
        (0, "closed", 1, 0),
        *empty,
        (280, "closed", 1, 0),
        *((at + 280, *rest) for at, *rest in empty),
    ]


@pytest.mark.usefixtures("three_empty_windows")
def test_all_overlapping_windows_over_the_first_row_after_a_gap_are_published():
    by = evaluator(plan(4, 2))
    found = windows([*rows(0), *rows(305), *reached(400)], by=by)[0]
    assert [at for at, status, *_ in found if status == "closed"] == [0, 280, 300]
    assert [at for at, status, *_ in found if status == "no_data"] == [20, 40, 60, 320, 340]


@pytest.mark.usefixtures("three_empty_windows")
def test_the_window_of_a_row_right_after_the_last_empty_window_is_published():
    found = windows([*rows(0), *rows(165), *reached(207)])[0]
    assert found[-1] == (160, "closed", 1, 0)


@pytest.mark.usefixtures("three_empty_windows")
def test_a_row_far_ahead_does_not_skip_windows_of_earlier_rows_still_to_come():
    """A fast partition has come to 10,000 when the slow one ends the gap."""
    found = windows(
        [*rows(0), *rows(10_000), *reached(10_000, 507)], rows(525), reached(10_000, 567)
    )
    assert found[2] == [(520, "closed", 1, 0)]


@pytest.mark.usefixtures("three_empty_windows")
def test_a_row_of_a_resumed_partition_amends_the_skipped_windows():
    by = evaluator(plan(4, 2))
    idle = [*rows(0), *reached(147, None, idle=(1,))]
    found = windows(idle, rows(125), reached(167, 167), by=by)
    assert found[1:] == [[(100, "closed", 1, 1)], [(120, "closed", 1, 0)]]


@pytest.mark.usefixtures("three_empty_windows")
def test_late_rows_in_a_gap_amend_their_window_whether_they_come_before_its_end_or_after():
    late, on = rows(305, part=LATE), rows(0)
    before = windows([*on, *late, *reached(1_000)])
    after = windows([*on, *reached(1_000)], late)
    assert before[0] == [*after[0], (280, "closed", 1, 1)]
    assert after[1] == [(280, "closed", 1, 1)]


# -- performance -------------------------------------------------------------------------------


def finals(*batches: list):
    """Performance of every window that each batch published: status, revision, rows and labels."""
    return [
        [
            (
                w.performance.status.value,
                w.performance.revision,
                w.performance.rows,
                w.performance.labels,
            )
            for w in findings.windows
        ]
        for findings in findings_of(*batches)
    ]


CLOSED = [*rows(0, 5), *correct(0, 2), *reached(47)]


@pytest.mark.parametrize(
    ("predictions_ms", "labels_ms", "final"),
    [
        pytest.param(47, 57, True, id="both have passed the window, labels with their wait"),
        pytest.param(46, 99, False, id="predictions are not joined yet"),
        pytest.param(99, 56, False, id="labels have not had their time yet"),
    ],
)
def test_performance_is_final_when_predictions_and_labels_have_passed(
    predictions_ms, labels_ms, final
):
    provisional, found = finals(CLOSED, joined(predictions_ms, labels_ms))
    assert provisional == [("provisional", 0, 2, 2)]
    assert found == ([("final", 1, 2, 2)] if final else [])


def test_a_window_is_final_only_after_it_has_closed():
    found = finals([*rows(0, 5), *correct(0, 2), *joined(99, 99)], reached(47))
    assert found == [[], [("provisional", 0, 2, 2), ("final", 1, 2, 2)]]


def test_performance_is_final_only_when_every_partition_of_joins_has_reported():
    times = JoinedTime(EventTime(99), EventTime(99))
    one, other = (
        Progress(joins=AppendTimes(2, {n: 0}), joined={VERSION: {n: times}}) for n in (0, 1)
    )
    assert finals(CLOSED, [one], [other])[1:] == [[], [("final", 1, 2, 2)]]


def test_performance_is_provisional_before_the_labels_have_had_their_time():
    found = finals(CLOSED, correct(10, 3), correct(10, 1))
    assert found[1:] == [[("provisional", 1, 2, 5)], [("provisional", 2, 2, 6)]]


def test_labels_after_the_final_performance_amend_it_and_open_no_incident():
    bad = correct(10, 0, Part.AMENDED, wrong=400)
    final, amended = findings_of([*CLOSED, *joined(99, 99)], bad)
    assert [w.performance.labels for w in final.windows] == [2, 2]
    (window,) = amended.windows
    assert (window.performance.status, window.performance.revision) == (Maturity.FINAL, 2)
    assert window.performance.labels == 402
    assert window.performance.metrics["accuracy"].severity == "critical"
    assert amended.transitions == []


def test_final_performance_excludes_late_rows_and_labels_and_they_amend_it_at_once():
    late = [*rows(8, part=LATE), *correct(0, 3, Part.AMENDED)]
    found = finals([*CLOSED, *late], joined(99, 99))
    assert found[1] == [("final", 2, 2, 2), ("final", 3, 3, 5)]


def test_late_rows_change_the_coverage_of_final_performance():
    found = finals([*CLOSED, *joined(99, 99)], rows(8, part=LATE))
    assert found[1] == [("final", 2, 3, 2)]


# -- incidents ---------------------------------------------------------------------------------


def changes(findings):
    return [(t.change.value, t.incident.subject, t.end_ms) for t in findings.transitions]


def test_a_drift_opens_and_resolves_an_incident_by_event_time():
    """O  as in the reference    d  drifted (windows of 40)

    0    40   80   120  160  200  240
    |-o--|-d--|-d--|-d--|-o--|-o--|
         opened              resolved
    """
    batches = [
        [*hundred_rows(i * 40, drifted), *reached(i * 40 + 47)]
        for i, drifted in enumerate([False, True, True, True, False, False])
    ]
    assert [
        [c for c in changes(findings) if c[1] == "data/x"] for findings in findings_of(*batches)
    ] == [
        [],
        [("opened", "data/x", 50)],  # the end of the pane that drifted
        [],
        [],
        [("resolved", "data/x", 200)],
        [],
    ]


def test_an_incident_resolves_after_healthy_windows_of_the_length_that_opened_it():
    """Windows of eight panes find it last at 200 and slide by 40: it must be healthy for 80."""
    batches = [[*hundred_rows(40, True), *reached(87)]]
    batches += [[*hundred_rows(at, False), *reached(at + 17)] for at in range(80, 600, 10)]
    found = [c for findings in findings_of(*batches) for c in changes(findings) if c[1] == "data/x"]
    assert [change for change, *_ in found] == ["opened", "resolved"]
    assert found[1][2] % 10 == 0


def hundred_rows(at: int, drifted: bool) -> list[Summary]:
    """A hundred rows; unless drifted, spread over the reference's values."""
    sent = [
        Row(str(i), at, 9.0 if drifted else float(i % 5), "ab"[i % 2], [0.1, 0.3, 0.7, 0.9][i % 4])
        for i in range(100)
    ]
    return counted(EVALUATOR, sent, [ON_TIME] * 100)


def test_a_fall_of_performance_opens_an_incident_when_it_is_final():
    bad = [s for pane in (0, 10, 20, 30) for s in correct(pane, 2, wrong=60)]
    closed, final = findings_of([*rows(0, 5), *bad, *reached(47)], joined(99, 99))
    assert closed.windows[-1].performance.metrics["accuracy"].severity == "critical"
    assert not [c for c in changes(closed) if c[1].startswith("performance")]
    assert ("opened", "performance/accuracy", 40) in changes(final)


def test_a_window_without_labels_neither_continues_nor_resolves_an_incident():
    bad = [s for pane in (0, 10, 20, 30) for s in correct(pane, 2, wrong=60)]
    opened, silent = findings_of(
        [*rows(0, 5), *bad, *reached(47), *joined(99, 99)],
        [*rows(45, 85, 125, 165), *reached(247), *joined(399, 399)],
    )
    assert [c for c in changes(opened) if c[1].startswith("performance")]
    assert [c for c in changes(silent) if c[1].startswith("performance")] == []


def test_a_performance_incident_names_its_window_and_evidence():
    bad = [s for pane in (0, 10, 20, 30) for s in correct(pane, 2, wrong=60)]
    (found,) = findings_of([*rows(0, 5), *bad, *reached(47), *joined(99, 99)])
    opened = next(t for t in found.transitions if t.incident.subject == "performance/accuracy")
    final = next(w for w in found.windows if w.performance.status is Maturity.FINAL)
    assert (opened.key, opened.start_ms, opened.end_ms) == (KEY, 0, 40)
    metric = final.performance.metrics["accuracy"]
    assert opened.evidence == evidence_of(metric, 0, 40, rows=final.performance.rows, labels=248)
    assert (opened.evidence.value, opened.evidence.decided_by) == (metric.metric.value, "accuracy")


# -- memory ------------------------------------------------------------------------------------


def kept(state: State) -> tuple[list[int], list[int], int | None]:
    decisions = state.decisions[KEY]
    return sorted(state.panes[KEY]), sorted(decisions.windows), state.first_needed


def test_panes_and_windows_are_pruned_once_nothing_can_reach_them():
    """Labels come 30 behind, wait 10 and are 7 out of order; two windows of 40 to be sure."""
    log = list(enumerate([*rows(0), *rows(45), *reached(200), *joined(200, 136)]))
    state, _ = advance({KEY: EVALUATOR}, State(), log)
    assert kept(state) == ([0, 40], [0, 40, 80, 120], 0)
    state, _ = advance({KEY: EVALUATOR}, state, [(9, c) for c in joined(200, 137)])
    assert kept(state) == ([40], [40, 80, 120], 1)
    state, _ = advance(
        {KEY: EVALUATOR}, state, [(9, c) for c in (*joined(999, 999), *reached(999))]
    )
    assert kept(state)[0::2] == ([], None)


def test_rebuilding_does_not_bring_back_pruned_panes():
    log = list(enumerate([*rows(0), *rows(9_999), *reached(10**4), *joined(10**4, 10**4)]))
    state, _ = advance({KEY: EVALUATOR}, State(), log)
    assert kept(state)[0] == [9_990]
    assert state.first_needed == 1
    assert rebuilt(State(state.clock, state.times, state.decisions), log) == state
    behind, _ = advance({KEY: EVALUATOR}, State(), log[:2])
    decided = State(state.clock, state.times, state.decisions, behind.panes)
    assert rebuilt(decided, log[2:]) == state


def joined_rows(time_ms: int) -> JoinedRows:
    """One row, of a correct prediction."""
    at, one = np.array([time_ms]), np.array([1])
    return JoinedRows(*KEY.version_key, at, one * 0.9, one, one, at, one, one, 0 * one)


def test_joined_rows_of_a_version_that_is_set_aside_are_kept_until_they_can_be_counted():
    state, _ = advance({}, State(), [(7, joined_rows(3))])
    assert state.first_needed == 7
    again = rebuilt(State(decisions=state.decisions), [(7, joined_rows(3))])
    unrelated = [(8, Progress(AppendTimes(1, {0: 1})))]
    for waiting in (state, again):
        assert due_keys(waiting, unrelated) == [KEY]
        judged, _ = advance({KEY: EVALUATOR}, waiting, unrelated)
        assert (judged.uncounted, judged.first_needed) == ({}, 7)
        assert judged.panes[KEY][0].cells[Part.FINAL]["outcomes"] == Counts.of([3])


def test_a_pane_is_kept_while_a_window_over_it_is_open():
    log = list(enumerate([*rows(0), *joined(10**6, 10**6), *reached(46)]))
    state, _ = advance({KEY: EVALUATOR}, State(), log)
    assert kept(state)[0] == [0]


def test_a_model_whose_rows_are_all_late_is_kept_until_nothing_can_reach_them():
    log = [*rows(0, part=LATE), *reached(200), *joined(200, 136)]
    state, found = advance({KEY: EVALUATOR}, State(), enumerate(log))
    assert (found.windows, kept(state)) == ([], ([0], [], 0))
    _, found = advance({KEY: EVALUATOR}, state, enumerate([*rows(205), *reached(247)], start=9))
    assert [w.data.rows for w in found.windows] == [1]


def test_an_empty_state_needs_no_offset():
    assert State().first_needed is None


# -- several models ----------------------------------------------------------------------------


def test_versions_are_judged_separately_by_their_own_event_time():
    second = evaluator(version="2")
    both = {KEY: EVALUATOR, Key("credit", "2"): second}
    log = [*rows(0), *rows(45, 50, by=second), *reached(87), *reached(86, version=("credit", "2"))]
    _, found = fold(both, list(enumerate(log)))
    assert [(w.key.version, w.start_ms) for w in found.windows] == [("1", 0), ("1", 40)]
    log += reached(87, version=("credit", "2"))
    _, found = fold(both, list(enumerate(log)))
    published = [(w.key.version, w.start_ms, w.data.rows) for w in found.windows]
    assert published == [("1", 0, 1), ("1", 40, 0), ("2", 40, 2)]


def test_the_state_of_a_model_without_an_evaluator_is_kept():
    state, _ = advance({KEY: EVALUATOR}, State(), enumerate(rows(0)))
    state, found = advance({}, state, [(9, c) for c in reached(47)])
    assert found.windows == []
    _, found = advance({KEY: EVALUATOR}, state, [(10, c) for c in reached(48)])
    assert [w.data.rows for w in found.windows] == [1]


# -- detectors on the errors -------------------------------------------------------------------


def errors_of(*wrong: int, labels: int = 30, first: int = 0):
    """The error history of panes with so many wrong labels each, all of them final."""
    ends = range(0, 10 * len(wrong), 10)
    found = [
        summary
        for pane, errors in zip(ends, wrong, strict=True)
        for summary in correct(pane, labels - errors, wrong=errors)
    ]
    last = 10 * len(wrong) + 60
    items = [*rows(*range(first, last, 10)), *found, *reached(last), *joined(last, last)]
    return advance({KEY: EVALUATOR}, State(), enumerate(items))


def history_of(*wrong: int, **settings):
    return errors_of(*wrong, **settings)[0].decisions[KEY].errors


def test_detectors_get_the_standardized_error_rate_of_each_final_pane():
    scale = EVALUATOR.error_scale
    assert scale.rate.mean == pytest.approx(1 - EVALUATOR.baseline["accuracy"].value)
    deviation = (scale.factor * scale.rate.variance / 30) ** 0.5
    assert history_of(6, 12).errors == pytest.approx(
        {10: (0.2 - scale.rate.mean) / deviation, 20: (0.4 - scale.rate.mean) / deviation}
    )


def test_panes_with_few_labels_are_taken_together_for_the_detectors():
    history = history_of(2, 2, 2, 2, 2, labels=10)
    assert (sorted(history.errors), history.labels, history.wrong) == ([30], 20, 4)
    assert history.errors[30] == history_of(6).errors[10]


def test_panes_without_labels_are_skipped_by_the_detectors():
    assert sorted(history_of(0, 0, labels=0).errors) == []


def test_error_rates_and_detections_do_not_depend_on_batches():
    wrong = [6] * 20 + [24] * 20
    _, findings = errors_of(*wrong)
    state, found = State(), []
    last = 10 * len(wrong) + 60
    items = [(0, item) for item in rows(*range(0, last, 10))]
    for pane, errors in enumerate(wrong):
        items += [(1, item) for item in correct(10 * pane, 30 - errors, wrong=errors)]
    for at in range(0, last + 1, 5):
        items += [(2, item) for item in (*reached(at), *joined(at, at))]
    for item in items:
        state, batch = advance({KEY: EVALUATOR}, state, [item])
        found += batch.windows
    once = {w.start_ms: w.detectors for w in findings.windows if w.performance.status == "final"}
    assert {w.start_ms: w.detectors for w in found if w.performance.status == "final"} == once


def test_detectors_report_a_change_in_the_window_that_holds_it_and_remember_it_afterwards():
    _, findings = errors_of(*[6] * 20, *[24] * 40)
    final = {w.start_ms: w for w in findings.windows if w.performance.status == "final"}
    by_start = {at: {d.name: d for d in final[at].detectors} for at in final}
    for name in ("adwin", "page_hinkley"):
        assert (by_start[160][name].drifting, by_start[160][name].at) == (False, None)
        (at,) = {by_start[start][name].at for start in by_start} - {None}
        drifting = [start for start in by_start if by_start[start][name].drifting]
        assert drifting == [start for start in by_start if start < at <= start + 40]
        assert at > 200
    assert by_start[200]["page_hinkley"].drifting


def test_the_error_history_is_bounded(monkeypatch):
    monkeypatch.setattr(pane_errors, "MOST_ERRORS", 5)
    assert sorted(history_of(*[6] * 8).errors) == [40, 50, 60, 70, 80]


# -- another configuration ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("length", "slide", "starts"),
    [
        pytest.param(2, 2, [40, 60, 80, 100], id="shorter"),
        pytest.param(6, 6, [0, 60], id="longer"),
        pytest.param(4, 2, [20, 40, 60, 80], id="more often"),
    ],
)
def test_windows_of_a_new_configuration_continue_after_the_old_ones(length, slide, starts):
    state, first = advance({KEY: EVALUATOR}, State(), enumerate([*rows(0), *reached(47)]))
    assert [w.start_ms for w in first.windows] == [0]
    other = evaluator(plan(length, slide))
    items = enumerate([*rows(41, 61, 81), *reached(127)], start=9)
    _, found = advance({KEY: other}, state, items)
    assert [w.start_ms for w in found.windows] == starts
    assert {w.data.revision for w in found.windows} == {0}


def test_errors_of_panes_are_kept_with_a_new_length_of_windows_and_dropped_with_a_new_pane():
    history = ErrorHistory({0: 0.1})
    old = {KEY: replace(Decisions((PANE, 4 * PANE, 4 * PANE)), errors=history)}
    state, _ = advance({KEY: evaluator(plan(2))}, State(decisions=old), [])
    assert state.decisions[KEY].errors == history
    other = {KEY: replace(Decisions((2 * PANE, 4 * PANE, 4 * PANE)), errors=history)}
    state, _ = advance({KEY: EVALUATOR}, State(decisions=other), [])
    assert state.decisions[KEY].errors == ErrorHistory()


def test_a_new_configuration_before_any_window_has_closed_starts_with_the_first_row():
    state, _ = advance({KEY: EVALUATOR}, State(), enumerate(rows(35)))
    _, found = advance({KEY: evaluator(plan(2))}, state, [(9, c) for c in reached(67)])
    assert [(w.start_ms, w.data.status) for w in found.windows] == [
        (20, "incomplete"),
        (40, "no_data"),
    ]


def test_a_longer_window_over_pruned_panes_is_incomplete():
    log = [*rows(0), *rows(155), *reached(207), *joined(10**4, 10**4)]
    state, _ = advance({KEY: EVALUATOR}, State(), enumerate(log))
    state, _ = advance({KEY: EVALUATOR}, state, enumerate([*reached(327)], start=20))
    assert state.decisions[KEY].pruned_ms > 0
    long = evaluator(plan(40))
    _, found = advance({KEY: long}, state, enumerate([*rows(330), *reached(407)], start=30))
    first, *_ = found.windows
    assert (first.start_ms, first.data.status) == (0, WindowStatus.INCOMPLETE)


# -- predictions sent twice --------------------------------------------------------------------


def repeated(pane_ms: int, n: int) -> list[Summary]:
    return [Summary(*VERSION, pane_ms, Part.FINAL, {"repeated": Counts.of([0], [n])})]


def test_a_prediction_that_was_sent_twice_counts_once_in_coverage():
    items = [*rows(0, 0, 1, 2), *correct(0, 2), *repeated(0, 1)]
    final = [w for w in findings_of(items, reached(100))[1].windows if w.start_ms == 0][-1]
    assert final.data.rows == 4, "the distributions count both"
    performance = final.performance
    assert (performance.rows, performance.labels) == (3, 2)
