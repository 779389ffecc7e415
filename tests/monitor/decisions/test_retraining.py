"""Whether to retrain, with the conditions of the decision."""

import pytest

from monitor.decisions.retraining import Facts, Outcome, decide
from monitor.plan import DAY, Retraining

PLAN = Retraining(critical_alert_threshold=2, lookback_ms=DAY, min_labels=100)
NOW = 100 * DAY


def facts(critical=(NOW, NOW), labels=100) -> Facts:
    return Facts(NOW, critical, labels)


@pytest.mark.parametrize(
    ("given", "outcome", "unmet"),
    [
        pytest.param(facts(), Outcome.RETRAIN, set(), id="every condition is met"),
        pytest.param(facts(critical=(NOW - DAY,) * 2), Outcome.RETRAIN, set(), id="a day ago"),
        pytest.param(
            facts(critical=(NOW, NOW - DAY - 1)), Outcome.NONE, {"critical_incidents"}, id="longer"
        ),
        pytest.param(facts(critical=()), Outcome.NONE, {"critical_incidents"}, id="no incident"),
        pytest.param(facts(labels=99), Outcome.WAIT, {"fresh_labels"}, id="too few labels"),
        pytest.param(
            facts(critical=(), labels=0),
            Outcome.NONE,
            {"critical_incidents", "fresh_labels"},
            id="no incident, and no condition is met",
        ),
    ],
)
def test_retrain_if_all_conditions_are_met_and_wait_if_only_incidents_are(given, outcome, unmet):
    decision = decide(PLAN, given)
    assert decision.outcome is outcome
    assert {c.name for c in decision.conditions if not c.met} == unmet
    assert decision.decided_ms == NOW


def test_every_condition_states_the_required_and_the_actual_value():
    conditions = {c.name: (c.required, c.actual) for c in decide(PLAN, facts()).conditions}
    assert conditions == {
        "critical_incidents": ("at least 2 open within the last 1 d", "2"),
        "fresh_labels": ("at least 100", "100"),
    }
