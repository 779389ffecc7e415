"""Every metric is scikit-learn's on the raw rows; intervals come from leaving one pane out."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from scipy.stats import t as student
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from monitor.counts import Counts
from monitor.performance import METRICS, Dispersion, Metric, degraded, measure
from monitor.rows import score_bin

CENTRES = [0.10005, 0.30005, 0.70005, 0.90005]  # of bins: such scores are counted exactly
row = st.tuples(st.sampled_from(CENTRES), st.integers(0, 1), st.integers(0, 1))  # score, said, true
panes = st.lists(st.lists(row, max_size=6), max_size=6)


def cells(rows):
    score, said, true = (np.array(column) for column in zip(*rows, strict=True))
    scores = Counts.of(2 * score_bin(score.astype(float)) + true)
    return {"outcomes": Counts.of(2 * said + true), "scores_labels": scores}


def measured(panes):
    return measure([cells(rows) if rows else {} for rows in panes])


def by_sklearn(rows):
    """None where a metric is undefined."""
    score, said, true = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [()] * 3
    )
    if not len(score):
        return dict.fromkeys(METRICS)
    both = len(set(true)) == 2
    return {
        "accuracy": accuracy_score(true, said),
        "precision": precision_score(true, said) if said.any() else None,
        "recall": recall_score(true, said) if true.any() else None,
        "f1": f1_score(true, said) if true.any() or said.any() else None,
        "roc_auc": roc_auc_score(true, score) if both else None,
    }


def together(panes):
    return [row for rows in panes for row in rows]


@given(panes=panes)
@settings(max_examples=40)
def test_every_metric_is_that_of_scikit_learn(panes):
    found, expected = measured(panes), by_sklearn(together(panes))
    assert list(found) == list(METRICS)
    for name in METRICS:
        assert found[name].value == pytest.approx(expected[name], abs=1e-12), name


@given(panes=panes)
@settings(max_examples=30)
def test_the_standard_error_is_that_of_leaving_out_one_labelled_pane_at_a_time(panes):
    found, labelled = measured(panes), [rows for rows in panes if rows]
    left_out = [
        by_sklearn(together(labelled[:i] + labelled[i + 1 :])) for i in range(len(labelled))
    ]
    for name, metric in found.items():
        values, k = [of[name] for of in left_out], len(labelled)
        if metric.value is None or k < 2 or None in values:
            assert metric.se is None, name
        else:
            expected = np.sqrt((k - 1) / k * np.square(values - np.mean(values)).sum())
            assert metric.se == pytest.approx(expected, abs=1e-9), name


@given(panes=panes)
@settings(max_examples=20)
def test_panes_without_a_label_are_nothing(panes):
    assert measured([[], *panes, []]) == measured([rows for rows in panes if rows])


def test_rows_that_were_taken_back_leave_nothing():
    gone = {name: counts - counts for name, counts in cells([(0.1, 0, 0)]).items()}
    assert measure([gone]) == measure([]) == dict.fromkeys(METRICS, Metric(None))


@given(
    scores=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=30),
)
@settings(max_examples=40)
def test_binning_the_scores_moves_the_auc_by_no_more_than_stated(scores):
    rows = [(score, 0, true) for score, true in scores]
    found, exact = measured([rows])["roc_auc"], by_sklearn(rows)["roc_auc"]
    if exact is None:
        assert found.value is None
    else:
        assert abs(found.value - exact) <= found.resolution + 1e-12


def test_scores_that_are_counted_apart_are_exact():
    rows = [(score, 0, i % 2) for i, score in enumerate(CENTRES)]
    assert measured([rows])["roc_auc"].resolution == 0.0


# -- intervals ---------------------------------------------------------------------------------


def test_an_interval_reaches_as_far_as_student_says_and_not_beyond_zero_and_one():
    metric = Metric(0.5, se=0.01, panes=8)
    reach = student.ppf(0.975, 7) * 0.01
    assert metric.interval() == (pytest.approx(0.5 - reach), pytest.approx(0.5 + reach))
    assert metric.interval(0.5)[1] < metric.interval(0.9)[1]
    assert Metric(0.5, se=10.0, panes=2).interval() == (0.0, 1.0)


@pytest.mark.parametrize("metric", [Metric(None), Metric(0.5, se=None, panes=1)])
def test_without_a_standard_error_there_is_no_interval(metric):
    assert metric.interval() == (None, None)


def test_an_interval_holds_the_truth_as_often_as_it_says_though_rows_within_a_pane_agree():
    """Forty panes, each with an accuracy of its own around 0.8: Wilson's interval would fail."""
    rng, hits, trials = np.random.default_rng(3), 0, 200
    for _ in range(trials):
        right = rng.binomial(50, rng.beta(8, 2, size=40))
        found = measure([{"outcomes": Counts.of([0, 1], [k, 50 - k])} for k in right.tolist()])
        low, high = found["accuracy"].interval()
        hits += low <= 0.8 <= high
    # Binomial(200, 0.95) lies below 180 with probability 0.002.
    assert hits >= 180


# -- degradation -------------------------------------------------------------------------------


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
)
@settings(max_examples=50)
def test_whatever_is_critical_is_a_warning_too(now, before, factor, degrees, share):
    ours, theirs = measured(now), measured(before)
    strays = Dispersion(factor, degrees)
    for name in METRICS:
        if fell(ours[name], theirs[name], strays, share=share, alpha=0.1):
            assert fell(ours[name], theirs[name], strays, share=1.0, alpha=0.2)


def test_measuring_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured([[(0.1, 0, 0)], [(0.1, 0, 0)]])
