"""What the budget buys is what is told: a shift as large is found in four windows of five."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.calibration.power import Spent, costs, of_gap, of_ranks, spent
from monitor.counts.columns import Predictions
from monitor.counts.counts import Counts
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows
from monitor.windows.evaluator import Evaluator

PANES, ROWS = 20, 400
PLAN = Plan(
    Windows(HOUR, HOUR, HOUR, 8 * HOUR),
    drift=Drift(warning=Budget(1, 30 * DAY), critical=Budget(1, 60 * DAY)),
)


@pytest.fixture(scope="module")
def evaluator() -> Evaluator:
    rng, n = np.random.default_rng(1), PANES * ROWS
    score = rng.random(n)
    rows = Predictions(
        [str(i) for i in range(n)],
        np.repeat(np.arange(PANES, dtype=np.int64) * HOUR, ROWS),
        score,
        (score >= 0.5).astype(np.int64),
        {"x": rng.normal(size=n), "same": np.ones(n)},
    )
    profile = build_profile("m", "1", ReferenceRows(rows), pane_ms=HOUR, threshold=0.5)
    return Evaluator.of(PLAN, profile)


def with_effect(evaluator: Evaluator, least: float) -> Evaluator:
    plan = replace(PLAN, drift=replace(PLAN.drift, min_effect=least))
    return Evaluator.of(plan, evaluator.profile)


def of(evaluator: Evaluator, subject: str, statistic: str, panes: int = 1) -> Spent:
    (found,) = (
        test
        for test in spent(evaluator)
        if (test.subject, test.statistic, test.length.panes) == (subject, statistic, panes)
    )
    return found


def found_in(evaluator: Evaluator, statistic: str, shift: float, runs: int = 150) -> float:
    """In which share of windows of a pane, whose values lie so much higher."""
    rng, test = np.random.default_rng(2), of(evaluator, "data/x", statistic)
    sample, hits = evaluator.profile.schema.features["x"].sample, 0
    for _ in range(runs):
        bins = Counts.of(sample.locate(rng.normal(shift, 1, ROWS)))
        judged = evaluator.data.judge([bins], test.length)["bins/x"]
        hits += any(one.test == statistic and one.severity for one in judged)
    return hits / runs


@pytest.mark.parametrize("least", [0.0, 0.2])
@pytest.mark.parametrize("statistic", ["ks", "wilcoxon"])
def test_a_shift_as_large_as_is_told_is_found_with_80_percent_and_one_of_half_is_not(
    evaluator, statistic, least
):
    by = with_effect(evaluator, least)
    shift = of(by, "data/x", statistic).shift
    assert found_in(by, statistic, shift) >= 0.75  # of 150 windows
    assert found_in(by, statistic, 0.5 * shift) < 0.2


def test_where_no_effect_can_be_large_enough_no_shift_is_told(evaluator):
    assert of(with_effect(evaluator, 0.99), "data/x", "wilcoxon").shift is None
    assert of(with_effect(evaluator, 0.99), "data/x", "ks").shift is None


def test_the_shares_of_all_tests_are_the_budget_and_longer_windows_see_smaller_shifts(evaluator):
    assert sum(test.share for test in spent(evaluator)) == pytest.approx(1)
    for statistic in ("ks", "wilcoxon"):
        seen = [of(evaluator, "data/x", statistic, panes).shift for panes in (1, 2, 4, 8)]
        assert seen == sorted(seen, reverse=True)


def test_of_a_constant_ranks_can_tell_nothing(evaluator):
    assert of(evaluator, "data/same", "wilcoxon").distance is None
    assert of(evaluator, "data/same", "ks").distance is not None


def test_one_more_feature_leaves_the_others_less_as_it_is_told(evaluator):
    """Two numbers had eight tests; a third makes them twelve."""
    feature, segment = costs(evaluator)
    assert feature.level == pytest.approx(8 / 12)
    assert segment.level == 0.5
    assert 1 < feature.critical_value < segment.critical_value < 1.1


def test_shifts_of_a_normal_distribution_and_their_distances_agree():
    assert pytest.approx(0.3829249225480262) == 2 * 0.6914624612740131 - 1  # of 1 deviation
    assert of_gap(0.3829249225480262) == pytest.approx(1.0)
    assert of_ranks(0.5204998778130465) == pytest.approx(1.0)  # erf(1 / 2)
    assert of_gap(1.0) is of_ranks(1.0) is None
