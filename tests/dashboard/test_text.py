"""What is said: times, numbers, evidence."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.answers import Feature
from dashboard import text
from tests.dashboard.fake import day, drifted


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2013-04-01T00:00:00Z", "2013-04-02T00:00:00Z", "2013-04-01"),
        ("2013-04-01T09:00:00Z", "2013-04-01T12:00:00Z", "2013-04-01 09:00 to 12:00"),
        ("2013-04-01T09:00:00Z", "2013-04-02T09:00:00Z", "2013-04-01 09:00 to 2013-04-02 09:00"),
        ("2013-04-01T00:00:00Z", "2013-04-08T00:00:00Z", "2013-04-01 to 2013-04-08"),
        ("2013-04-01T02:00:00+02:00", "2013-04-02T02:00:00+02:00", "2013-04-01"),
    ],
)
def test_windows_in_utc_as_short_as_they_can_be_said(start, end, said):
    assert text.span(at(start), at(end)) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (172800, "2 d ago"),
        (None, "never"),
    ],
)
def test_ages(seconds, said):
    assert text.ago(seconds) == said


def test_numbers_that_are_not_there_are_said_to_be_nothing():
    nothing = (text.number(None), text.share(None), text.share(1, 0), text.interval(0.1, None))
    assert set(nothing) == {text.NOTHING}


@pytest.mark.parametrize(
    ("value", "said"), [(1e-30, "< 0.0001"), (0.05, "0.0500"), (0.0, "< 0.0001")]
)
def test_p_values(value, said):
    assert text.probability(value) == said


def test_a_window_in_an_address_comes_back_as_it_was_and_in_utc():
    assert text.spelled_out("/".join(day(1))) == day(1)
    elsewhere = "2013-04-01T02:00:00+02:00/2013-04-02T02:00:00+02:00"
    assert text.spelled_out(elsewhere) == day(1)


@pytest.mark.parametrize("parameter", [None, "", "newest", "/", "2013-04-01/2013-04-02", "a/b"])
def test_what_is_no_window_is_none(parameter):
    assert text.spelled_out(parameter) is None


def test_times_in_an_address_are_those_of_the_api():
    assert text.rfc3339(datetime(2013, 4, 1, tzinfo=UTC)) == "2013-04-01T00:00:00Z"
    berlin = timezone(timedelta(hours=2))
    assert text.rfc3339(datetime(2013, 4, 1, 2, tzinfo=berlin)) == "2013-04-01T00:00:00Z"


def test_a_message_says_its_window_as_people_do():
    start, end = day(1)
    assert text.sentence(f"temp moved in the window {start} to {end}; *really*.") == (
        r"temp moved in the window 2013-04-01; \*really\*."
    )


def found(**fields):
    return text.found(Feature.model_validate(drifted("temp", **fields)))


def test_what_decided_is_said_where_it_is_not_the_distance_itself():
    known = {"persistent": 0.03, "kuiper": 0.2, "statistic": 0.05}
    distance = (
        "The distribution lies 0.050 from the reference (KS distance). Sampling noise explains up"
        " to 0.090; 0.030 of it persists through the window, where beyond noise the reference"
        " itself strays by up to 0.120."
    )
    assert found(**known, decided_by="ks") == distance
    assert found(**known, decided_by="kuiper") == (
        f"{distance} What decided is the Kuiper distance, 0.200."
    )
    assert found(**known, decided_by="wilcoxon", wilcoxon=0.3, detail="higher") == (
        f"{distance} What decided are the ranks: values lie higher (Cliff's delta 0.300)."
    )
    assert found(**known, decided_by="mood", mood=0.1, detail="wider") == (
        f"{distance} What decided is the spread: values lie wider (Mood's score 0.100)."
    )
    assert found(**known) == distance  # of a window that was stored by an older version


def test_of_categories_the_one_that_moved_is_named():
    said = found(kind="categorical", decided_by="categories", detail="'*UA*': 20% before, 40% now")
    assert "0.410 from the reference (largest difference of a share)" in said
    assert said.endswith(r" What decided: '\*UA\*'\: 20% before, 40% now.")


@pytest.mark.parametrize(("severity", "said"), [(None, False), ("warning", True)])
def test_missing_values_are_said_where_they_have_become_an_incident(severity, said):
    sentence = "The share of its missing values differs by 12.0% from the reference: warning."
    quality = {"deviation": 0.12, "verdict": "drift" if severity else "ok", "severity": severity}
    assert (sentence in found(quality=quality)) is said


@pytest.mark.parametrize(
    ("statistic", "named"),
    [
        ("ks", "KS distance"),
        ("kuiper", "Kuiper distance"),
        ("wilcoxon", "Cliff's delta"),
        ("mood", "Mood's score"),
        ("categories", "largest difference of a share"),
        ("missing", "difference of the share of missing values"),
        ("something newer", "distance"),
    ],
)
def test_evidence_of_a_distance_in_a_sentence(statistic, named):
    known = {"decided_by": statistic, "value": 0.31, "threshold": 0.09, "rows": 912}
    said = f"{named} 0.310, where sampling noise explains 0.090, rows 912"
    assert text.evidence(known) == f"{said}."
    assert text.evidence({**known, "detail": "'UA': 1% before"}) == f"{said}, 'UA'\\: 1% before."


def test_evidence_names_what_fell_at_the_same_time():
    known = {
        "decided_by": "missing",
        "value": 0.31,
        "grouped": ["quality/dewp", "quality/wind_dir"],
    }
    assert text.evidence(known) == (
        "difference of the share of missing values 0.310. At the same time: quality/dewp,"
        f" {text.plain('quality/wind_dir')}."
    )


def test_evidence_of_a_metric_in_a_sentence():
    known = {"decided_by": "recall", "value": 0.5, "low": 0.4, "high": 0.6, "baseline": 0.7}
    assert text.evidence({**known, "threshold": 0.63, "labels": 900, "coverage": 0.98}) == (
        "Recall 0.500, 95% interval 0.400 to 0.600, baseline 0.700, degraded below 0.630,"
        " 900 labels, 98.0% of the rows."
    )


def test_evidence_of_a_kind_that_is_not_known_yet_says_nothing_wrong():
    assert text.evidence({"surprise": 1}) == ""
