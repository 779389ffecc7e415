"""Expected metrics agree with realised ones while the calibration of the scores holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

from monitor.counts.bins import Sample
from monitor.counts.columns import score_bin
from monitor.counts.counts import Counts
from monitor.counts.measured import Estimate
from monitor.performance.cbpe import PerformanceEstimator
from monitor.performance.expected_metrics import ESTIMATED_METRICS
from monitor.performance.formulas import centres
from monitor.performance.isotonic import JACKKNIFE_GROUPS, calibration_curves, cell_scores
from monitor.performance.labelled_counts import LabelledCounts
from monitor.performance.metrics import measure
from monitor.performance.overdispersion import MIN_WINDOWS

THRESHOLD = 0.5
PANES = 60


def counted(score, label):
    bins, predicted = score_bin(score), (score >= THRESHOLD).astype(int)
    return {
        "outcomes": Counts.of(2 * predicted + label),
        "scores_labels": Counts.of(2 * bins + label),
    }


def drawn(rng, n, a=1.2, b=2.0, flipped=False):
    """Scores that are no probabilities: the rate of positives is another increasing function."""
    score = rng.beta(a, b, size=n)
    rate = score**1.5 / (score**1.5 + (1 - score) ** 1.2)
    if flipped:
        rate = np.where(score > 0.7, 1 - rate, rate)
    return score, (rng.random(n) < rate).astype(int)


def fitted(rng, rows_per_pane=100, panes=PANES):
    """From a reference with windows of one pane."""
    drawn_panes = [drawn(rng, rows_per_pane) for _ in range(panes)]
    sample = Sample.of(np.concatenate([score for score, _ in drawn_panes]))
    cells = {i: counted(*pane) for i, pane in enumerate(drawn_panes)}
    return PerformanceEstimator.fit(cells, 1, sample, THRESHOLD), sample


# -- calibration -------------------------------------------------------------------------------

rows = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 1)), min_size=1, max_size=40)


@given(panes=st.lists(rows, min_size=2, max_size=5))
@settings(max_examples=40)
def test_calibration_curve_equals_scikit_learns_isotonic_regression(panes):
    columns = [tuple(map(np.array, zip(*pane, strict=True))) for pane in panes]
    cells = [counted((score + 0.5) / 100, label) for score, label in columns]
    found = calibration_curves(LabelledCounts.from_panes(cells))
    score, label = (np.concatenate(column) for column in zip(*columns, strict=True))
    oracle = IsotonicRegression(out_of_bounds="clip").fit(score_bin((score + 0.5) / 100), label)
    assert found[0] == pytest.approx(oracle.predict(np.arange(10_000)), abs=1e-9)
    assert len(found) == 1 + len(panes)


def test_calibration_curves_leave_out_each_group_of_panes_once():
    rng = np.random.default_rng(0)
    panes = [counted(*drawn(rng, 30)) for _ in range(3 * JACKKNIFE_GROUPS)]
    found = calibration_curves(LabelledCounts.from_panes(panes))
    assert len(found) == 1 + JACKKNIFE_GROUPS
    alone = calibration_curves(LabelledCounts.from_panes(panes[3:]))[0]
    assert found[1] == pytest.approx(alone)


def test_score_of_a_cell_is_its_value_or_the_middle_between_its_neighbours():
    sample = Sample.of([0.2, 0.6])
    assert cell_scores(sample) == pytest.approx([0.1, 0.2, 0.4, 0.6, 0.8])


# -- expected values ---------------------------------------------------------------------------


def by_definition(score, rate):
    """NannyML's sums over rows; for the AUC each row is a positive and a negative, by weight."""
    positive = score >= THRESHOLD
    tp, fp = rate[positive].sum(), (1 - rate)[positive].sum()
    fn, tn = rate[~positive].sum(), (1 - rate)[~positive].sum()
    twice = np.concatenate([score, score])
    truth = np.repeat([1, 0], score.size)
    return {
        "accuracy": (tp + tn) / score.size,
        "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "roc_auc": roc_auc_score(truth, twice, sample_weight=np.concatenate([rate, 1 - rate])),
    }


