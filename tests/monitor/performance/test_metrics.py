"""Metrics equal those of scikit-learn on raw rows; intervals come from a jackknife over panes."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

from monitor.counts.columns import score_bin
from monitor.counts.counts import Counts
from monitor.counts.measured import Metric
from monitor.performance.metrics import METRICS, measure

CENTRES = [0.10005, 0.30005, 0.70005, 0.90005]  # of bins: such scores are counted exactly
RESOLUTIONS = dict.fromkeys(METRICS[:6], 0.0)  # none is stated for the others
BINNED = ("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error")
row = st.tuples(
    st.sampled_from(CENTRES), st.integers(0, 1), st.integers(0, 1)
)  # score, predicted, true
panes = st.lists(st.lists(row, max_size=6), max_size=6)


def cells(rows):
    score, predicted, true = (np.array(column) for column in zip(*rows, strict=True))
    scores = Counts.of(2 * score_bin(score.astype(float)) + true)
    return {"outcomes": Counts.of(2 * predicted + true), "scores_labels": scores}


def measured(panes):
    return measure([cells(rows) if rows else {} for rows in panes])


def by_sklearn(rows):
    """None where a metric is undefined."""
    score, predicted, true = (
        (np.array(column) for column in zip(*rows, strict=True)) if rows else [()] * 3
    )
    if not len(score):
        return dict.fromkeys(METRICS)
    both = len(set(true)) == 2
    return {
        "accuracy": accuracy_score(true, predicted),
        "balanced_accuracy": balanced_accuracy_score(true, predicted) if both else None,
        "precision": precision_score(true, predicted) if predicted.any() else None,
        "recall": recall_score(true, predicted) if true.any() else None,
        "f1": f1_score(true, predicted) if true.any() or predicted.any() else None,
        "roc_auc": roc_auc_score(true, score) if both else None,
        "pr_auc": average_precision_score(true, score) if true.any() else None,
        # Clipped, as docs/messages.md says.
        "log_loss": log_loss(true, np.clip(score, 0.00005, 0.99995), labels=[0, 1]),
        "brier": brier_score_loss(true, score, labels=[0, 1], pos_label=1),
        "calibration_error": expected_calibration_error(true, score),
    }


def expected_calibration_error(true, score):
    tenth = np.digitize(score, np.arange(1, 10) / 10)
    gaps = [abs((score[tenth == i] - true[tenth == i]).sum()) for i in range(10)]
    return sum(gaps) / len(true)


def together(panes):
    return [row for rows in panes for row in rows]


@given(panes=panes)
@settings(max_examples=40)
def test_every_metric_equals_that_of_scikit_learn(panes):
    found, expected = measured(panes), by_sklearn(together(panes))
    assert list(found) == list(METRICS)
    for name in METRICS:
        assert found[name].value == pytest.approx(expected[name], abs=1e-12), name


@given(panes=panes)
@settings(max_examples=30)
def test_standard_error_is_the_jackknife_over_labelled_panes(panes):
    found, labelled = measured(panes), [rows for rows in panes if rows]
    left_out = [
        by_sklearn(together(labelled[:i] + labelled[i + 1 :])) for i in range(len(labelled))
    ]
    for name, metric in found.items():
        values, k = [metrics[name] for metrics in left_out], len(labelled)
        if metric.value is None or k < 2 or None in values:
            assert metric.se is None, name
        else:
            expected = np.sqrt((k - 1) / k * np.square(values - np.mean(values)).sum())
            assert metric.se == pytest.approx(expected, abs=1e-9), name


@given(panes=panes)
@settings(max_examples=20)
def test_panes_without_a_label_are_ignored(panes):
    assert measured([[], *panes, []]) == measured([rows for rows in panes if rows])


def test_metrics_are_undefined_if_all_rows_were_subtracted_again():
    subtracted = {name: counts - counts for name, counts in cells([(0.1, 0, 0)]).items()}
    undefined = {name: Metric(None, resolution=RESOLUTIONS.get(name)) for name in METRICS}
    assert measure([subtracted]) == measure([]) == undefined


# Neighbours in one bin, the ends of the scale, and any score between.
close = st.integers(0, 60).map(lambda i: 0.5 + i / 100_000)
anywhere = st.one_of(close, st.floats(0, 1), st.sampled_from([0.0, 1e-12, 1 - 1e-12, 1.0]))


scored_rows = st.lists(st.tuples(anywhere, st.integers(0, 1)), min_size=1, max_size=30)


@given(scores=scored_rows)
@settings(max_examples=150)
def test_binning_the_scores_changes_roc_auc_by_at_most_its_resolution(scores):
    rows = [(score, 0, true) for score, true in scores]
    found, exact = measured([rows])["roc_auc"], by_sklearn(rows)["roc_auc"]
    if exact is None:
        assert found.value is None
    else:
        assert abs(found.value - exact) <= found.resolution + 1e-9


@given(scores=scored_rows)
@settings(max_examples=150)
def test_every_metric_is_that_of_scikit_learn_on_the_centres_of_the_score_bins(scores):
    rows = [(score, 0, true) for score, true in scores]
    centred = [((int(score_bin(np.array([s]))[0]) + 0.5) / 10_000, 0, true) for s, _, true in rows]
    found, expected = measured([rows]), by_sklearn(centred)
    for name in BINNED:
        assert found[name].value == pytest.approx(expected[name], abs=1e-12), name


def test_binning_changes_the_metrics_of_many_scores_by_less_than_a_thousandth():
    rng = np.random.default_rng(11)
    rows = [(s, 0, int(rng.random() < s)) for s in rng.beta(2, 5, size=2_000).tolist()]
    found, exact = measured([rows]), by_sklearn(rows)
    assert found["roc_auc"].resolution < 0.001
    for name in BINNED:
        assert found[name].value == pytest.approx(exact[name], abs=0.001), name


def test_metrics_of_classes_are_exact_and_roc_auc_where_no_bin_holds_both_labels():
    rows = [(score, 0, i % 2) for i, score in enumerate(CENTRES)]
    found = measured([rows])
    assert {name: metric.resolution for name, metric in found.items()} == {
        **dict.fromkeys(METRICS),
        **RESOLUTIONS,
    }


def test_log_loss_of_a_wrong_row_with_score_0_or_1_is_that_of_half_a_bin():
    [found] = [measured([[(1.0, 1, 0)]])["log_loss"]]
    assert found.value == found.maximum == pytest.approx(-np.log(0.00005))
    assert measured([[(0.0, 0, 1)]])["log_loss"].value == found.maximum


@pytest.mark.parametrize("name", ["log_loss", "brier", "calibration_error"])
def test_lower_is_better_for_losses_only(name):
    assert measured([[(0.9, 1, 1)]])[name].lower_is_better
    assert not measured([[(0.9, 1, 1)]])["accuracy"].lower_is_better


# -- intervals ---------------------------------------------------------------------------------


def test_interval_has_the_quantiles_of_student_and_is_clipped_to_zero_and_one():
    metric = Metric(0.5, se=0.01, panes=8)
    margin = student.ppf(0.975, 7) * 0.01
    assert metric.interval() == (pytest.approx(0.5 - margin), pytest.approx(0.5 + margin))
    assert metric.interval(0.5)[1] < metric.interval(0.9)[1]
    assert Metric(0.5, se=10.0, panes=2).interval() == (0.0, 1.0)


def test_interval_of_a_log_loss_is_clipped_to_its_maximum():
    assert Metric(2.0, se=10.0, panes=2, maximum=9.9).interval() == (0.0, 9.9)


@pytest.mark.parametrize("metric", [Metric(None), Metric(0.5, se=None, panes=1)])
def test_interval_is_unknown_without_a_standard_error(metric):
    assert metric.interval() == (None, None)


def test_interval_contains_the_true_value_in_95_percent_though_rows_of_a_pane_correlate():
    """Forty panes with different accuracies around 0.8, for which Wilson's interval fails."""
    rng, hits, trials = np.random.default_rng(3), 0, 200
    for _ in range(trials):
        right = rng.binomial(50, rng.beta(8, 2, size=40))
        found = measure([{"outcomes": Counts.of([0, 1], [k, 50 - k])} for k in right.tolist()])
        low, high = found["accuracy"].interval()
        hits += low <= 0.8 <= high
    # Binomial(200, 0.95) lies below 180 with probability 0.002.
    assert hits >= 180


