"""Sentences about incidents: message, evidence, history."""

import pytest

from api.answers import Incident
from dashboard import incident_text
from tests.dashboard.documents import day, incident

KS = {"decided_by": "ks", "value": 0.31, "threshold": 0.09, "rows": 66145}


def test_message_shows_its_window_in_short_form_and_everything_else_escaped():
    start, end = day(1)
    message = f"data/temp: KS distance in the window {start} to {end}; *really*."
    assert incident_text.message(message) == (
        r"data/temp\: KS distance in the window 2013-04-01; \*really\*."
    )


def test_headline_of_a_resolved_incident_says_why():
    end = day(3)[1]
    of = {"state": "resolved", "resolved_at": end, "reason": "stale", "severity": "notice"}
    headline = incident_text.headline(Incident.model_validate(incident(**of)))
    assert headline == (
        ":gray-badge[notice] ✔ **temp** (data) · Resolved (stale) 2013-04-03 to 2013-04-04"
    )


@pytest.mark.parametrize(("severity", "colour"), [("critical", "red"), ("warning", "orange")])
def test_headline_of_an_open_incident_has_the_colour_of_its_severity(severity, colour):
    headline = incident_text.headline(Incident.model_validate(incident(severity=severity)))
    assert headline.startswith(f":{colour}-badge[{severity}] ")
    assert headline.endswith("**temp** (data) · Open since 2013-04-03")


def test_what_is_now_and_what_was_normal_is_bold():
    text = "data/temp: values spread. Sustained: 0.2. Median 57.02, in the reference 39.92. More."
    assert incident_text.told(Incident.model_validate(incident(message=text))) == (
        r"Values spread. Sustained\: 0.2. **Median 57.02, in the reference 39.92**. More."
    )


def test_incident_without_a_model_is_about_driftline():
    own = Incident.model_validate(incident(model=None, version=None))
    assert incident_text.about(own) == "Driftline"
    assert incident_text.about(Incident.model_validate(incident())) == "flight-delay · version 1"


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("ks", "KS"),
        ("kuiper", "Kuiper"),
        ("wilcoxon", "Cliff's delta"),
        ("mood", "Mood's score"),
        ("something newer", "Distance"),
    ],
)
def test_evidence_of_a_distance_shows_value_limit_and_rows(test, name):
    evidence = {**KS, "decided_by": test}
    text = f"{name} 0.310. Limit 0.090 \\(noise\\). 66,145 rows."
    assert incident_text.evidence(evidence) == text
    detailed = incident_text.evidence({**evidence, "detail": "'UA': 1% before"})
    assert detailed == text.replace(" 0.310", " ('UA'\\: 1% before) 0.310")


@pytest.mark.parametrize(
    ("test", "text"),
    [
        ("categories", "Largest change of a proportion 0.310. 66,145 rows."),
        ("missing", "Change of the proportion of invalid values 0.310. 66,145 rows."),
        ("coverage", "Change of the proportion without a label 0.310. 66,145 rows."),
    ],
)
def test_evidence_of_an_exact_test_has_no_limit_of_noise(test, text):
    assert incident_text.evidence({**KS, "decided_by": test}).startswith(text)


def test_evidence_shows_both_limits_of_a_distance():
    assert incident_text.evidence({**KS, "persistent": 0.28, "allowance": 0.05}) == (
        r"KS 0.310. Limit 0.095 \(normal variation 0.050 \+ noise 0.045\). Sustained\: 0.280."
        " 66,145 rows."
    )


def test_evidence_names_the_other_subjects_of_the_incident_escaped_once():
    evidence = {
        "decided_by": "missing",
        "value": 0.31,
        "grouped": ["quality/dewp", "data/dep_delay"],
    }
    assert incident_text.evidence(evidence) == (
        "Change of the proportion of invalid values 0.310."
        r" Same incident: quality/dewp, data/dep\_delay."
    )


@pytest.mark.parametrize(
    ("severity", "limit"),
    [
        ("warning", "Worse than the baseline by more than noise; critical beyond 0.630."),
        ("critical", "Beyond the critical limit 0.630 by more than noise."),
    ],
)
def test_evidence_of_a_metric_shows_interval_baseline_and_the_limit_that_decided(severity, limit):
    evidence = {"decided_by": "recall", "value": 0.5, "low": 0.4, "high": 0.6, "baseline": 0.7}
    figures = {"threshold": 0.63, "labels": 1900, "coverage": 0.98, "severity": severity}
    assert incident_text.evidence({**evidence, **figures}) == (
        f"Recall 0.500 (95% interval 0.400 to 0.600). Baseline 0.700. {limit}"
        " 1,900 labels, 98.0% of the rows."
    )


def test_evidence_of_traffic_shows_the_rows_and_what_is_normal():
    gap = {"decided_by": "rows", "detail": "none", "value": 0.0, "rows": 0}
    assert incident_text.evidence(gap) == "0 rows."
    fall = {**gap, "value": 120, "rows": 120, "low": 905.6, "high": 1100.2, "baseline": 1000.4}
    assert incident_text.evidence(fall) == (
        "120 rows. 1,000 on average in the reference, normal: 906 to 1,100."
    )


def test_evidence_of_an_unknown_kind_is_empty():
    assert incident_text.evidence({"surprise": 1}) == ""


@pytest.mark.parametrize("window", [None, {}, {"start": day(1)[0]}, {"start": "x", "end": "y"}])
def test_incident_without_a_window_links_to_none(window):
    assert incident_text.window(Incident.model_validate(incident(window=window))) is None


def test_window_of_an_incident_is_a_parameter_of_an_address():
    start, end = day(2)
    assert incident_text.window(Incident.model_validate(incident())) == f"{start}/{end}"
