"""Incidents of segments and of the whole about one subject, related by event time."""

from __future__ import annotations

from dataclasses import replace

from monitor.decisions.incidents import Change, Incident
from monitor.identity import Key
from monitor.statistics.drift_rule import Evidence, Severity
from monitor.windows.findings import Findings, Transition
from monitor.windows.model_state import NOT_JUDGED
from monitor.windows.segment_incidents import relate
from monitor.windows.state import State

WHOLE = Key("m", "1")
A, B = WHOLE._replace(segment="c=a"), WHOLE._replace(segment="c=b")
EVIDENCE = Evidence("ks", 0.5, Severity.WARNING, 0, 10, 100)


def incident(identity: str, opened_ms: int, subject: str = "data/x") -> Incident:
    return Incident(identity, subject, Severity.WARNING, opened_ms, opened_ms, EVIDENCE, 10)


def state(**still_open: tuple[Key, Incident]) -> State:
    decisions = dict.fromkeys((WHOLE, A, B), NOT_JUDGED)
    for key, one in still_open.values():
        decisions[key] = replace(NOT_JUDGED, incidents={one.subject: one})
    return State(decisions=decisions)


def related(after: State, found: Transition, closed: dict | None = None) -> Transition:
    findings = Findings(transitions=[found], closed=closed or {})
    relate(after, findings)
    return findings.transitions[0]


def opened(key: Key, one: Incident) -> Transition:
    return Transition(key, Change.OPENED, one, 0, one.opened_ms)


def test_incident_of_a_segment_is_part_of_the_open_one_of_the_whole_about_its_subject():
    own, whole = incident("own", 20), incident("whole", 10)
    assert related(state(w=(WHOLE, whole), a=(A, own)), opened(A, own)).part_of == "whole"
    grouped = replace(whole, primary="primary")
    assert related(state(w=(WHOLE, grouped), a=(A, own)), opened(A, own)).part_of == "primary"


def test_it_is_no_part_of_one_about_another_subject_or_of_another_time():
    own = incident("own", 20)
    other, later = incident("whole", 10, "data/y"), incident("whole", 21)
    assert related(state(w=(WHOLE, other)), opened(A, own)).part_of is None
    assert related(state(w=(WHOLE, later)), opened(A, own)).part_of is None


def test_incident_of_the_whole_that_ended_later_in_the_same_batch_counts_until_then():
    own, whole = incident("own", 20), incident("whole", 10)
    found = [related(state(), opened(A, own), {WHOLE: [(whole, end)]}) for end in (20, 21)]
    assert [one.part_of for one in found] == [None, "whole"]


def test_incident_of_the_whole_names_the_segments_that_have_one_about_its_subject():
    whole = incident("whole", 20)
    after = state(a=(A, incident("a", 10)), b=(B, incident("b", 10, "data/y")))
    assert related(after, opened(WHOLE, whole)).segments == ("c=a",)
    resolved = Transition(WHOLE, Change.RESOLVED, whole, 0, 20)
    assert related(after, resolved).segments == ()
