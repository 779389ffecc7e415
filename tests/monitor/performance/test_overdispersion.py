"""How far the windows of a reference stray, against independent rows."""

import numpy as np
import pytest

from monitor.counts.counts import Counts
from monitor.performance.metrics import METRICS, measure
from monitor.performance.overdispersion import LEAST_WINDOWS, dispersion

PANE, LENGTH = 10, 40


def reference(windows: int, spread: float, seed: int = 0, rows: int = 100):
    """Four panes a window; its share of right outcomes is 0.8, give or take ``spread``."""
    rng, panes = np.random.default_rng(seed), {}
    for i in range(windows):
        share = 0.8 + spread * rng.choice([-1, 1])
        for pane_ms in range(i * LENGTH, (i + 1) * LENGTH, PANE):
            k = int(rng.binomial(rows // 4, share))
            panes[pane_ms] = {"outcomes": Counts.of([0, 1], [k, rows // 4 - k])}
    return panes


def factor(panes) -> float:
    return dispersion(panes, LENGTH)["accuracy"].factor


def test_the_factor_is_pearsons_over_windows_around_where_they_lie():
    panes = reference(20, 0.1)
    whole = measure(list(panes.values()))["accuracy"].value
    windows = [[panes[i * LENGTH + j] for j in range(0, LENGTH, PANE)] for i in range(20)]
    found = [measure(inside)["accuracy"] for inside in windows]
    weights = [m.floor**-2 for m in found]
    offset = np.average([m.shrunk - whole for m in found], weights=weights)
    expected = sum(((m.shrunk - whole - offset) / m.floor) ** 2 for m in found) / 19
    of = dispersion(panes, LENGTH)["accuracy"]
    assert (of.factor, of.degrees) == (pytest.approx(expected), 19)
    assert of.offset == pytest.approx(offset)


def test_a_ranking_inside_windows_that_is_harder_than_across_them_is_known():
    """Every other window holds high scores and mostly positives: across them it is easy to rank."""
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
    assert dispersion(panes, LENGTH)["roc_auc"].offset == pytest.approx(-0.35, abs=0.1)
    assert dispersion(panes, LENGTH)["accuracy"].offset == pytest.approx(0.0, abs=0.02)


def test_independent_rows_have_a_factor_of_one():
    found = [factor(reference(60, 0.0, seed)) for seed in range(10)]
    assert min(found) == 1.0  # it is never less
    assert max(found) < 1.7


def test_windows_that_stray_have_the_factor_by_which_their_variance_is_larger():
    """A share of 0.8 ± 0.05 in windows of 100: 0.16 / 100 of the rows, 0.0025 of the windows."""
    found = [factor(reference(60, 0.05, seed)) for seed in range(10)]
    assert np.mean(found) == pytest.approx(1 + 0.0025 / 0.0016, rel=0.15)


def test_fewer_than_eight_windows_know_nothing():
    assert dispersion(reference(LEAST_WINDOWS - 1, 0.1), LENGTH) == {}
    assert "accuracy" in dispersion(reference(LEAST_WINDOWS, 0.1), LENGTH)
    assert dispersion({}, LENGTH) == {}


def test_a_metric_that_the_windows_do_not_define_is_left_out():
    """No row was called positive, and there are no scores."""
    found = dispersion(reference(20, 0.1), LENGTH)
    assert set(found) == set(METRICS[:5]) - {"precision"}


def test_windows_begin_at_multiples_of_their_length_and_gaps_are_nothing():
    panes = reference(20, 0.1)
    shifted = {start + 1000 * LENGTH * (start >= 10 * LENGTH): c for start, c in panes.items()}
    assert dispersion(shifted, LENGTH) == dispersion(panes, LENGTH)
