"""The sentences of alerts: plain figures with the limits that decide."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages.alert_sentences import alert_sentence, evidence_sentence
from monitor.decisions.incidents import Change
from monitor.statistics.drift_rule import Comparison, Evidence, Severity
from tests.consumers.in_memory import T0
from tests.consumers.messages.examples import DAY, DEGRADED, KS, SHARES, raised, transition

WINDOW = "2013-04-01T00:00:00Z to 2013-04-02T00:00:00Z"
LIMITS = " Limit 0.095 (normal variation 0.050 + noise 0.045). Sustained: 0.280."
MISSING = Comparison(
    *("missing", 912, 0.122, 0.108, 0.01, 0.005, Severity.CRITICAL, 9e-44),
    "0.00% before, 12.18% now",
)
COVERAGE = Comparison(
    *("coverage", 912, 0.2, 0.19, 0.03, 0.05, Severity.WARNING, 2e-9),
    "95.00% labelled before, 75.00% now",
)

ROWS = Evidence(
    "rows",
    120,
    Severity.WARNING,
    T0,
    T0 + DAY,
    120,
    detail="lower",
    baseline=1000,
    low=905.6,
    high=1100.2,
)


def of_ks(**changes: Any) -> Evidence:
    return replace(raised(KS), **changes)


@pytest.mark.parametrize(
    ("evidence", "subject", "sentence"),
    [
        pytest.param(
            of_ks(),
            "data/distance",
            f"KS 0.310 in the window {WINDOW}.{LIMITS}",
            id="ks",
        ),
        pytest.param(
            of_ks(decided_by="kuiper"),
            "concept/error",
            f"Kuiper 0.310 in the window {WINDOW}.{LIMITS}",
            id="kuiper",
        ),
        pytest.param(
            of_ks(decided_by="wilcoxon", detail="higher"),
            "prediction/score",
            "values are higher than in the reference, Cliff's delta 0.310 in the window"
            f" {WINDOW}.{LIMITS}",
            id="wilcoxon",
        ),
        pytest.param(
            of_ks(decided_by="mood", detail="wider"),
            "data/distance",
            "values spread wider than in the reference, Mood's score 0.310 in the window"
            f" {WINDOW}.{LIMITS}",
            id="mood",
        ),
        pytest.param(
            raised(SHARES),
            "data/carrier",
            f"shares of categories changed, most: 'UA': 20% before, 40% now in the window {WINDOW}."
            " Exact test p-value 1.0e-09. Sustained: 0.190, limit at most 0.065 (normal variation"
            " 0.020 + noise 0.045).",
            id="categories",
        ),
        pytest.param(
            raised(MISSING),
            "quality/temp",
            f"missing or wrongly typed values: 0.00% before, 12.18% now in the window {WINDOW}."
            " Exact test p-value 9.0e-44. Sustained: 0.108, limit 0.010 (normal variation 0.005 +"
            " noise 0.005).",
            id="missing",
        ),
        pytest.param(
            raised(COVERAGE),
            "coverage/labels",
            "share of predictions with a label: 95.00% labelled before, 75.00% now in the window"
            f" {WINDOW}. Exact test p-value 2.0e-09. Sustained: 0.190, limit 0.065 (normal"
            " variation 0.050 + noise 0.015).",
            id="coverage",
        ),
        pytest.param(
            ROWS,
            "traffic/rows",
            f"120 rows in the window {WINDOW}, fewer than windows of the reference have: 1,000 on"
            " average, normal from 906 to 1,100.",
            id="fewer rows",
        ),
        pytest.param(
            replace(ROWS, rows=1_234, detail="higher"),
            "traffic/rows",
            f"1,234 rows in the window {WINDOW}, more than windows of the reference have: 1,000 on"
            " average, normal from 906 to 1,100.",
            id="more rows",
        ),
        pytest.param(
            Evidence("rows", 0.0, Severity.CRITICAL, T0, T0 + DAY, 0, detail="none"),
            "traffic/rows",
            f"no rows in the window {WINDOW}.",
            id="no rows",
        ),
        pytest.param(
            DEGRADED,
            "performance/recall",
            f"recall 0.600 (95% interval 0.579 to 0.621) in the window {WINDOW}, baseline 0.920."
            " Limit 0.830, less the noise of both.",
            id="critical metric",
        ),
        pytest.param(
            DEGRADED and replace(DEGRADED, severity=Severity.WARNING, low=None, high=None),
            "performance/recall",
            f"recall 0.600 in the window {WINDOW}, baseline 0.920. Limit: the baseline, less the"
            " noise of both.",
            id="warning of a metric without an interval",
        ),
    ],
)
def test_the_sentence_of_an_alert_gives_the_value_and_the_limits(evidence, subject, sentence):
    message = alert_sentence(transition(about=evidence, subject=subject))
    assert message == f"{subject}: {sentence}"


def test_the_sentence_of_a_resolved_incident_names_the_healthy_window():
    assert alert_sentence(transition(Change.RESOLVED, grouped=("data/temp",))) == (
        f"data/distance: back to normal in the window {WINDOW}."
    )


def test_the_sentence_of_a_grouped_incident_names_the_other_subjects():
    message = alert_sentence(transition(grouped=("data/temp", "data/wind")))
    assert message.endswith("50. Also affected: data/temp, data/wind.")


def test_where_normal_variation_is_small_both_limits_are_printed():
    evidence = of_ks(value=0.289, threshold=0.266, persistent=0.244, allowance=0.01)
    assert evidence_sentence(evidence, "W") == (
        "KS 0.289 in the window W. Limit 0.266 (noise). Sustained: 0.244, limit 0.143 (normal"
        " variation 0.010 + half of the noise)."
    )


def test_a_number_is_told_with_its_median_before_and_now():
    message = alert_sentence(transition())
    assert message.endswith("Sustained: 0.280. Median 1,008, in the reference 50.")


@pytest.mark.parametrize(
    ("value", "threshold", "figures"),
    [
        (0.09, 0.0899, "KS 0.0900 in the window W. Limit 0.0899 "),
        (0.09, 0.08999, "KS 0.09000 in the window W. Limit 0.08999 "),
    ],
)
def test_a_value_that_barely_exceeds_its_limit_is_printed_with_more_decimals(
    value, threshold, figures
):
    evidence = of_ks(value=value, threshold=threshold, allowance=0.0)
    assert evidence_sentence(evidence, "W").startswith(figures)


@given(
    threshold=st.floats(0.001, 0.5),
    allowance=st.floats(0, 0.5),
    value_excess=st.floats(1e-4, 0.3),
    persistent_excess=st.floats(1e-4, 0.3),
)
def test_the_printed_figures_never_contradict_the_decision(
    threshold, allowance, value_excess, persistent_excess
):
    """What both halves of a window have is at most what the whole window has."""
    persistent = allowance + threshold / 2 + persistent_excess
    evidence = of_ks(
        threshold=threshold,
        allowance=allowance,
        value=max(threshold + value_excess, persistent),
        persistent=persistent,
    )
    sentence = evidence_sentence(evidence, "W")
    value, *limits = (float(x) for x in re.findall(r"(?:KS|[Ll]imit) ([0-9.]+\d)", sentence))
    sustained = float(re.findall(r"Sustained: ([0-9.]+\d)", sentence)[0])
    assert value > limits[0]
    assert sustained > limits[-1]


def test_an_unknown_figure_is_called_unknown():
    evidence = of_ks(decided_by="recall", severity=Severity.CRITICAL, threshold=None)
    assert "Limit unknown" in evidence_sentence(evidence, f"{T0} to {T0 + DAY}")
