"""The life of an incident, drawn: one letter for each window, oldest first.

w  warning     c  critical     .  calm     (a window that could not decide is no step)
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.incidents import (
    Change,
    Heard,
    MetricVerdict,
    WindowVerdict,
    most_severe,
    step,
    worst,
)
from monitor.plan import Incidents
from monitor.statistics.drift_rule import Comparison, Evidence, Severity

PLAN = Incidents(repeat_after_ms=40, resolve_after=2)
SAID = {".": None, "w": Severity.WARNING, "c": Severity.CRITICAL}
LETTER = {Change.OPENED: "O", Change.ESCALATED: "E", Change.REPEATED: "R", Change.RESOLVED: "X"}
SLIDE = 10


def heard(letter: str, end_ms: int, slide_ms: int = SLIDE) -> Heard:
    severity = SAID[letter]
    if severity is None:
        return Heard(end_ms, SLIDE)
    found = Evidence("ks", 0.3, severity, end_ms - slide_ms, end_ms, 100)
    return Heard(end_ms, SLIDE, found, slide_ms)


def stepped(incident, what: Heard, scope="credit/1", subject="data/income", plan=PLAN):
    return step(incident, what, scope=scope, subject=subject, plan=plan)


def lived(windows: str, plan: Incidents = PLAN):
    """Every step: what stays open, what changed, and of which incident."""
    incident, found = None, []
    for i, letter in enumerate(windows, start=1):
        incident, change, about = stepped(incident, heard(letter, i * SLIDE), plan=plan)
        found.append((incident, change, about))
    return found


def drawn(windows: str, plan: Incidents = PLAN) -> str:
    return "".join(
        "-" if change is None else LETTER[change] for _, change, _ in lived(windows, plan)
    )


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param("....", "----", id="calm says nothing"),
        pytest.param(".www.", "-O---", id="drift opens once"),
        pytest.param("w..", "O-X", id="and resolves after two calm windows"),
        pytest.param("w.w..", "O---X", id="two in a row"),
        pytest.param("w..w", "O-XO", id="later drift opens anew"),
        pytest.param("wwc", "O-E", id="it escalates"),
        pytest.param("wcwc", "OE--", id="once"),
        pytest.param("ccc", "O--", id="what opened as critical cannot"),
        pytest.param("wwwwwwwww", "O---R---R", id="it repeats when due"),
        pytest.param("wcwwwwwww", "OE---R---", id="counting from the escalation"),
        pytest.param("www.wwwww", "O---R---R", id="a calm window does not put that off"),
        pytest.param("www..", "O---X", id="calm is not repeated"),
        pytest.param("wwwwc", "O---E", id="escalating comes before repeating"),
    ],
)
def test_life_of_an_incident(windows, expected):
    assert drawn(windows) == expected


def test_an_incident_may_resolve_at_the_first_calm_window():
    assert drawn("ww.w", Incidents(repeat_after_ms=40, resolve_after=1)) == "O-XO"


def test_without_patience_every_window_repeats():
    assert drawn("www", Incidents(repeat_after_ms=0)) == "ORR"


def test_an_incident_keeps_its_name_from_opening_to_resolving():
    opened, *later = [about for _, _, about in lived("wc..") if about is not None]
    assert {incident.id for incident in later} == {opened.id}
    assert (opened.subject, opened.opened_ms, opened.notified_ms) == ("data/income", 10, 10)


def test_what_was_critical_stays_so_until_it_is_resolved():
    assert [incident.severity for incident, _, _ in lived("wcw")] == [
        "warning",
        "critical",
        "critical",
    ]


def test_the_change_tells_of_the_incident_as_it_is_after_it():
    (_, _, opened), (_, _, escalated) = lived("wc")
    assert (opened.severity, escalated.severity) == (Severity.WARNING, Severity.CRITICAL)
    assert escalated.notified_ms == 20


def test_a_name_is_that_of_one_subject_of_one_scope_at_one_time():
    def name(scope="credit/1", subject="data/income", end_ms=10):
        return stepped(None, heard("w", end_ms), scope, subject)[2].id

    names = [name(), name(scope="credit/2"), name(subject="data/age"), name(end_ms=20)]
    names.append(name(scope="credit/1d", subject="ata/income"))
    assert len(set(names)) == 5
    assert name() == name()


@given(windows=st.text(".wc", max_size=30))
def test_an_incident_opens_and_resolves_in_turn(windows):
    letters = drawn(windows).replace("-", "").replace("R", "").replace("E", "")
    assert letters in ("OX" * 15, "OX" * 15 + "O") or letters == ("OX" * 16)[: len(letters)]


@given(windows=st.text(".wc", max_size=30))
def test_an_incident_is_open_exactly_from_its_opening_to_its_resolution(windows):
    is_open = False
    for incident, change, _ in lived(windows):
        is_open = (is_open or change is Change.OPENED) and change is not Change.RESOLVED
        assert (incident is not None) == is_open


def test_what_a_long_window_raised_is_calm_only_after_two_of_its_own_kind():
    incident, _, _ = stepped(None, heard("w", 10, slide_ms=3 * SLIDE))
    changes = []
    for i in range(2, 9):
        incident, change, _ = stepped(incident, heard(".", i * SLIDE))
        changes.append(change)
    assert changes == [None] * 5 + [Change.RESOLVED, None]


def test_and_a_short_one_on_its_way_does_not_cut_that_short():
    incident, _, _ = stepped(None, heard("w", 10, slide_ms=4 * SLIDE))
    incident, _, _ = stepped(incident, heard("w", 20))
    assert incident.due_ms == 8 * SLIDE
    assert incident.evidence.end_ms == 20


def test_of_windows_that_end_together_the_gravest_speaks_and_the_longest_decides_on_calm():
    def said(severity, persistent, slide_ms):
        tested = Comparison("ks", 9, 0.9, persistent, 0.1, 0.1, severity)
        return WindowVerdict(tested, 100 - 2 * slide_ms, 100, slide_ms)

    short, long = said(Severity.CRITICAL, 0.3, 10), said(Severity.WARNING, 0.9, 40)
    found = most_severe([WindowVerdict(None, 90, 100, 10), long, short], 100, 10)
    assert (found.evidence.severity, found.evidence.start_ms) == (Severity.CRITICAL, 80)
    assert (found.slide_ms, found.span_ms, found.end_ms) == (40, 10, 100)


def test_if_none_of_them_drifted_they_are_calm():
    assert most_severe(
        [WindowVerdict(None, 90, 100, 10), WindowVerdict(None, 80, 100, 20)], 100, 10
    ) == Heard(100, 10)


def test_of_equals_the_shortest_is_the_evidence_in_whatever_order_they_come():
    tested = Comparison("ks", 9, 0.9, 0.5, 0.1, 0.1, Severity.WARNING)
    short, long = WindowVerdict(tested, 90, 100, 10), WindowVerdict(tested, 60, 100, 20)
    assert most_severe([short, long], 100, 10) == most_severe([long, short], 100, 10)
    assert most_severe([long, short], 100, 10).evidence.start_ms == 90


def test_of_windows_that_judge_a_metric_the_gravest_speaks_and_of_equals_the_shortest():
    def judged(letter, slide_ms):
        return MetricVerdict(heard(letter, 100, slide_ms).evidence, slide_ms)

    short, long, critical = judged("w", 10), judged("w", 40), judged("c", 20)
    assert worst([MetricVerdict(None, 10), long, short], 100).evidence == short.evidence
    found = worst([short, critical, long], 100)
    assert (found.evidence, found.slide_ms, found.span_ms) == (critical.evidence, 40, 10)
    assert worst([MetricVerdict(None, 10), MetricVerdict(None, 20)], 100) == Heard(100, 10)
    assert worst([MetricVerdict(None, 20)], 100) == Heard(100, 20)
