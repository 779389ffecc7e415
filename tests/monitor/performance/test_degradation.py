"""A metric is degraded if it is below its bound by more than noise and natural variation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from monitor.counts.counts import Counts
from monitor.counts.measured import Metric
from monitor.performance.degradation import Degradation, Overdispersion, degraded
from monitor.performance.metrics import METRICS, measure
from monitor.tasks.binary import BINARY
from tests.monitor.performance.test_metrics import measured, panes


def accuracy(right: int, n: int) -> Metric:
    return measure([{"outcomes": Counts.of([0, 1], [right, n - right])}])["accuracy"]


INDEPENDENT = Overdispersion(1.0, 60)
baseline = accuracy(9_300, 10_000)


def is_degraded(
    now: Metric, before: Metric = baseline, overdispersion=INDEPENDENT, threshold=0.9, alpha=0.001
) -> bool:
    return degraded(now, before, overdispersion, threshold=threshold, alpha=alpha).is_degraded


def test_large_decrease_is_degraded_and_a_small_one_is_not():
    assert is_degraded(accuracy(600, 1_000))
    assert not is_degraded(accuracy(830, 1_000))  # below 0.9 of the baseline by less than the noise
    assert not is_degraded(accuracy(930, 1_000))
    assert is_degraded(accuracy(880, 1_000), threshold=1.0)  # below the baseline itself


def test_bound_is_the_threshold_times_the_baseline():
    assert degraded(baseline, baseline, INDEPENDENT, threshold=0.9, alpha=0.001).bound == 0.9 * 0.93
    found = degraded(baseline, baseline, None, threshold=0.9, alpha=0.001)
    assert found == Degradation(is_degraded=False, bound=0.9 * 0.93)


@pytest.mark.parametrize(
    ("now", "before"), [(Metric(None), baseline), (baseline, Metric(None)), (Metric(None),) * 2]
)
def test_undefined_metric_is_not_degraded(now, before):
    assert degraded(now, before, INDEPENDENT, threshold=0.9, alpha=0.5) == Degradation(
        is_degraded=False
    )


def test_metric_is_near_its_limit_beyond_half_of_the_way():
    def near(right: int) -> bool:
        now = accuracy(right, 1_000)
        return degraded(now, baseline, INDEPENDENT, threshold=1.0, alpha=0.001).is_near

    limit = next(n for n in range(930, 0, -1) if is_degraded(accuracy(n, 1_000), threshold=1.0))
    half = next(n for n in range(930, 0, -1) if near(n))
    assert abs((930 - half) - (930 - limit) / 2) <= 2
    assert near(limit)


def test_nothing_is_degraded_without_an_overdispersion():
    assert not is_degraded(accuracy(0, 1_000), overdispersion=None)


def test_decrease_within_the_variation_of_the_reference_is_not_degraded():
    now = accuracy(780, 1_000)
    assert is_degraded(now)
    assert not is_degraded(now, overdispersion=Overdispersion(9.0, 60))
    assert not is_degraded(
        now, overdispersion=Overdispersion(1.0, 1)
    )  # too few windows to know the factor


def test_offset_of_windows_from_their_reference_is_not_degraded():
    now = accuracy(780, 1_000)
    assert is_degraded(now)
    assert not is_degraded(now, overdispersion=Overdispersion(1.0, 60, offset=-0.06))
    assert is_degraded(accuracy(830, 1_000), overdispersion=Overdispersion(1.0, 60, offset=0.06))
    assert not is_degraded(
        brier(200, 1_000), small, overdispersion=Overdispersion(1.0, 60, offset=0.12)
    )


# -- where lower is better ---------------------------------------------------------------------


def brier(wrong: int, n: int) -> Metric:
    """Rows with scores within half a bin of 1."""
    rows = [(0.99995, 1, 0)] * wrong + [(0.99995, 1, 1)] * (n - wrong)
    return measured([rows])["brier"]


small = brier(70, 1_000)


def test_large_increase_of_a_loss_is_degraded_and_a_small_one_is_not():
    assert is_degraded(brier(200, 1_000), small)
    assert not is_degraded(brier(85, 1_000), small)  # by less than the noise
    assert not is_degraded(brier(70, 1_000), small)
    assert not is_degraded(brier(0, 1_000), small)  # better than the baseline
    assert is_degraded(brier(115, 1_000), small, threshold=1.0)


def test_bound_of_a_loss_is_the_baseline_divided_by_the_threshold():
    assert degraded(small, small, INDEPENDENT, threshold=0.9, alpha=0.001)[1] == pytest.approx(
        small.value / 0.9
    )


@pytest.mark.parametrize("n", [1, 2])
def test_large_loss_in_one_or_two_rows_is_not_degraded(n):
    assert not is_degraded(brier(n, n), small)


# -- few rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3])
def test_up_to_three_wrong_rows_are_not_degraded(n):
    for before in (0.6, 0.8, 0.93):
        assert not is_degraded(accuracy(0, n), accuracy(round(before * 10_000), 10_000))


def test_roc_auc_of_three_inverted_pairs_is_not_degraded():
    inverted = measured([[(0.9, 1, 0), (0.1, 0, 1)]] * 3)["roc_auc"]
    known = measured([[(0.1, 0, 0), (0.9, 1, 1), (0.3, 0, 1)]] * 1000)["roc_auc"]
    assert (inverted.value, known.value) == (0.0, 1.0)
    assert not is_degraded(inverted, known)


@pytest.mark.parametrize("true", [0.7, 0.93, 0.99])
@pytest.mark.parametrize(("threshold", "alpha"), [(0.9, 0.001), (1.0, 0.005)])
def test_healthy_windows_alarm_at_no_more_than_three_times_the_level(true, threshold, alpha):
    """Exact, over all outcomes of ``n`` independent rows; with few rows the outcomes are coarse."""
    before = accuracy(round(true * 10_000), 10_000)
    for n in (1, 2, 3, 4, 5, 8, 10, 20, 50, 100):
        alarms = [
            is_degraded(accuracy(k, n), before, threshold=threshold, alpha=alpha)
            for k in range(n + 1)
        ]
        assert binom.pmf(np.arange(n + 1), n, true)[alarms].sum() <= 3 * alpha, n


@given(
    now=panes,
    before=panes,
    factor=st.floats(1, 10),
    degrees=st.integers(1, 60),
    threshold=st.floats(0.01, 1),
    offset=st.floats(-0.1, 0.1),
)
@settings(max_examples=50)
def test_critical_metric_is_always_a_warning_too(now, before, factor, degrees, threshold, offset):  # noqa: PLR0913
    ours, theirs = measured(now), measured(before)
    varies = Overdispersion(factor, degrees, offset)
    for name in METRICS:
        if is_degraded(ours[name], theirs[name], varies, threshold=threshold, alpha=0.1):
            assert is_degraded(ours[name], theirs[name], varies, threshold=1.0, alpha=0.2)


def test_metrics_that_may_open_incidents_are_measured():
    assert set(BINARY.judged) < set(METRICS)
