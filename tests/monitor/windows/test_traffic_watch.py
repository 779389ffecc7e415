"""Incidents about the number of rows. Panes of 10, windows of four panes, no scale above eight.

The reference has five rows in each pane and no gap, so two panes without a row are too many.
"""

from dataclasses import replace

import pytest

from monitor.counts.summary import Part, Summary
from monitor.plan import Budget, Drift, InvalidPlan, Traffic
from monitor.windows.detection import advance
from monitor.windows.lives import Life, VersionState
from monitor.windows.state import State
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
from tests.monitor.windows.test_detection import correct

# Drift of all rows is found, and five rows fewer are not: only gaps are.
SELDOM = Drift(warning=Budget(1, 10**8), critical=Budget(1, 10**9), critical_effect=0.3)
BY = evaluator(plan(drift=SELDOM))
OFTEN = evaluator()
UNWATCHED = evaluator(plan(traffic=Traffic(watch=False)))
SCORES = (0.1, 0.3, 0.7, 0.9)
SHADOW = Life(VersionState.SHADOW, 0, "ada", "a test")


def rows(panes: range, each: int = 5, **values) -> list[Summary]:
    """As many on-time rows in each of some panes, by their number."""
    sent = [
        Row(f"{n}-{i}", n * PANE, score=SCORES[(n + i) % 4], **{"x": float(i % 5), **values})
        for n in panes
        for i in range(each)
    ]
    return counted(BY, sent, [Part.ON_TIME] * len(sent))


def told(*steps: list, by=BY, lives=None, seed: int | None = None) -> list[tuple]:
    """Time, change, subject, severity and reason of each change of an incident."""
    log = [(offset, item) for offset, step in enumerate(steps) for item in step]
    state = State(lives=lives or {})
    if seed is None:
        _, found = advance({KEY: by}, state, log)
    else:
        _, found = fold({KEY: by}, log, seed, state)
    return [
        (t.end_ms, str(t.change), t.incident.subject, str(t.incident.severity), str(t.resolution))
        for t in found.transitions
    ]


def about_traffic(*steps: list, **settings) -> list[tuple]:
    return [
        (at, change, severity)
        for at, change, subject, severity, _ in told(*steps, **settings)
        if subject == "traffic/rows"
    ]


def until(pane: int) -> list:
    """The watermark reaches the start of a pane."""
    return reached(pane * PANE + 7)


REGULAR = rows(range(9))  # the window from pane 4 on is the first that is whole, and regular


def test_two_panes_without_rows_after_regular_traffic_open_a_critical_incident():
    assert about_traffic(REGULAR, until(10)) == []
    assert about_traffic(REGULAR, until(11)) == [(110, "opened", "critical")]


def test_incident_about_a_gap_names_the_time_without_rows():
    _, found = advance({KEY: BY}, State(), enumerate([*REGULAR, *until(11)]))
    (evidence,) = (t.evidence for t in found.transitions)
    assert (evidence.decided_by, evidence.detail, evidence.rows) == ("rows", "none", 0)
    assert (evidence.start_ms, evidence.end_ms) == (90, 110)


def test_rows_that_return_resolve_the_incident_about_a_gap_after_two_panes():
    back = rows(range(11, 16))
    assert about_traffic(REGULAR, until(11), back, until(16)) == [
        (110, "opened", "critical"),
        (130, "resolved", "critical"),
    ]


def test_gaps_are_not_watched_before_a_window_without_a_gap():
    every_third = rows(range(0, 30, 3))
    assert about_traffic(every_third, until(30)) == []


def test_gaps_that_are_not_watched_are_too_long_after_the_longest_window():
    few = rows(range(2))
    assert about_traffic(few, until(9)) == []
    assert about_traffic(few, until(10)) == [(100, "opened", "critical")]


@pytest.mark.parametrize(("none_after_ms", "at_ms"), [(10, 30), (11, 40), (40, 60), (80, 100)])
def test_a_configured_gap_is_watched_from_the_first_row_on(none_after_ms, at_ms):
    by = evaluator(plan(drift=SELDOM, traffic=Traffic(none_after_ms=none_after_ms)))
    assert about_traffic(rows(range(2)), until(14), by=by) == [(at_ms, "opened", "critical")]


def test_a_configured_gap_is_at_most_the_longest_window():
    with pytest.raises(InvalidPlan, match=r"traffic.none_after must not be longer than windows.lo"):
        plan(traffic=Traffic(none_after_ms=81))


def test_gap_of_a_reference_that_has_longer_ones_than_the_longest_window_is_no_incident():
    """Incidents of the rows end nevertheless."""
    by = replace(BY, traffic=replace(BY.traffic, longest_gap=9, blocks={}))
    steps = rows(range(4)), DRIFTED, until(30)
    assert about_traffic(*steps, by=by) == []
    assert ended(*steps, by=by) == {"data/x": (170, "stale")}


def test_fewer_rows_than_in_the_reference_open_an_incident():
    fewer = rows(range(9, 21), each=1)
    (first, *_) = about_traffic(REGULAR, fewer, until(21), by=OFTEN)
    assert first[1] == "opened"


def test_more_rows_than_in_the_reference_open_an_incident():
    more = rows(range(9, 17), each=50)
    (first, *_) = about_traffic(REGULAR, more, until(17), by=OFTEN)
    assert first == (100, "opened", "critical")


