"""The budget of false alarms: what all tests of a period may spend together."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.budget import (
    SHARES,
    Length,
    families,
    own_length,
    performance_lengths,
    scale_lengths,
)
from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric
from monitor.counts.schema import Schema
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Traffic, Windows
from monitor.tasks.binary import BINARY

numeric = Numeric(Sample.of([0.0]), 0.0, 0.0)
categorical = Categorical(("x",), np.array([1, 0]))


def schema(numbers: int, categories: int = 0, *, labelled: bool = True) -> Schema:
    features = {f"n{i}": numeric for i in range(numbers)}
    features |= {f"c{i}": categorical for i in range(categories)}
    errors = {"errors": numeric} if labelled else {}
    return Schema("credit", "1", HOUR, 0.5, features, {"score": numeric}, errors, BINARY)


def plan(slide_h: int = 24, warning: str = "1 per 7d", critical: str = "1 per 30d") -> Plan:
    windows = Windows(HOUR, max(slide_h, 24) * HOUR, slide_h * HOUR)
    return Plan(windows, drift=Drift(warning=Budget.of(warning), critical=Budget.of(critical)))


SCALES = scale_lengths(plan(), rows=100, most_rows=40_000)


def spent(how: Plan, of: Schema, level: str) -> float:
    """In the period of the budget, over every test of every window of every length."""
    budget = getattr(how.drift, level)
    lengths = scale_lengths(how, rows=100, most_rows=40_000)
    return sum(
        len(family.tests)
        * getattr(family.level(how, length), level)
        * budget.period_ms
        / (length.slide * how.windows.pane_ms)
        for family in families(how, of, lengths).values()
        for length in family.lengths
    )


@given(
    numbers=st.integers(0, 30),
    categories=st.integers(0, 5),
    labelled=st.booleans(),
    slide_h=st.integers(1, 100),
    warning=st.sampled_from(["1 per 7d", "0.05 per 45d", "3 per 1h"]),
)
def test_levels_of_all_tests_of_a_period_sum_to_at_most_the_budget(
    numbers, categories, labelled, slide_h, warning
):
    of, how = (
        schema(numbers, categories, labelled=labelled),
        plan(slide_h, warning, "0.01 per 100d"),
    )
    assert spent(how, of, "warning") <= how.drift.warning.alarms * (1 + 1e-12)
    assert spent(how, of, "critical") <= how.drift.critical.alarms * (1 + 1e-12)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("numbers", [0, 7])
def test_shares_of_the_budget_sum_to_1(numbers, labelled):
    assert spent(plan(), schema(numbers, labelled=labelled), "warning") == pytest.approx(1)
    assert spent(plan(), schema(numbers, labelled=labelled), "critical") == pytest.approx(1)


def test_unused_shares_of_the_budget_go_to_the_features():
    with_labels = families(plan(), schema(5), SCALES)
    without = families(plan(), schema(5, labelled=False), SCALES)
    assert {name: family.share for name, family in with_labels.items()} == pytest.approx(SHARES)
    assert set(without) == {"data", "prediction", "quality", "traffic"}
    assert without["data"].share == pytest.approx(1 - 0.10 - 0.10 - 0.05)
    assert without["prediction"] == with_labels["prediction"]


def test_share_of_the_features_goes_to_the_score_if_there_are_none():
    found = families(plan(), schema(0, labelled=False), SCALES)
    shares = {name: family.share for name, family in found.items()}
    assert shares == {"prediction": 0.95, "traffic": 0.05}


def test_share_of_the_traffic_goes_to_the_features_if_it_is_not_watched():
    unwatched = replace(plan(), traffic=Traffic(watch=False))
    found = families(unwatched, schema(5), SCALES)
    assert "traffic" not in found
    assert found["data"].share == pytest.approx(SHARES["data"] + SHARES["traffic"])


def test_every_feature_has_distribution_or_category_tests_and_a_quality_test():
    found = families(plan(), schema(2, 1), SCALES)
    assert sorted(found["data"].tests) == [
        ("data/c0", "categories"),
        ("data/n0", "ks"),
        ("data/n0", "kuiper"),
        ("data/n0", "mood"),
        ("data/n0", "wilcoxon"),
        ("data/n1", "ks"),
        ("data/n1", "kuiper"),
        ("data/n1", "mood"),
        ("data/n1", "wilcoxon"),
    ]
    assert [subject for subject, _ in found["quality"].tests] == [
        "quality/n0",
        "quality/n1",
        "quality/c0",
    ]
    assert [metric for _, metric in found["performance"].tests] == list(BINARY.judged)


def test_distributions_are_tested_at_all_lengths_and_metrics_at_windows_of_days():
    found = families(plan(), schema(1), SCALES)
    assert found["data"].lengths == SCALES == found["quality"].lengths == found["errors"].lengths
    assert found["coverage"].lengths == [own_length(plan())]
    assert [length.panes for length in found["performance"].lengths] == [24, 48, 96, 192]


@pytest.mark.parametrize(
    ("windows", "panes"),
    [
        (Windows(HOUR, DAY, DAY, 3 * DAY), [(24, 24), (48, 24)]),
        (Windows(HOUR, DAY, 6 * HOUR, DAY), [(24, 6)]),
        (Windows(HOUR, 2 * DAY, DAY, DAY), [(48, 24)]),
        (Windows(HOUR, DAY, 7 * HOUR), [(24, 7)]),
        (Windows(HOUR, 3 * HOUR, 3 * HOUR, DAY), [(3, 3), (6, 3), (12, 6), (24, 12)]),
    ],
    ids=[
        "up to the longest",
        "none longer",
        "the longest is shorter",
        "uneven slides",
        "three doublings to the longest",
    ],
)
def test_performance_is_tested_in_configured_windows_and_longer_ones(windows, panes):
    assert performance_lengths(Plan(windows)) == [Length(*each) for each in panes]


def test_scales_double_up_to_the_configured_longest_and_include_the_configured_window():
    found = scale_lengths(plan(), rows=1, most_rows=1e9)
    assert [length.panes for length in found] == [1, 2, 4, 8, 16, 24, 32, 64, 128, 256]
    assert Length(24, 24) in found
    assert all(length.slide == max(1, length.panes // 2) for length in found if length.panes != 24)


def test_scales_are_limited_by_the_rows_of_the_reference():
    assert max(length.panes for length in scale_lengths(plan(), 1_000, 40_000)) == 32
    assert [length.panes for length in scale_lengths(plan(), 1e9, 40_000)] == [1, 24]


@given(numbers=st.integers(0, 30), slide_h=st.integers(1, 10_000))
def test_critical_level_is_below_warning_and_no_level_exceeds_one_half(numbers, slide_h):
    how = plan(slide_h)
    for family in families(how, schema(numbers), SCALES).values():
        for length in family.lengths:
            level = family.level(how, length)
            assert 0 < level.critical <= level.warning <= 0.5


def test_windows_with_a_longer_slide_have_a_larger_level():
    data = families(plan(), schema(5), SCALES)["data"]
    often, seldom = (data.level(plan(), Length.of_scale(panes)) for panes in (8, 16))
    assert 2 * often.warning == pytest.approx(seldom.warning)


def test_budget_period_is_in_event_time():
    assert plan().drift.warning.per(DAY) == pytest.approx(1 / 7)