def test_expected_metrics_are_those_of_the_sums_over_rows():
    rng = np.random.default_rng(2)
    estimator, _ = fitted(rng)
    bins = score_bin(rng.beta(2, 2, size=300))
    found = estimator.estimate([counted(centres(bins), np.zeros(300, dtype=int))])
    defined = by_definition(centres(bins), estimator.curves[0][bins])
    assert list(found) == list(ESTIMATED_METRICS)
    for name in ESTIMATED_METRICS:
        assert found[name].value == pytest.approx(defined[name], abs=1e-12), name


def test_score_summary_and_score_bins_give_the_same_expected_metrics():
    rng = np.random.default_rng(3)
    estimator, sample = fitted(rng)
    score, label = drawn(rng, 2_000, 2, 2)
    scores = Counts.of(sample.locate(score))
    by_summary, by_bins = (
        estimator.estimate(*arguments)
        for arguments in (([], {"score": scores}), ([counted(score, label)],))
    )
    for name in ESTIMATED_METRICS:
        assert by_summary[name].value == pytest.approx(by_bins[name].value, abs=0.001), name
        assert by_summary[name].low == pytest.approx(by_bins[name].low, abs=0.001), name


def test_score_at_the_threshold_is_predicted_positive_and_one_just_below_is_not():
    rng = np.random.default_rng(4)
    cells = {i: counted(*drawn(rng, 100)) for i in range(PANES)}
    sample = Sample.of([0.2, 0.49999, 0.5, 0.8])
    estimator = PerformanceEstimator.fit(cells, 1, sample, THRESHOLD)
    at, below = (Counts.of(sample.locate(np.full(10, score))) for score in (0.5, 0.49999))
    assert estimator.estimate([], {"score": at})["recall"].value == 1.0
    assert estimator.estimate([], {"score": below})["recall"].value == 0.0


# -- realised minus expected -------------------------------------------------------------------


def coverage_of_zero(rng, n, flipped=False, references=12, windows=8):
    """How often the interval of the difference contains zero, for scores that have increased."""
    within = dict.fromkeys(ESTIMATED_METRICS, 0)
    for _ in range(references):
        estimator, _ = fitted(rng)
        for _ in range(windows):
            found = estimator.estimate([counted(*drawn(rng, n, 2.5, 1.5, flipped))])
            for name in ESTIMATED_METRICS:
                difference = found[name].difference
                within[name] += difference.low <= 0 <= difference.high
    return {name: count / (references * windows) for name, count in within.items()}


@pytest.mark.parametrize("n", [50, 1_000])
def test_interval_contains_the_realised_metric_in_95_percent_under_covariate_shift(n):
    coverages = coverage_of_zero(np.random.default_rng(n), n)
    # 96 windows, 8 for each reference: 0.95 ± 0.05 for as many independent ones.
    assert all(0.86 <= coverage <= 1 for coverage in coverages.values()), coverages
    assert 0.9 <= np.mean(list(coverages.values())) <= 0.99


def test_interval_does_not_contain_the_realised_metric_under_concept_drift():
    coverages = coverage_of_zero(np.random.default_rng(6), 1_000, flipped=True, references=3)
    assert set(coverages.values()) == {0.0}


def test_difference_is_the_realised_minus_the_expected_metric():
    rng = np.random.default_rng(7)
    estimator, _ = fitted(rng)
    cells = counted(*drawn(rng, 500))
    found, realised = estimator.estimate([cells]), measure([cells])
    for name in ESTIMATED_METRICS:
        difference = realised[name].value - found[name].value
        assert found[name].difference.value == pytest.approx(difference, abs=1e-12)


def test_interval_has_the_width_of_the_variation_of_labels():
    """The labels of a window are drawn repeatedly; the error of a large reference is negligible."""
    rng = np.random.default_rng(8)
    estimator, _ = fitted(rng, rows_per_pane=2_000)
    score, _ = drawn(rng, 600, 1, 4)  # few positives
    rate = estimator.curves[0][score_bin(score)]
    redrawn = [counted(score, (rng.random(600) < rate).astype(int)) for _ in range(300)]
    realised = [measure([cells]) for cells in redrawn]
    expected = estimator.estimate([redrawn[0]])
    for name in ESTIMATED_METRICS:
        deviation = np.std([found[name].value for found in realised])
        margin = (expected[name].high - expected[name].low) / 2
        # The factor is at least 1, and 1 ± 0.2 here.
        assert 1.7 < margin / deviation < 2.7, name


