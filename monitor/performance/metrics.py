"""Metrics of a binary classifier in a window, with intervals that hold under autocorrelation.

Theory of operation
-------------------
Rows of one window are not independent: one storm delays the flights of a whole evening. A jackknife
over the ``k`` labelled panes therefore gives the standard error ``se``, and the interval is
``value ± t(k - 1) · se``. It needs nothing but the additive counts of the panes.

``independent_se`` is the standard error that as many independent rows would have:

=====================  ===========================================================================
accuracy, precision,   of a proportion of the rows in the denominator
recall, f1
balanced_accuracy      of the mean of two independent proportions
roc_auc                Hanley and McNeil (1982)
pr_auc                 of a proportion of the positives: the approximation of Boyd, Eng and Page
                       (2013), which assumes that there are as many negatives as needed
log_loss, brier        from the second moment of the losses
calibration_error      of a mean of ``±(score - label)`` with the observed signs of the ten bins:
                       an upper bound for a calibrated model
=====================  ===========================================================================

Values of the scores' metrics are those of the centres of the score bins. How far the exact value
can differ (``resolution``) is stated for the metrics that may open an incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from monitor.counts.counts import Cells
from monitor.counts.measured import Metric
from monitor.performance import formulas, standard_errors
from monitor.performance.formulas import Array, Bins, Loss
from monitor.performance.labelled_counts import LabelledCounts

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "calibration_error",
)
LOSSES = frozenset({"log_loss", "brier", "calibration_error"})  # lower is better


def measure(panes: Sequence[Cells], names: Sequence[str] = METRICS) -> dict[str, Metric]:
    """The metrics ``names`` over the labelled rows of ``panes``."""
    labelled = LabelledCounts.from_panes(panes)
    return {name: _MEASURES[name](labelled) for name in names}


_Measure = Callable[[LabelledCounts], Metric]

# -- metrics of the predicted class ------------------------------------------------------------


def _proportion(
    formula: Callable[[Array], Array], denominator: Callable[[Array], Array]
) -> _Measure:
    """A proportion of the rows that ``denominator`` counts."""

    def measured(labelled: LabelledCounts) -> Metric:
        total = labelled.outcomes.sum(axis=0)
        value = float(formula(total))
        if np.isnan(value):
            return Metric(None)
        se = standard_errors.jackknife(formula(total - labelled.outcomes))
        independent = standard_errors.proportion(value, float(denominator(total)))
        return Metric(value, se, labelled.panes, *independent)

    return measured


def _balanced_accuracy(labelled: LabelledCounts) -> Metric:
    total = labelled.outcomes.sum(axis=0)
    value = float(formulas.balanced_accuracy(total))
    if np.isnan(value):
        return Metric(None)
    recall, specificity = float(formulas.recall(total)), float(formulas.specificity(total))
    independent = standard_errors.mean_of_two(
        standard_errors.proportion(recall, total[1] + total[3]),
        standard_errors.proportion(specificity, total[0] + total[2]),
    )
    se = standard_errors.jackknife(formulas.balanced_accuracy(total - labelled.outcomes))
    return Metric(value, se, labelled.panes, *independent)


# -- metrics of the ranking --------------------------------------------------------------------


def _roc_auc(labelled: LabelledCounts) -> Metric:
    n, p = labelled.totals
    value = float(formulas.roc_auc(n, p))
    if np.isnan(value):
        return Metric(None)
    return Metric(
        value,
        labelled.jackknife(formulas.roc_auc),
        labelled.panes,
        *standard_errors.area_under_roc(value, float(n.sum()), float(p.sum())),
        resolution=formulas.roc_auc_resolution(n, p),
    )


def _pr_auc(labelled: LabelledCounts) -> Metric:
    n, p = labelled.totals
    value = float(formulas.pr_auc(n, p))
    if np.isnan(value):
        return Metric(None, resolution=None)
    se = labelled.jackknife(formulas.pr_auc)
    independent = standard_errors.proportion(value, float(p.sum()))
    return Metric(value, se, labelled.panes, *independent, resolution=None)


# -- metrics of the scores as probabilities ----------------------------------------------------


def _mean_loss(loss: Loss, maximum: float) -> _Measure:
    def value(n: Array, p: Array, bins: Bins) -> Array:
        return formulas.mean_loss(n, p, bins, loss)

    return _probability_metric(value, lambda at: np.square(loss(at)), maximum)


def _probability_metric(
    formula: Callable[[Array, Array, Bins], Array], squared_loss: Loss, maximum: float = 1.0
) -> _Measure:
    """A mean over rows, whose squared losses have the mean of ``squared_loss``."""

    def measured(labelled: LabelledCounts) -> Metric:
        (n, p), bins = labelled.totals, labelled.bins
        value = float(formula(n, p, bins))
        if np.isnan(value):
            return Metric(None, resolution=None)
        rows = float((n + p).sum())
        square = float(formulas.mean_loss(n, p, bins, squared_loss))
        return Metric(
            value,
            labelled.jackknife(lambda n, p: formula(n, p, bins)),
            labelled.panes,
            *standard_errors.mean_loss(value * rows, square * rows, rows),
            resolution=None,
            lower_is_better=True,
            maximum=maximum,
        )

    return measured


_MEASURES: Mapping[str, _Measure] = {
    "accuracy": _proportion(formulas.accuracy, lambda o: o.sum()),
    "balanced_accuracy": _balanced_accuracy,
    "precision": _proportion(formulas.precision, lambda o: o[2] + o[3]),
    "recall": _proportion(formulas.recall, lambda o: o[1] + o[3]),
    "f1": _proportion(formulas.f1, lambda o: o[3] + (o[1] + o[2]) / 2),
    "roc_auc": _roc_auc,
    "pr_auc": _pr_auc,
    "log_loss": _mean_loss(formulas.log_loss, formulas.MAX_LOG_LOSS),
    "brier": _mean_loss(formulas.squared_error, 1.0),
    "calibration_error": _probability_metric(formulas.calibration_error, formulas.squared_error),
}
