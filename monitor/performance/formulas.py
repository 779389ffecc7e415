"""Metrics of a binary classifier as functions of counts; NaN where one is undefined.

The last axis holds the cells, any axes before it are sets of counts of their own:

=================  =============================================================================
``outcomes``       shape (..., 4): true negatives, false negatives, false and true positives
``n``, ``p``       shape (..., b): negatives and positives by score bin, ascending
``bins``           shape (b,): which of the ``SCORE_BINS`` bins on [0, 1] they are
=================  =============================================================================

The rows of one bin are ties, and each has the score at the centre of its bin. With such scores the
values are those of the scikit-learn function of the same name with ``sample_weight=counts``. The
functions here evaluate all leave-one-out sets of a jackknife in one call. scikit-learn needs a call
for each set, which takes longer than all ten metrics do here, and 80 MB in every worker.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from monitor.counts.summary import SCORE_BINS

Array = NDArray[np.float64]
Bins = NDArray[np.int64]
Loss = Callable[[Array], Array]  # of a row by the probability that its label was given

HALF_BIN = 0.5 / SCORE_BINS
CALIBRATION_BINS = 10  # of equal width


def ratio(part: Array, whole: Array) -> Array:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan))


# -- of the predicted class --------------------------------------------------------------------


def accuracy(outcomes: Array) -> Array:
    return ratio(outcomes[..., 0] + outcomes[..., 3], outcomes.sum(axis=-1))


def precision(outcomes: Array) -> Array:
    return ratio(outcomes[..., 3], outcomes[..., 2] + outcomes[..., 3])


def recall(outcomes: Array) -> Array:
    return ratio(outcomes[..., 3], outcomes[..., 1] + outcomes[..., 3])


def specificity(outcomes: Array) -> Array:
    return ratio(outcomes[..., 0], outcomes[..., 0] + outcomes[..., 2])


def balanced_accuracy(outcomes: Array) -> Array:
    """The mean of recall and specificity; undefined where one class is missing."""
    return (recall(outcomes) + specificity(outcomes)) / 2


def f1(outcomes: Array) -> Array:
    hits = 2 * outcomes[..., 3]
    return ratio(hits, hits + outcomes[..., 1] + outcomes[..., 2])


# -- of the order of the scores ----------------------------------------------------------------


def roc_auc(n: Array, p: Array) -> Array:
    """Probability that a positive outranks a negative; ties count half."""
    below = np.cumsum(n, axis=-1) - n / 2
    return ratio((p * below).sum(axis=-1), n.sum(axis=-1) * p.sum(axis=-1))


def roc_auc_moved(n: Array, p: Array) -> float:
    """Negatives and positives of one bin could stand in any order. One set of counts."""
    return float((n * p).sum() / (2 * n.sum() * p.sum()))


def pr_auc(n: Array, p: Array) -> Array:
    """Average precision: the mean, over the positives, of the precision at their own score.

    What scikit-learn's ``average_precision_score`` defines: a sum of steps, nothing interpolated.
    """
    hits, called = _at_or_above(p), _at_or_above(n + p)
    reached = np.where(p > 0, p * hits / np.where(called > 0, called, 1), 0.0)
    return ratio(reached.sum(axis=-1), p.sum(axis=-1))


def _at_or_above(counts: Array) -> Array:
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


# -- of the scores as probabilities ------------------------------------------------------------


def centres(bins: Bins) -> Array:
    return (bins + 0.5) / SCORE_BINS


def log_loss(probability: Array) -> Array:
    """Natural logarithm, of probabilities kept half a bin from 0 and 1: at most ``MOST_LOG_LOSS``.

    Beyond that, bins cannot tell; and one row that was certain and wrong would be all of the mean.
    """
    return -np.log(np.clip(probability, HALF_BIN, 1 - HALF_BIN))


MOST_LOG_LOSS = float(-np.log(HALF_BIN))  # 9.90


def squared(probability: Array) -> Array:
    """Brier's, as scikit-learn's ``brier_score_loss``: 0 to 1."""
    return np.square(1 - probability)


def mean_loss(n: Array, p: Array, bins: Bins, loss: Loss) -> Array:
    at = centres(bins)
    return ratio(n @ loss(1 - at) + p @ loss(at), (n + p).sum(axis=-1))


def calibration_error(n: Array, p: Array, bins: Bins) -> Array:
    """Expected calibration error (Naeini, Cooper and Hauskrecht 2015) over ten bins of width 0.1:
    the mean, over rows, of what separates mean score and share of positives in their bin.

    It is never below 0, so a perfect model shows some: about ``0.8 sqrt(p (1 - p) / rows)`` in
    each bin. A window of few rows has more of it than a large reference.
    """
    tenth = bins * CALIBRATION_BINS // SCORE_BINS
    within = (tenth[:, None] == np.arange(CALIBRATION_BINS)).astype(np.float64)
    apart = np.abs(((n + p) * centres(bins) - p) @ within)
    return ratio(apart.sum(axis=-1), (n + p).sum(axis=-1))
