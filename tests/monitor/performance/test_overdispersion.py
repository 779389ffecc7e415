"""The variation of the windows of a reference, relative to independent rows."""

import numpy as np
import pytest

from monitor.counts.counts import Counts
from monitor.performance.metrics import METRICS, measure
from monitor.performance.overdispersion import MIN_WINDOWS, overdispersions

PANE, LENGTH = 10, 40


def reference(windows: int, deviation: float, seed: int = 0, rows: int = 100):
    """Four panes a window; its accuracy is 0.8 plus or minus ``deviation``."""
    rng, panes = np.random.default_rng(seed), {}
    for i in range(windows):
        accuracy = 0.8 + deviation * rng.choice([-1, 1])
        for pane_ms in range(i * LENGTH, (i + 1) * LENGTH, PANE):
            k = int(rng.binomial(rows // 4, accuracy))
            panes[pane_ms] = {"outcomes": Counts.of([0, 1], [k, rows // 4 - k])}
    return panes


def factor(panes) -> float:
    return overdispersions(panes, LENGTH, measure)["accuracy"].factor


def test_factor_is_pearsons_statistic_of_the_windows_around_their_offset():
    panes = reference(20, 0.1)
    whole = measure(list(panes.values()))["accuracy"].value
    windows = [[panes[i * LENGTH + j] for j in range(0, LENGTH, PANE)] for i in range(20)]
    found = [measure(inside)["accuracy"] for inside in windows]
    weights = [m.independent_se**-2 for m in found]
    offset = np.average([m.adjusted - whole for m in found], weights=weights)
    expected = sum(((m.adjusted - whole - offset) / m.independent_se) ** 2 for m in found) / 19
    result = overdispersions(panes, LENGTH, measure)["accuracy"]
    assert (result.factor, result.degrees) == (pytest.approx(expected), 19)
    assert result.offset == pytest.approx(offset)


def test_offset_shows_that_ranking_within_windows_is_harder_than_across_them():
    """Every other window has high scores and mostly positives, so windows are easy to rank."""
    rng, panes = np.random.default_rng(4), {}
    for i in range(40):
        for j in range(0, LENGTH, PANE):
            bins = rng.integers(0, 4_000, size=50) + 6_000 * (i % 2)
            label = (rng.random(50) < 0.1 + 0.8 * (i % 2)).astype(int)
            panes[i * LENGTH + j] = {
                "outcomes": Counts.of(2 * (bins >= 5_000) + label),
                "scores_labels": Counts.of(2 * bins + label),
            }
    assert measure(list(panes.values()))["roc_auc"].value > 0.75
    assert overdispersions(panes, LENGTH, measure)["roc_auc"].offset == pytest.approx(
        -0.35, abs=0.1
    )
    assert overdispersions(panes, LENGTH, measure)["accuracy"].offset == pytest.approx(
        0.0, abs=0.02
    )


def test_factor_of_independent_rows_is_one():
    found = [factor(reference(60, 0.0, seed)) for seed in range(10)]
    assert min(found) == 1.0  # the minimum
    assert max(found) < 1.7


def test_factor_is_the_ratio_of_the_variances_of_windows_and_independent_rows():
    """Accuracy 0.8 ± 0.05 in windows of 100: variance 0.16 / 100 of the rows, 0.0025 of windows."""
    found = [factor(reference(60, 0.05, seed)) for seed in range(10)]
    assert np.mean(found) == pytest.approx(1 + 0.0025 / 0.0016, rel=0.15)


def test_fewer_than_eight_windows_give_no_overdispersion():
    assert overdispersions(reference(MIN_WINDOWS - 1, 0.1), LENGTH, measure) == {}
    assert "accuracy" in overdispersions(reference(MIN_WINDOWS, 0.1), LENGTH, measure)
    assert overdispersions({}, LENGTH, measure) == {}


def test_metric_that_is_undefined_in_the_windows_is_left_out():
    """No row was called positive, and there are no scores."""
    found = overdispersions(reference(20, 0.1), LENGTH, measure)
    assert set(found) == set(METRICS[:5]) - {"precision"}


def test_windows_start_at_multiples_of_their_length_and_gaps_are_ignored():
    panes = reference(20, 0.1)
    shifted = {start + 1000 * LENGTH * (start >= 10 * LENGTH): c for start, c in panes.items()}
    assert overdispersions(shifted, LENGTH, measure) == overdispersions(panes, LENGTH, measure)
