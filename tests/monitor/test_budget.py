"""The budget of false alarms: what all tests of a period may spend together."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.bins import Sample
from monitor.budget import SHARES, levels
from monitor.performance import METRICS
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows
from monitor.rows import Categorical, Numeric
from monitor.schema import Schema

numeric = Numeric(Sample.of([0.0]), 0.0, 0.0)
categorical = Categorical(("x",), np.array([1, 0]))


def schema(numbers: int, categories: int = 0, *, labelled: bool = True) -> Schema:
    features = {f"n{i}": numeric for i in range(numbers)}
    features |= {f"c{i}": categorical for i in range(categories)}
    return Schema("credit", "1", HOUR, 0.5, features, numeric, numeric if labelled else None)


def plan(slide_h: int = 24, warning: str = "1 per 7d", critical: str = "1 per 30d") -> Plan:
    windows = Windows(HOUR, max(slide_h, 24) * HOUR, slide_h * HOUR)
    return Plan(windows, drift=Drift(warning=Budget.of(warning), critical=Budget.of(critical)))


def number_of_tests(of: Schema) -> dict[str, int]:
    found = {"data": sum(1 for _ in of.numeric), "prediction": 1}
    return found | ({"performance": len(METRICS)} if of.errors is not None else {})


@given(
    numbers=st.integers(0, 30),
    categories=st.integers(0, 5),
    labelled=st.booleans(),
    slide_h=st.integers(1, 100),
    warning=st.sampled_from(["1 per 7d", "0.05 per 45d", "3 per 1h"]),
)
def test_all_tests_of_a_period_together_spend_no_more_than_the_budget(
    numbers, categories, labelled, slide_h, warning
):
    of = schema(numbers, categories, labelled=labelled)
    how = plan(slide_h, warning, "0.01 per 100d")
    found = levels(how, of)
    for budget, level in ((how.drift.warning, "warning"), (how.drift.critical, "critical")):
        windows = budget.period_ms / how.windows.slide_ms
        spent = sum(n * getattr(found[f], level) for f, n in number_of_tests(of).items())
        assert spent * windows <= budget.alarms * (1 + 1e-12)


@pytest.mark.parametrize("labelled", [True, False])
def test_nothing_of_the_budget_is_left_over(labelled):
    of, how = schema(7, labelled=labelled), plan()
    spent = sum(n * levels(how, of)[f].warning for f, n in number_of_tests(of).items())
    assert spent * 7 == pytest.approx(1)


def test_what_a_model_does_not_have_goes_to_its_features():
    with_labels, without = levels(plan(), schema(5)), levels(plan(), schema(5, labelled=False))
    assert 5 * with_labels["data"].warning == pytest.approx(0.75 / 7)
    assert 5 * without["data"].warning == pytest.approx(0.90 / 7)
    assert "performance" not in without
    assert with_labels["prediction"] == without["prediction"]
    assert SHARES == {"prediction": 0.10, "performance": 0.15}


def test_categories_are_not_tested_and_spend_nothing():
    assert levels(plan(), schema(5, categories=9)) == levels(plan(), schema(5))


def test_a_model_without_numeric_features_leaves_their_share_unspent():
    assert levels(plan(), schema(0, 3))["data"].warning < 1


@given(numbers=st.integers(0, 30), slide_h=st.integers(1, 10_000))
def test_critical_lies_inside_warning_and_no_level_exceeds_a_half(numbers, slide_h):
    for level in levels(plan(slide_h), schema(numbers)).values():
        assert 0 < level.critical <= level.warning <= 0.5


def test_twice_as_many_windows_leave_each_half_the_level():
    often, seldom = levels(plan(12), schema(5)), levels(plan(24), schema(5))
    assert 2 * often["data"].warning == pytest.approx(seldom["data"].warning)


def test_the_period_is_that_of_event_time():
    assert plan().drift.warning.per(DAY) == pytest.approx(1 / 7)