def test_interval_is_wider_for_a_small_reference():
    rng = np.random.default_rng(9)
    small, large = (fitted(rng, rows_per_pane=n)[0] for n in (20, 2_000))
    cells = counted(*drawn(rng, 20_000))
    widths = [
        np.mean([e.high - e.low for e in fit.estimate([cells]).values()]) for fit in (small, large)
    ]
    assert widths[0] > 3 * widths[1]


def test_interval_is_wider_if_the_calibration_differs_between_days():
    rng = np.random.default_rng(10)

    def stormy(n):
        score = rng.beta(1.2, 2, size=n)
        rate = np.clip(score + rng.normal(0, 0.1), 0, 1)
        return counted(score, (rng.random(n) < rate).astype(int))

    sample = Sample.of(rng.beta(1.2, 2, size=1_000))
    estimator = PerformanceEstimator.fit(
        {i: stormy(300) for i in range(PANES)}, 1, sample, THRESHOLD
    )
    assert estimator.overdispersions["accuracy"].factor > 2
    found = [estimator.estimate([stormy(300)])["accuracy"].difference for _ in range(200)]
    within = np.mean([one.low <= 0 <= one.high for one in found])
    assert 0.9 <= within <= 0.99  # about 0.6 without the factor


# -- undefined values --------------------------------------------------------------------------


def test_window_without_labels_has_expected_metrics_and_no_difference():
    estimator, sample = fitted(np.random.default_rng(11))
    found = estimator.estimate([{}, {}], {"score": Counts.of(sample.locate(np.array([0.2, 0.9])))})
    assert {expected.difference for expected in found.values()} == {Estimate(None)}
    assert None not in {expected.value for expected in found.values()}


def test_window_without_rows_has_no_expected_metrics():
    estimator, _ = fitted(np.random.default_rng(12))
    assert estimator.estimate([]) is None
    assert estimator.estimate([{}], {"score": Counts.empty()}) is None


def test_expected_precision_is_undefined_if_no_row_is_predicted_positive():
    estimator, sample = fitted(np.random.default_rng(13))
    found = estimator.estimate([], {"score": Counts.of(sample.locate(np.array([0.3])))})
    assert found["precision"].value is None  # no row is predicted positive
    assert found["accuracy"].value is not None


def test_no_estimator_is_fitted_with_fewer_than_two_labelled_panes():
    sample = Sample.of([0.5])
    one = counted(*drawn(np.random.default_rng(14), 50))
    assert PerformanceEstimator.fit({}, 1, sample, THRESHOLD) is None
    assert PerformanceEstimator.fit({0: one, 1: {}}, 1, sample, THRESHOLD) is None
    assert PerformanceEstimator.fit({0: one, 1: one}, 1, sample, THRESHOLD) is not None


def test_short_reference_has_no_interval():
    rng = np.random.default_rng(15)
    short, _ = fitted(rng, panes=MIN_WINDOWS - 1)
    known, _ = fitted(rng, panes=MIN_WINDOWS)
    cells = [counted(*drawn(rng, 500))]
    assert {(e.low, e.difference.high) for e in short.estimate(cells).values()} == {(None, None)}
    assert None not in {e.low for e in known.estimate(cells).values()}


def test_intervals_are_clipped_to_the_possible_values():
    rng = np.random.default_rng(16)
    estimator, _ = fitted(rng, rows_per_pane=5)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for expected in estimator.estimate([counted(*drawn(rng, 5))]).values():
            assert expected.low is None or 0 <= expected.low <= expected.high <= 1
            difference = expected.difference
            assert (
                difference.low is None
                or -1 <= difference.low <= difference.value <= difference.high <= 1
            )
