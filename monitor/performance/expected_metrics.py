"""The expected value of a metric from the rates of positives, with the variance of its errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from monitor.performance import formulas
from monitor.performance.formulas import Array, Flags

_CLASS_METRICS: Mapping[str, Callable[[Array], Array]] = {
    "accuracy": formulas.accuracy,
    "balanced_accuracy": formulas.balanced_accuracy,
    "precision": formulas.precision,
    "recall": formulas.recall,
    "f1": formulas.f1,
}
ESTIMATED_METRICS = (*_CLASS_METRICS, "roc_auc")


@dataclass(frozen=True, slots=True, eq=False)
class RatedRows:
    """Rows by cells of equal score, in ascending order, with their expected rates of positives."""

    count: Array  # shape (c,)
    predicted_positive: Flags  # shape (c,)
    rates: Array  # shape (1 + g, c): from the whole reference, then without each group of panes

    @property
    def variance(self) -> Array:
        """The variance of the number of positives in each cell, shape (c,)."""
        return np.asarray(self.count * self.rates[0] * (1 - self.rates[0]))


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """An expected metric with the variances of its two errors."""

    value: float
    calibration_variance: float
    label_variance: float


def expected_value(name: str, rows: RatedRows) -> ExpectedValue | None:
    """None if the metric is undefined.

    The calibration variance is that of a jackknife over the groups of panes of the reference.
    """
    p = rows.count * rows.rates
    n = rows.count - p
    values = _values(name, n, p, rows.predicted_positive)
    if np.isnan(values).any():
        return None
    left_out, g = values[1:], values.size - 1
    calibration = (g - 1) / g * float(np.square(left_out - left_out.mean()).sum())
    slope = _slope(name, n[0], p[0], rows.predicted_positive)
    return ExpectedValue(float(values[0]), calibration, float(rows.variance @ np.square(slope)))


def realised_value(name: str, n: Array, p: Array, predicted_positive: Flags) -> float | None:
    """The metric of counts of negatives and positives by cell. None if it is undefined."""
    value = float(_values(name, n, p, predicted_positive))
    return None if np.isnan(value) else value


def _values(name: str, n: Array, p: Array, predicted_positive: Flags) -> Array:
    class_metric = _CLASS_METRICS.get(name)
    if class_metric is None:
        return formulas.roc_auc(n, p)
    return class_metric(_outcomes(n, p, predicted_positive))


def _outcomes(n: Array, p: Array, predicted_positive: Flags) -> Array:
    """Counts as in ``formulas``: true negatives, false negatives, false and true positives."""
    negative = ~predicted_positive
    parts = (n * negative, p * negative, n * predicted_positive, p * predicted_positive)
    return np.stack([part.sum(axis=-1) for part in parts], axis=-1)


def _slope(name: str, n: Array, p: Array, predicted_positive: Flags) -> Array:
    """The change of the metric per row that is positive instead of negative, shape (c,)."""
    class_metric = _CLASS_METRICS.get(name)
    if class_metric is None:
        return _roc_auc_slope(n, p)
    outcomes = _outcomes(n, p, predicted_positive)
    step = 1e-6 * float(outcomes.sum())
    gradient = (class_metric(outcomes + step * np.eye(4)) - class_metric(outcomes)) / step
    if_positive, if_negative = gradient[3] - gradient[2], gradient[1] - gradient[0]
    return np.asarray(np.where(predicted_positive, if_positive, if_negative))


def _roc_auc_slope(n: Array, p: Array) -> Array:
    negatives, positives = n.sum(), p.sum()
    below, above = np.cumsum(n) - n / 2, positives - np.cumsum(p) + p / 2
    gain = (below - above) / (negatives * positives)
    auc = formulas.roc_auc(n, p)
    return np.asarray(gain - auc * (1 / positives - 1 / negatives))
