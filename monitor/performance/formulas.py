"""Metrics of a binary classifier as functions of counts. An undefined metric is NaN.

The last axis of an array holds the cells; each index of the axes before it is one set of counts:

=================  =============================================================================
``outcomes``       shape (..., 4): true negatives, false negatives, false and true positives
``n``, ``p``       shape (..., b): negatives and positives by score bin, in ascending order
``bins``           shape (b,): the numbers of these bins among the ``SCORE_BINS`` on [0, 1]
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
Flags = NDArray[np.bool_]
Loss = Callable[[Array], Array]  # the loss of a row, from the probability given to its label

HALF_BIN = 0.5 / SCORE_BINS
CALIBRATION_BINS = 10  # of equal width


def ratio(part: Array, whole: Array) -> Array:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan))


# -- metrics of the predicted class ------------------------------------------------------------


def accuracy(outcomes: Array) -> Array:
    return ratio(outcomes[..., 0] + outcomes[..., 3], outcomes.sum(axis=-1))


def precision(outcomes: Array) -> Array:
    return ratio(outcomes[..., 3], outcomes[..., 2] + outcomes[..., 3])


def recall(outcomes: Array) -> Array:
    return ratio(outcomes[..., 3], outcomes[..., 1] + outcomes[..., 3])


def specificity(outcomes: Array) -> Array:
    return ratio(outcomes[..., 0], outcomes[..., 0] + outcomes[..., 2])


def balanced_accuracy(outcomes: Array) -> Array:
    """The mean of recall and specificity. Undefined if one class is missing."""
    return (recall(outcomes) + specificity(outcomes)) / 2


def f1(outcomes: Array) -> Array:
    hits = 2 * outcomes[..., 3]
    return ratio(hits, hits + outcomes[..., 1] + outcomes[..., 2])


# -- metrics of the ranking --------------------------------------------------------------------


def roc_auc(n: Array, p: Array) -> Array:
    """The probability that a positive has a higher score than a negative. Ties count half."""
    below = np.cumsum(n, axis=-1) - n / 2
    return ratio((p * below).sum(axis=-1), n.sum(axis=-1) * p.sum(axis=-1))


def roc_auc_resolution(n: Array, p: Array) -> float:
    """The largest error of ``roc_auc`` that can come from binning, for one set of counts.

    The negatives and positives of a bin may be in any order.
    """
    return float((n * p).sum() / (2 * n.sum() * p.sum()))


def pr_auc(n: Array, p: Array) -> Array:
    """Average precision: the mean, over the positives, of the precision at their own score.

    As scikit-learn's ``average_precision_score``: a sum of steps without interpolation.
    """
    true_positives, called = _at_or_above(p), _at_or_above(n + p)
    steps = np.where(p > 0, p * true_positives / np.where(called > 0, called, 1), 0.0)
    return ratio(steps.sum(axis=-1), p.sum(axis=-1))


def _at_or_above(counts: Array) -> Array:
    return np.cumsum(counts[..., ::-1], axis=-1)[..., ::-1]


# -- metrics of the scores as probabilities ----------------------------------------------------


def centres(bins: Bins) -> Array:
    return (bins + 0.5) / SCORE_BINS


def log_loss(probability: Array) -> Array:
    """The negative natural logarithm of probabilities clipped to half a bin from 0 and 1.

    At most ``MAX_LOG_LOSS``. The bins cannot resolve smaller probabilities, and without the limit
    a single row with a score of 0 or 1 and the other label would dominate the mean.
    """
    return -np.log(np.clip(probability, HALF_BIN, 1 - HALF_BIN))


MAX_LOG_LOSS = float(-np.log(HALF_BIN))  # 9.90


def squared_error(probability: Array) -> Array:
    """The loss of the Brier score, as in scikit-learn's ``brier_score_loss``: 0 to 1."""
    return np.square(1 - probability)


def mean_loss(n: Array, p: Array, bins: Bins, loss: Loss) -> Array:
    at = centres(bins)
    return ratio(n @ loss(1 - at) + p @ loss(at), (n + p).sum(axis=-1))


def calibration_error(n: Array, p: Array, bins: Bins) -> Array:
    """Expected calibration error (Naeini, Cooper and Hauskrecht 2015) over ten bins of width 0.1.

    The mean over rows of the distance between the mean score and the proportion of positives of
    their bin. It is never negative, so a calibrated model has a positive value as well: about
    ``0.8 sqrt(p (1 - p) / rows)`` in each bin, which is larger in a window than in its reference.
    """
    tenth = bins * CALIBRATION_BINS // SCORE_BINS
    members = (tenth[:, None] == np.arange(CALIBRATION_BINS)).astype(np.float64)
    gaps = np.abs(((n + p) * centres(bins) - p) @ members)
    return ratio(gaps.sum(axis=-1), (n + p).sum(axis=-1))
