"""The stated power: the shift of the budget table is found in four windows of five."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.calibration.power import (
    PowerOfTest,
    budget_table,
    costs_of_changes,
    shift_of_cliffs_delta,
    shift_of_ks,
)
from monitor.counts.columns import Predictions
from monitor.counts.counts import Counts
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows
from monitor.tasks.binary import BINARY
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
    profile = build_profile("m", "1", ReferenceRows(rows), pane_ms=HOUR, threshold=0.5, task=BINARY)
    return Evaluator.of(PLAN, profile)


def with_effect(evaluator: Evaluator, least: float) -> Evaluator:
    plan = replace(PLAN, drift=replace(PLAN.drift, min_effect=least))
    return Evaluator.of(plan, evaluator.profile)


def power_of(evaluator: Evaluator, subject: str, statistic: str, panes: int = 1) -> PowerOfTest:
    (found,) = (
        test
        for test in budget_table(evaluator)
        if (test.subject, test.statistic, test.length.panes) == (subject, statistic, panes)
    )
    return found


def detection_rate(evaluator: Evaluator, statistic: str, shift: float, runs: int = 150) -> float:
    """Proportion of one-pane windows with drift, for values shifted by ``shift``."""
    rng, test = np.random.default_rng(2), power_of(evaluator, "data/x", statistic)
    sample, hits = evaluator.profile.schema.features["x"].sample, 0
    for _ in range(runs):
        bins = Counts.of(sample.locate(rng.normal(shift, 1, ROWS)))
        judged = evaluator.data.judge([bins], test.length)["bins/x"]
        hits += any(one.test == statistic and one.severity for one in judged)
    return hits / runs


@pytest.mark.parametrize("least", [0.0, 0.2])
@pytest.mark.parametrize("statistic", ["ks", "wilcoxon"])
def test_the_stated_shift_is_found_with_80_percent_power_and_half_of_it_is_not(
    evaluator, statistic, least
):
    by = with_effect(evaluator, least)
    shift = power_of(by, "data/x", statistic).shift
    assert detection_rate(by, statistic, shift) >= 0.75  # of 150 windows
    assert detection_rate(by, statistic, 0.5 * shift) < 0.2


def test_no_shift_is_stated_if_none_can_exceed_the_minimum_effect(evaluator):
    assert power_of(with_effect(evaluator, 0.99), "data/x", "wilcoxon").shift is None
    assert power_of(with_effect(evaluator, 0.99), "data/x", "ks").shift is None


def test_shares_add_up_to_the_budget_and_longer_windows_detect_smaller_shifts(evaluator):
    assert sum(test.share for test in budget_table(evaluator)) == pytest.approx(1)
    for statistic in ("ks", "wilcoxon"):
        seen = [power_of(evaluator, "data/x", statistic, panes).shift for panes in (1, 2, 4, 8)]
        assert seen == sorted(seen, reverse=True)


def test_rank_tests_have_no_power_for_a_constant_feature(evaluator):
    assert power_of(evaluator, "data/same", "wilcoxon").distance is None
    assert power_of(evaluator, "data/same", "ks").distance is not None


def test_one_more_feature_lowers_the_levels_of_the_others_as_stated(evaluator):
    """Two numbers had eight tests; a third makes them twelve."""
    feature, segment = costs_of_changes(evaluator)
    assert feature.level == pytest.approx(8 / 12)
    assert segment.level == 0.5
    assert 1 < feature.critical_value < segment.critical_value < 1.1


def test_shifts_of_a_normal_distribution_match_their_distances():
    assert pytest.approx(0.3829249225480262) == 2 * 0.6914624612740131 - 1  # of 1 deviation
    assert shift_of_ks(0.3829249225480262) == pytest.approx(1.0)
    assert shift_of_cliffs_delta(0.5204998778130465) == pytest.approx(1.0)  # erf(1 / 2)
    assert shift_of_ks(1.0) is shift_of_cliffs_delta(1.0) is None
