"""Standard errors of metrics: by a jackknife over panes, and for independent rows.

The jackknife leaves out one pane at a time (Quenouille 1949, Tukey 1958; blocks: Künsch 1989). Its
standard errors hold for rows that depend on each other within a pane.

The standard error of independent rows makes windows of different size comparable
(``monitor.performance.overdispersion``). It is computed together with an *adjusted* value: the
metric after four more rows, two of them wrong (Agresti and Coull 1998). A window of few rows is
thereby not taken for a window without noise.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np

from monitor.performance.formulas import Array

N = TypeVar("N", float, Array)


class Independent(NamedTuple):
    """What independent rows would give."""

    se: float
    adjusted: float


def jackknife(left_out: Array) -> float | None:
    """The standard error from the ``k`` leave-one-out values, shape (k,).

    ``sqrt((k - 1) / k Σ (t_i - mean t)²)``. None for fewer than two values, or if one is undefined.
    """
    k = left_out.size
    if k < 2 or np.isnan(left_out).any():
        return None
    return float(np.sqrt((k - 1) / k * np.square(left_out - left_out.mean()).sum()))


def plus_four(value: N, n: N) -> N:
    """A proportion of ``n`` rows after four more, half of them wrong (Agresti and Coull 1998)."""
    return (value * n + 2) / (n + 4)


def proportion(value: float, n: float) -> Independent:
    """Of a proportion of ``n`` rows."""
    adjusted = plus_four(value, n)
    return Independent(float(np.sqrt(adjusted * (1 - adjusted) / (n + 4))), adjusted)


def mean_of_two(first: Independent, second: Independent) -> Independent:
    """Of the mean of two independent metrics."""
    se = float(np.hypot(first.se, second.se)) / 2
    return Independent(se, (first.adjusted + second.adjusted) / 2)


def mean_loss(losses: float, squares: float, n: float) -> Independent:
    """Of a mean over ``n`` rows, from the sums of their losses and of the squares of the losses.

    Of the four additional rows two have a loss of 0 and two a loss of 1.
    """
    adjusted, square = (losses + 2) / (n + 4), (squares + 2) / (n + 4)
    return Independent(float(np.sqrt(max(square - adjusted**2, 0.0) / (n + 4))), adjusted)


def area_under_roc(auc: float, negatives: float, positives: float) -> Independent:
    """Of an area under the ROC curve (Hanley and McNeil 1982)."""
    auc = plus_four(auc, min(negatives, positives))
    same_positive, same_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (same_positive - auc**2)
    variance += (negatives - 1) * (same_negative - auc**2)
    return Independent(float(np.sqrt(max(variance, 0.0) / (negatives * positives))), auc)
