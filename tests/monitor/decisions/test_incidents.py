"""The life of an incident; one letter for each window, oldest first.

w  warning     c  critical     .  healthy     (a window that could not be tested is no step)
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.incidents import Change, step
from monitor.decisions.signals import (
    MetricVerdict,
    SubjectSignal,
    WindowVerdict,
    most_severe,
    most_severe_metric,
)
from monitor.plan import Incidents
from monitor.statistics.drift_rule import Comparison, Evidence, Severity

PLAN = Incidents(repeat_after_ms=40, resolve_after=2)
SEVERITY = {".": None, "w": Severity.WARNING, "c": Severity.CRITICAL}
LETTER = {Change.OPENED: "O", Change.ESCALATED: "E", Change.REPEATED: "R", Change.RESOLVED: "X"}
SLIDE = 10


def signal(letter: str, end_ms: int, slide_ms: int = SLIDE) -> SubjectSignal:
    severity = SEVERITY[letter]
    if severity is None:
        return SubjectSignal(end_ms, SLIDE)
    found = Evidence("ks", 0.3, severity, end_ms - slide_ms, end_ms, 100)
    return SubjectSignal(end_ms, SLIDE, found, slide_ms)


def stepped(incident, newest: SubjectSignal, scope="credit/1", subject="data/income", plan=PLAN):
    return step(incident, newest, scope=scope, subject=subject, plan=plan)


def history(windows: str, plan: Incidents = PLAN):
    """Every step: the open incident, the change, and the incident it is about."""
    incident, found = None, []
    for i, letter in enumerate(windows, start=1):
        incident, change, changed = stepped(incident, signal(letter, i * SLIDE), plan=plan)
        found.append((incident, change, changed))
    return found


def letters_of(windows: str, plan: Incidents = PLAN) -> str:
    return "".join(
        "-" if change is None else LETTER[change] for _, change, _ in history(windows, plan)
    )


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param("....", "----", id="healthy windows change nothing"),
        pytest.param(".www.", "-O---", id="drift opens once"),
        pytest.param("w..", "O-X", id="drift resolves after two healthy windows"),
        pytest.param("w.w..", "O---X", id="the healthy windows must be consecutive"),
        pytest.param("w..w", "O-XO", id="later drift opens a new incident"),
        pytest.param("wwc", "O-E", id="a warning escalates to critical"),
        pytest.param("wcwc", "OE--", id="an incident escalates once"),
        pytest.param("ccc", "O--", id="a critical incident does not escalate"),
        pytest.param("wwwwwwwww", "O---R---R", id="an incident repeats when due"),
        pytest.param("wcwwwwwww", "OE---R---", id="the next repetition counts from the escalation"),
        pytest.param("www.wwwww", "O---R---R", id="a healthy window does not delay the repetition"),
        pytest.param("www..", "O---X", id="a healthy window is not repeated"),
        pytest.param("wwwwc", "O---E", id="escalating comes before repeating"),
    ],
)
def test_life_of_an_incident(windows, expected):
    assert letters_of(windows) == expected


def test_an_incident_resolves_at_the_first_healthy_window_if_resolve_after_is_one():
    assert letters_of("ww.w", Incidents(repeat_after_ms=40, resolve_after=1)) == "O-XO"


def test_an_incident_repeats_in_every_window_if_repeat_after_is_zero():
    assert letters_of("www", Incidents(repeat_after_ms=0)) == "ORR"


def test_an_incident_keeps_its_id_from_opening_to_resolving():
    opened, *later = [changed for _, _, changed in history("wc..") if changed is not None]
    assert {incident.id for incident in later} == {opened.id}
    assert (opened.subject, opened.opened_ms, opened.notified_ms) == ("data/income", 10, 10)


def test_a_critical_incident_stays_critical_until_it_resolves():
    assert [incident.severity for incident, _, _ in history("wcw")] == [
        "warning",
        "critical",
        "critical",
    ]


def test_a_change_carries_the_incident_as_it_is_after_the_change():
    (_, _, opened), (_, _, escalated) = history("wc")
    assert (opened.severity, escalated.severity) == (Severity.WARNING, Severity.CRITICAL)
    assert escalated.notified_ms == 20


def test_the_id_of_an_incident_depends_on_subject_scope_and_time():
    def name(scope="credit/1", subject="data/income", end_ms=10):
        return stepped(None, signal("w", end_ms), scope, subject)[2].id

    names = [name(), name(scope="credit/2"), name(subject="data/age"), name(end_ms=20)]
    names.append(name(scope="credit/1d", subject="ata/income"))
    assert len(set(names)) == 5
    assert name() == name()


@given(windows=st.text(".wc", max_size=30))
def test_an_incident_opens_and_resolves_in_turn(windows):
    letters = letters_of(windows).replace("-", "").replace("R", "").replace("E", "")
    assert letters in ("OX" * 15, "OX" * 15 + "O") or letters == ("OX" * 16)[: len(letters)]


@given(windows=st.text(".wc", max_size=30))
def test_an_incident_is_open_exactly_from_its_opening_to_its_resolution(windows):
    is_open = False
    for incident, change, _ in history(windows):
        is_open = (is_open or change is Change.OPENED) and change is not Change.RESOLVED
        assert (incident is not None) == is_open


def test_an_incident_of_a_long_window_resolves_after_two_healthy_windows_of_that_length():
    incident, _, _ = stepped(None, signal("w", 10, slide_ms=3 * SLIDE))
    changes = []
    for i in range(2, 9):
        incident, change, _ = stepped(incident, signal(".", i * SLIDE))
        changes.append(change)
    assert changes == [None] * 5 + [Change.RESOLVED, None]


def test_a_short_window_does_not_shorten_the_healthy_time_a_long_one_requires():
    incident, _, _ = stepped(None, signal("w", 10, slide_ms=4 * SLIDE))
    incident, _, _ = stepped(incident, signal("w", 20))
    assert incident.due_ms == 8 * SLIDE
    assert incident.evidence.end_ms == 20


def test_a_signal_has_the_most_severe_evidence_and_the_longest_slide_of_its_windows():
    def verdict_of(severity, persistent, slide_ms):
        tested = Comparison("ks", 9, 0.9, persistent, 0.1, 0.1, severity)
        return WindowVerdict(tested, 100 - 2 * slide_ms, 100, slide_ms)

    short, long = verdict_of(Severity.CRITICAL, 0.3, 10), verdict_of(Severity.WARNING, 0.9, 40)
    found = most_severe([WindowVerdict(None, 90, 100, 10), long, short], 100, 10)
    assert (found.evidence.severity, found.evidence.start_ms) == (Severity.CRITICAL, 80)
    assert (found.slide_ms, found.span_ms, found.end_ms) == (40, 10, 100)


def test_a_signal_is_healthy_if_no_window_drifted():
    assert most_severe(
        [WindowVerdict(None, 90, 100, 10), WindowVerdict(None, 80, 100, 20)], 100, 10
    ) == SubjectSignal(100, 10)


def test_the_shortest_of_equally_severe_windows_is_the_evidence_in_any_order():
    tested = Comparison("ks", 9, 0.9, 0.5, 0.1, 0.1, Severity.WARNING)
    short, long = WindowVerdict(tested, 90, 100, 10), WindowVerdict(tested, 60, 100, 20)
    assert most_severe([short, long], 100, 10) == most_severe([long, short], 100, 10)
    assert most_severe([long, short], 100, 10).evidence.start_ms == 90


def test_a_metric_signal_has_the_most_severe_evidence_or_else_the_shortest_window():
    def judged(letter, slide_ms):
        return MetricVerdict(signal(letter, 100, slide_ms).evidence, slide_ms)

    short, long, critical = judged("w", 10), judged("w", 40), judged("c", 20)
    assert (
        most_severe_metric([MetricVerdict(None, 10), long, short], 100).evidence == short.evidence
    )
    found = most_severe_metric([short, critical, long], 100)
    assert (found.evidence, found.slide_ms, found.span_ms) == (critical.evidence, 40, 10)
    assert most_severe_metric(
        [MetricVerdict(None, 10), MetricVerdict(None, 20)], 100
    ) == SubjectSignal(100, 10)
    assert most_severe_metric([MetricVerdict(None, 20)], 100) == SubjectSignal(100, 20)