def test_rows_are_not_watched_before_a_window_with_as_many_as_in_the_reference():
    """The reference is a sample of a tenth."""
    assert about_traffic(rows(range(16), each=50), until(16), by=OFTEN) == []


def test_first_pane_with_a_row_does_not_count():
    """A version may start in its middle."""
    late_start = [*rows(range(1), each=1), *rows(range(1, 9))]
    assert about_traffic(late_start, until(9), by=OFTEN) == []


def test_gap_that_has_ended_is_a_jump_if_it_is_as_long_as_the_longest_window():
    """From the ninth pane to the 16th: seven panes are an outage that is noticed afterwards."""
    outage = REGULAR, [*rows(range(16, 18)), *until(18)]
    assert about_traffic(*outage)[0] == (110, "opened", "critical")
    jump = REGULAR, [*rows(range(17, 19)), *until(19)]
    assert about_traffic(*jump) == []


def test_no_window_over_a_jump_is_tested():
    """The pane after the jump is the first again, and does not count."""
    after = [*rows(range(20, 21), each=1), *rows(range(21, 33)), *until(33)]
    assert about_traffic(REGULAR, after, by=OFTEN) == []


def test_jump_leaves_other_incidents_open():
    steps = rows(range(4)), DRIFTED, [*rows(range(20, 21), x=9.0), *until(21)]
    assert "data/x" not in ended(*steps)


def test_traffic_that_is_not_watched_opens_no_incident():
    assert about_traffic(REGULAR, rows(range(9, 13), each=50), until(26), by=UNWATCHED) == []


def test_silence_of_a_shadow_opens_no_incident():
    assert about_traffic(REGULAR, until(26), lives={VERSION: SHADOW}) == []


def test_a_version_that_becomes_a_shadow_has_no_incident_about_its_traffic_any_more():
    state, _ = advance({KEY: BY}, State(), enumerate([*REGULAR, *until(11)]))
    assert set(state.decisions[KEY].incidents) == {"traffic/rows"}
    after, found = advance(
        {KEY: BY}, replace(state, lives={VERSION: SHADOW}), enumerate(until(13), 99)
    )
    assert after.decisions[KEY].incidents == {}
    assert [(str(t.change), str(t.resolution)) for t in found.transitions] == [
        ("resolved", "stale")
    ]


# -- stale -------------------------------------------------------------------------------------

DRIFTED = rows(range(4, 9), x=9.0)  # a value that the reference does not have


def ended(*steps: list, **settings) -> dict[str, tuple[int, str]]:
    """When and why incidents ended, by subject."""
    return {
        subject: (at, reason)
        for at, change, subject, _, reason in told(*steps, **settings)
        if change == "resolved"
    }


def test_incidents_of_the_rows_end_as_stale_when_no_rows_come():
    steps = rows(range(4)), DRIFTED, until(11)
    opened = {subject for _, change, subject, _, _ in told(*steps) if change == "opened"}
    assert opened == {"data/x", "traffic/rows"}
    assert ended(*steps) == {"data/x": (110, "stale")}


def test_stale_incidents_name_the_incident_about_the_traffic():
    log = enumerate([*rows(range(4)), *DRIFTED, *until(11)])
    _, found = advance({KEY: BY}, State(), log)
    traffic = next(t for t in found.transitions if t.incident.subject == "traffic/rows")
    stale = next(t for t in found.transitions if str(t.resolution) == "stale")
    assert (stale.cause, stale.start_ms, stale.end_ms) == (traffic.incident.id, 90, 110)


def test_incidents_of_a_silent_version_do_not_open_again():
    """Longer windows hold rows from before the silence."""
    changes = [subject for _, _, subject, _, _ in told(rows(range(4)), DRIFTED, until(40))]
    assert changes.count("data/x") == 2


def test_drift_of_rows_that_return_opens_a_new_incident():
    back = rows(range(12, 20), x=9.0)
    changes = [
        change
        for _, change, subject, _, _ in told(rows(range(4)), DRIFTED, until(12), back, until(20))
        if subject == "data/x"
    ]
    assert changes[:3] == ["opened", "resolved", "opened"]


def test_incidents_of_a_silent_shadow_end_as_stale():
    steps = rows(range(4)), DRIFTED, until(11)
    assert ended(*steps, lives={VERSION: SHADOW}) == {"data/x": (110, "stale")}


def test_incidents_of_the_labels_end_when_the_last_window_with_rows_is_final():
    wrong = [summary for pane in range(9) for summary in mistaken(pane * PANE)]
    steps = REGULAR, wrong, until(11), joined(87, 87), joined(127, 137), joined(137, 147)
    stale = {subject: at for subject, (at, reason) in ended(*steps).items() if reason == "stale"}
    assert stale["performance/accuracy"] == 130
    assert set(stale.values()) == {130}


def mistaken(pane_ms: int) -> list[Summary]:
    """Five labelled rows of a pane, all of them predicted wrongly."""
    return correct(pane_ms, 0, wrong=6)


@pytest.mark.parametrize("seed", range(5))
def test_changes_do_not_depend_on_batches(seed):
    steps = (
        *([summary] for summary in rows(range(4))),
        *([summary] for summary in DRIFTED),
        *(until(pane) for pane in range(4, 30)),
        *([summary] for summary in rows(range(30, 34))),
        *(until(pane) for pane in range(30, 40)),
    )
    assert told(*steps, seed=seed) == told(*steps)
