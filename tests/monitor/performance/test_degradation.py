"""What counts as a fall: beyond a share of the baseline, and beyond noise and straying."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from monitor.counts.counts import Counts
from monitor.performance.degradation import JUDGED, Dispersion, degraded
from monitor.performance.metrics import METRICS, Metric, measure
from tests.monitor.performance.test_metrics import measured, panes


def accuracy(right: int, n: int) -> Metric:
    return measure([{"outcomes": Counts.of([0, 1], [right, n - right])}])["accuracy"]


INDEPENDENT = Dispersion(1.0, 60)
baseline = accuracy(9_300, 10_000)


def fell(now: Metric, before: Metric = baseline, of=INDEPENDENT, share=0.9, alpha=0.001) -> bool:
    return degraded(now, before, of, share=share, alpha=alpha)[0]


def test_a_real_fall_is_degraded_and_a_small_one_is_not():
    assert fell(accuracy(600, 1_000))
    assert not fell(accuracy(830, 1_000))  # below 0.9 of the baseline, by less than noise
    assert not fell(accuracy(930, 1_000))
    assert fell(accuracy(880, 1_000), share=1.0)  # below the baseline itself


def test_the_bound_is_a_share_of_the_baseline():
    assert degraded(baseline, baseline, INDEPENDENT, share=0.9, alpha=0.001)[1] == 0.9 * 0.93
    assert degraded(baseline, baseline, None, share=0.9, alpha=0.001) == (False, 0.9 * 0.93)


@pytest.mark.parametrize(
    ("now", "before"), [(Metric(None), baseline), (baseline, Metric(None)), (Metric(None),) * 2]
)
def test_what_is_undefined_is_not_degraded(now, before):
    assert degraded(now, before, INDEPENDENT, share=0.9, alpha=0.5) == (False, None)


def test_a_reference_too_short_to_know_its_straying_decides_nothing():
    assert not fell(accuracy(0, 1_000), of=None)


def test_what_the_reference_strays_is_allowed_for():
    now = accuracy(780, 1_000)
    assert fell(now)
    assert not fell(now, of=Dispersion(9.0, 60))
    assert not fell(now, of=Dispersion(1.0, 1))  # too few windows to be sure of the factor


def test_what_windows_lie_off_anyway_is_no_fall():
    now = accuracy(780, 1_000)
    assert fell(now)
    assert not fell(now, of=Dispersion(1.0, 60, offset=-0.06))
    assert fell(accuracy(830, 1_000), of=Dispersion(1.0, 60, offset=0.06))
    assert not fell(brier(200, 1_000), small, of=Dispersion(1.0, 60, offset=0.12))


# -- where lower is better ---------------------------------------------------------------------


def brier(wrong: int, n: int) -> Metric:
    """Rows that are sure of themselves, within half a bin."""
    rows = [(0.99995, 1, 0)] * wrong + [(0.99995, 1, 1)] * (n - wrong)
    return measured([rows])["brier"]


small = brier(70, 1_000)


def test_a_loss_that_really_rose_is_degraded_and_a_small_rise_is_not():
    assert fell(brier(200, 1_000), small)
    assert not fell(brier(85, 1_000), small)  # beyond 1 / 0.9 of the baseline, by less than noise
    assert not fell(brier(70, 1_000), small)
    assert not fell(brier(0, 1_000), small)  # better than ever
    assert fell(brier(115, 1_000), small, share=1.0)


def test_the_bound_of_a_loss_lies_above_the_baseline():
    assert degraded(small, small, INDEPENDENT, share=0.9, alpha=0.001)[1] == pytest.approx(
        small.value / 0.9
    )


@pytest.mark.parametrize("n", [1, 2])
def test_a_handful_of_great_losses_is_no_critical_rise(n):
    assert not fell(brier(n, n), small)


# -- few rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_rows_that_all_went_wrong_is_no_critical_fall(n):
    for before in (0.6, 0.8, 0.93):
        assert not fell(accuracy(0, n), accuracy(round(before * 10_000), 10_000))


def test_nor_is_a_handful_of_positives_ranked_below_the_negatives():
    inverted = measured([[(0.9, 1, 0), (0.1, 0, 1)]] * 3)["roc_auc"]
    known = measured([[(0.1, 0, 0), (0.9, 1, 1), (0.3, 0, 1)]] * 1000)["roc_auc"]
    assert (inverted.value, known.value) == (0.0, 1.0)
    assert not fell(inverted, known)


@pytest.mark.parametrize("true", [0.7, 0.93, 0.99])
@pytest.mark.parametrize(("share", "alpha"), [(0.9, 0.001), (1.0, 0.005)])
def test_healthy_windows_of_any_size_alarm_no_more_than_three_times_their_level(true, share, alpha):
    """Exactly, over all that so many independent rows can show; one row more or less is much."""
    before = accuracy(round(true * 10_000), 10_000)
    for n in (1, 2, 3, 4, 5, 8, 10, 20, 50, 100):
        alarms = [fell(accuracy(k, n), before, share=share, alpha=alpha) for k in range(n + 1)]
        assert binom.pmf(np.arange(n + 1), n, true)[alarms].sum() <= 3 * alpha, n


@given(
    now=panes,
    before=panes,
    factor=st.floats(1, 10),
    degrees=st.integers(1, 60),
    share=st.floats(0.01, 1),
    offset=st.floats(-0.1, 0.1),
)
@settings(max_examples=50)
def test_whatever_is_critical_is_a_warning_too(now, before, factor, degrees, share, offset):  # noqa: PLR0913
    ours, theirs = measured(now), measured(before)
    strays = Dispersion(factor, degrees, offset)
    for name in METRICS:
        if fell(ours[name], theirs[name], strays, share=share, alpha=0.1):
            assert fell(ours[name], theirs[name], strays, share=1.0, alpha=0.2)


def test_what_may_open_incidents_is_measured():
    assert set(JUDGED) < set(METRICS)
