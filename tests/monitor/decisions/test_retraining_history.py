"""The facts of a decision are those of its two times, however far the clocks are ahead of it."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.retraining_history import (
    CriticalChange,
    CriticalState,
    RetrainingHistory,
)

LOOKBACK, WAIT = 50, 20
times = st.integers(0, 200)
changes = st.builds(  # the kind of an incident decides which clock it follows
    lambda at_ms, incident, state: CriticalChange(at_ms, incident, state, incident in "cd"),
    times,
    st.sampled_from("abcd"),
    st.sampled_from(CriticalState),
)


def history(*noted: CriticalChange, labels: dict[int, int] | None = None) -> RetrainingHistory:
    empty = RetrainingHistory(later_changes=noted)
    return empty.with_labels(labels or {}, 0)


def facts(of: RetrainingHistory, *ends: int):
    """Of the last of some decisions."""
    for end in ends:
        of = of.at(end, end - WAIT, LOOKBACK)
    found = of.facts(ends[-1])
    return sorted(found.critical_open_ms), found.fresh_labels


def test_open_incident_counts_as_open_at_the_decision():
    opened = CriticalChange(10, "a", CriticalState.OPEN, of_labels=False)
    assert facts(history(opened), 9) == ([], 0)
    assert facts(history(opened), 10) == ([10], 0)
    assert facts(history(opened), 200) == ([200], 0)


def test_recovered_incident_counts_until_the_lookback_is_over():
    noted = [
        CriticalChange(10, "a", CriticalState.OPEN, of_labels=False),
        CriticalChange(30, "a", CriticalState.RECOVERED, of_labels=False),
    ]
    assert facts(history(*noted), 20) == ([20], 0)
    assert facts(history(*noted), 80) == ([30], 0)
    assert facts(history(*noted), 81) == ([], 0)


def test_incident_that_has_ended_otherwise_does_not_count():
    noted = [
        CriticalChange(10, "a", CriticalState.OPEN, of_labels=False),
        CriticalChange(30, "a", CriticalState.ENDED, of_labels=False),
    ]
    assert facts(history(*noted), 29) == ([29], 0)
    assert facts(history(*noted), 30) == ([], 0)


def test_incidents_about_labels_and_labels_count_once_labels_had_their_time():
    opened = CriticalChange(10, "a", CriticalState.OPEN, of_labels=True)
    noted = history(opened, labels={10: 3, 11: 4})
    assert facts(noted, 10 + WAIT - 1) == ([], 0)
    assert facts(noted, 10 + WAIT) == ([30], 3)
    assert facts(noted, 10 + WAIT, 11 + WAIT) == ([31], 7)


@given(st.lists(changes), st.dictionaries(times, st.integers(1, 9)), st.sets(times, min_size=1))
def test_earlier_decisions_do_not_change_a_later_one(noted, labels, ends):
    noted = sorted(noted, key=lambda change: change.at_ms)
    earlier_too, alone = sorted(ends), max(ends)
    assert facts(history(*noted, labels=labels), *earlier_too) == facts(
        history(*noted, labels=labels), alone
    )


@given(st.lists(changes), st.dictionaries(times, st.integers(1, 9)), times)
def test_what_is_noted_later_changes_no_decision(noted, labels, end):
    noted = sorted(noted, key=lambda change: change.at_ms)
    known = [one for one in noted if one.at_ms <= (end - WAIT if one.of_labels else end)]
    labels_known = {ms: n for ms, n in labels.items() if ms <= end - WAIT}
    assert facts(history(*noted, labels=labels), end) == facts(
        history(*known, labels=labels_known), end
    )