# -- standard error of independent rows --------------------------------------------------------


def test_independent_se_is_the_standard_deviation_of_windows_of_independent_rows():
    """Within the bounds given for each metric; some are approximations."""
    rng, values, floors = np.random.default_rng(5), [], []
    for _ in range(400):
        score = rng.beta(2, 4, size=500)
        true = (rng.random(500) < score).astype(int)
        found = measured([list(zip(score.tolist(), (score >= 0.5).astype(int), true, strict=True))])
        values.append([found[name].value for name in METRICS])
        floors.append([found[name].independent_se for name in METRICS])
    ratios = np.mean(floors, axis=0) / np.std(values, axis=0)
    by_name = dict(zip(METRICS, ratios.tolist(), strict=True))
    # The standard deviation of 400 values is known to within 7% (95%).
    for name in ("accuracy", "balanced_accuracy", "precision", "recall", "roc_auc", "brier"):
        assert 0.85 < by_name[name] < 1.2, (name, by_name[name])
    assert 0.9 < by_name["log_loss"] < 1.25
    assert 0.8 < by_name["pr_auc"] < 1.25
    assert by_name["calibration_error"] > 1  # an upper bound, since these scores are calibrated


def test_measuring_raises_no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measured([[(0.1, 0, 0)], [(0.1, 0, 0)]])
