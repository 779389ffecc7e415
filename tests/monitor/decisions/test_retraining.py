"""Whether to retrain, with the conditions of the decision."""

import pytest

from monitor.decisions.retraining import Facts, Outcome, decide
from monitor.plan import DAY, HOUR, Retraining

PLAN = Retraining(critical_alert_threshold=2, lookback_ms=DAY, min_labels=100, cooldown_ms=7 * DAY)
NOW = 100 * DAY


def facts(critical=(NOW, NOW), labels=100, last=NOW - 7 * DAY, running=False) -> Facts:
    return Facts(NOW, critical, labels, last, running)


@pytest.mark.parametrize(
    ("given", "outcome", "unmet"),
    [
        pytest.param(facts(), Outcome.RETRAIN, set(), id="every condition is met"),
        pytest.param(facts(last=None, running=None), Outcome.RETRAIN, set(), id="not known"),
        pytest.param(facts(critical=(NOW - DAY,) * 2), Outcome.RETRAIN, set(), id="a day ago"),
        pytest.param(
            facts(critical=(NOW, NOW - DAY - 1)), Outcome.NONE, {"critical_incidents"}, id="longer"
        ),
        pytest.param(facts(critical=()), Outcome.NONE, {"critical_incidents"}, id="no incident"),
        pytest.param(facts(labels=99), Outcome.WAIT, {"fresh_labels"}, id="too few labels"),
        pytest.param(
            facts(last=NOW - 7 * DAY + 1), Outcome.WAIT, {"cooldown"}, id="retrained too lately"
        ),
        pytest.param(facts(running=True), Outcome.WAIT, {"not_running"}, id="one is running"),
        pytest.param(
            facts(critical=(), labels=0, running=True),
            Outcome.NONE,
            {"critical_incidents", "fresh_labels", "not_running"},
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
    conditions = {
        c.name: (c.required, c.actual) for c in decide(PLAN, facts(last=NOW - 36 * HOUR)).conditions
    }
    assert conditions == {
        "critical_incidents": ("at least 2 open within the last 1 d", "2"),
        "fresh_labels": ("at least 100", "100"),
        "cooldown": ("at least 7 d since the last retraining", "1.5 d"),
        "not_running": ("no", "no"),
    }


def test_condition_that_nothing_is_known_about_says_so_and_is_met():
    conditions = {c.name: c for c in decide(PLAN, Facts(NOW, [NOW, NOW], 100)).conditions}
    for name in ("cooldown", "not_running"):
        assert (conditions[name].actual, conditions[name].met) == ("not known", True)
