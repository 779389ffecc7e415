"""The life of an incident; one letter for each window, oldest first.

w  warning     c  critical     .  clear     ~  no drift, but not clear either     W  far worse
(a window that could not be tested is no step)
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.incidents import WORSE, Change, step
from monitor.decisions.signals import SubjectSignal, WindowVerdict, most_severe
from monitor.plan import Incidents
from monitor.statistics.drift_rule import Comparison, Evidence, Severity

PLAN = Incidents(repeat_after_ms=40, resolve_after=2, reopen_within_ms=20)
SEVERITY = {"w": Severity.WARNING, "W": Severity.WARNING, "c": Severity.CRITICAL}
LETTER = {
    Change.OPENED: "O",
    Change.REOPENED: "A",
    Change.ESCALATED: "E",
    Change.REPEATED: "R",
    Change.RESOLVED: "X",
}
PANE = 10


def verdict(letter: str, end_ms: int, length_ms: int = PANE) -> WindowVerdict:
    start_ms, severity = end_ms - length_ms, SEVERITY.get(letter)
    value = 0.2 * WORSE if letter == "W" else 0.1
    if severity is None:
        return WindowVerdict(None, start_ms, end_ms, is_clear=letter == ".")
    found = Evidence("ks", value, severity, start_ms, end_ms, 100)
    return WindowVerdict.of_metric(found, start_ms, end_ms, is_clear=False)


def signal(letter: str, end_ms: int, length_ms: int = PANE) -> SubjectSignal:
    return most_severe([verdict(letter, end_ms, length_ms)], end_ms)


def stepped(  # noqa: PLR0913 - all that a step depends on
    incident, newest: SubjectSignal, scope="credit/1", subject="data/income", plan=PLAN, recent=None
):
    return step(incident, recent, newest, scope=scope, subject=subject, plan=plan)


def history(windows: str, plan: Incidents = PLAN):
    """Every step: the open incident, the change, and the incident it is about."""
    incident, recent, found = None, None, []
    for i, letter in enumerate(windows, start=1):
        newest = signal(letter, i * PANE)
        incident, change, changed = stepped(incident, newest, plan=plan, recent=recent)
        if change is Change.RESOLVED:
            recent = replace(changed, resolved_ms=i * PANE)
        found.append((incident, change, changed))
    return found


def letters_of(windows: str, plan: Incidents = PLAN) -> str:
    return "".join(
        "-" if change is None else LETTER[change] for _, change, _ in history(windows, plan)
    )


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        pytest.param("....", "----", id="clear windows change nothing"),
        pytest.param(".www.", "-O---", id="drift opens once"),
        pytest.param("w..", "O-X", id="two clear windows resolve"),
        pytest.param("w.w..", "O---X", id="the clear windows must be consecutive"),
        pytest.param("w~~~~~", "O-----", id="the absence of drift resolves nothing"),
        pytest.param("w.~..", "O---X", id="a window that is not clear is no recovery"),
        pytest.param("w..w", "O-XA", id="drift soon after the end opens the same incident again"),
        pytest.param("w......w", "O-X----O", id="later drift opens a new incident"),
        pytest.param("w..w..", "O-XA-X", id="an incident that was opened again resolves"),
        pytest.param("wwc", "O-E", id="a warning escalates to critical"),
        pytest.param("wcwc", "OE--", id="an incident escalates once"),
        pytest.param("ccc", "O--", id="a critical incident does not escalate"),
        pytest.param("wwwwwwwww", "O--------", id="an incident that stays as it is repeats never"),
        pytest.param("wwwwW", "O---R", id="one that is worse is repeated when that is due"),
        pytest.param("wWWWW", "O---R", id="worse than when people were told of it"),
        pytest.param("wWWWw", "O----", id="as then, when it is due"),
        pytest.param("wwwwWWWWWWWWW", "O---R--------", id="no worse than when it was repeated"),
        pytest.param("wwwcWWWW", "O--E---R", id="the time counts from the escalation"),
        pytest.param("www.W", "O---R", id="a clear window does not delay the repetition"),
        pytest.param("www..", "O---X", id="a clear window is not repeated"),
        pytest.param("wwwwc", "O---E", id="escalating comes before repeating"),
    ],
)
def test_life_of_an_incident(windows, expected):
    assert letters_of(windows) == expected


def test_an_incident_resolves_at_the_first_clear_window_if_resolve_after_is_one():
    plan = Incidents(repeat_after_ms=40, resolve_after=1, reopen_within_ms=0)
    assert letters_of("ww.w", plan) == "O-XO"


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


def test_an_incident_that_opens_again_keeps_its_id_and_the_time_it_was_opened():
    (_, _, opened), *_, (again, _, _) = history("w..c")
    assert (again.id, again.opened_ms, again.begun_ms) == (opened.id, PANE, 4 * PANE)
    assert (again.severity, again.clear, again.resolved_ms) == (Severity.CRITICAL, 0, None)


@given(windows=st.text(".~wc", max_size=30))
def test_an_incident_opens_and_resolves_in_turn(windows):
    letters = letters_of(windows).replace("A", "O").replace("E", "").replace("-", "")
    assert letters == ("OX" * 16)[: len(letters)]


@given(windows=st.text(".~wc", max_size=30))
def test_an_incident_is_open_exactly_from_its_opening_to_its_resolution(windows):
    is_open = False
    for incident, change, _ in history(windows):
        is_open = (
            is_open or change in (Change.OPENED, Change.REOPENED)
        ) and change is not Change.RESOLVED
        assert (incident is not None) == is_open


def after(*signals: SubjectSignal):
    """The open incident after the last signal, and what became of it."""
    incident = None
    for newest in signals:
        incident, change, _ = stepped(incident, newest)
    return incident, change


def test_windows_of_other_lengths_do_not_resolve_an_incident():
    found = signal("w", 4 * PANE, 4 * PANE)
    incident, _ = after(found, *(signal(".", i * PANE) for i in range(5, 20)))
    assert incident is not None
    assert incident.clear == 0
    clear = [signal(".", i * PANE, 4 * PANE) for i in (6, 8)]
    assert after(found, *clear) == (None, Change.RESOLVED)


def test_drift_that_only_longer_windows_find_makes_an_incident_wait_for_their_length():
    near_and_long = most_severe([verdict("~", 80), verdict("w", 80, 40), verdict("w", 80, 80)], 80)
    incident, _ = after(signal("w", PANE), near_and_long)
    assert incident.clear_length_ms == 40
    assert incident.evidence.end_ms == 80


def test_a_longer_window_with_rows_from_before_does_not_hold_an_incident_that_is_clear():
    clear_and_long = most_severe([verdict(".", 20), verdict("c", 20, 20)], 20)
    incident, change = after(signal("w", PANE), clear_and_long)
    assert (incident.clear, incident.clear_length_ms, change) == (1, PANE, None)


def test_drift_in_a_shorter_window_is_no_recovery():
    long, short = signal("w", 40, 40), signal("w", 70)
    incident, _ = after(long, signal(".", 60, 40), short)
    assert (incident.clear, incident.clear_length_ms) == (0, 40)


def test_a_signal_has_the_most_severe_evidence_and_the_length_of_the_shortest_window():
    def verdict_of(severity, persistent, length_ms):
        tested = Comparison("ks", 9, 0.9, persistent, 0.1, 0.1, severity)
        return WindowVerdict.of_test(tested, 100 - length_ms, 100)

    short, long = verdict_of(Severity.WARNING, 0.3, 20), verdict_of(Severity.CRITICAL, 0.2, 80)
    found = most_severe([verdict(".", 100), long, short], 100)
    assert (found.evidence.severity, found.evidence.start_ms) == (Severity.CRITICAL, 20)
    assert (found.length_ms, found.end_ms) == (20, 100)
    assert found.clear == {10: 90, 20: None, 80: None}


def test_the_shortest_of_equally_severe_windows_is_the_evidence_in_any_order():
    tested = Comparison("ks", 9, 0.9, 0.5, 0.1, 0.1, Severity.WARNING)
    both = [WindowVerdict.of_test(tested, start, 100) for start in (90, 60)]
    assert most_severe(both, 100) == most_severe(both[::-1], 100)
    assert most_severe(both, 100).evidence.start_ms == 90


def test_windows_of_one_length_are_clear_if_all_of_them_are():
    assert most_severe([verdict(".", 100), verdict("~", 100)], 100).clear == {10: None}
