"""The cells of labelled rows of a classifier of several classes.

The ``listed`` classes are counted one by one, all others together, as the class ``listed``:

=================  ===============================================================================
``outcomes``       ``predicted * (listed + 1) + label``; beyond these, one more for the rows of the
                   others that are predicted rightly
``losses``         exact sums over rows with probabilities: rows, losses in units of 2**-32, and
                   their squares in units of 2**-24
``ranks``          ``2 * (class * RANK_BINS + bin) + is_label``: for each listed class, the bin of
                   its probability, and whether it is the label
``tops``           ``2 * score_bin + right``: the largest probability of a row, and whether the
                   prediction is right
=================  ===============================================================================

The bins of ``ranks`` have equal widths on the scale of log odds, so that those of rare classes are
as fine as those of frequent ones. The loss is minus the logarithm of the probability of the label,
which is at least ``EPSILON``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import score_bin
from monitor.counts.task import Ints, Weighted
from monitor.performance.labelled_counts import score_label_cell

Floats = NDArray[np.float64]

MOST_LISTED = 100
RANK_BINS = 1_000
LARGEST_LOG_ODDS = 14.0  # of the bins; what lies beyond is in the last one
EPSILON = float(np.finfo(np.float64).eps)
LARGEST_LOSS = -float(np.log(EPSILON))
LOSS_UNITS, SQUARE_UNITS = 2.0**32, 2.0**24  # of 1


class ClassRows(NamedTuple):
    """Labelled rows; classes are positions in a list, those that are not in it beyond its end."""

    probability: Floats  # of each class of the list, shape (n, classes); NaN: none was sent
    predicted: Ints
    label: Ints


def listed_classes(classes: int) -> int:
    return min(classes, MOST_LISTED)


def outcome_cells(rows: ClassRows, listed: int) -> Ints:
    width = listed + 1
    predicted, label = np.minimum(rows.predicted, listed), np.minimum(rows.label, listed)
    right = (predicted == listed) & (rows.predicted == rows.label)
    return np.where(right, width**2, predicted * width + label)


def score_cells(rows: ClassRows, listed: int) -> Mapping[str, Weighted]:
    """Of the rows whose probabilities are known, and whose label has one."""
    known = has_probabilities(rows.probability) & (rows.label < rows.probability.shape[1])
    at = np.where(known, rows.label, 0)
    probability = np.where(known[:, None], rows.probability, 0.5)
    weight = known.astype(np.int64)
    return {
        "losses": _losses(probability[np.arange(at.size), at], weight),
        "ranks": _ranks(probability[:, :listed], at, weight),
        "tops": _tops(probability, rows.predicted == rows.label, weight),
    }


def has_probabilities(probability: Floats) -> NDArray[np.bool_]:
    """Whether they were sent with a row, shape (n,)."""
    return ~np.isnan(probability[:, 0])


def _losses(probability: Floats, weight: Ints) -> Weighted:
    loss = -np.log(np.clip(probability, EPSILON, 1.0))
    units = np.rint(loss * LOSS_UNITS).astype(np.int64)
    squares = np.rint(np.square(loss) * SQUARE_UNITS).astype(np.int64)
    return Weighted(np.arange(3), np.stack([weight, weight * units, weight * squares], axis=1))


def _ranks(probability: Floats, label: Ints, weight: Ints) -> Weighted:
    classes = np.arange(probability.shape[1])
    cell = score_label_cell(
        classes * RANK_BINS + rank_bin(probability), (label[:, None] == classes).astype(np.int64)
    )
    return Weighted(cell, np.broadcast_to(weight[:, None], cell.shape))


def rank_bin(probability: Floats) -> Ints:
    """From 0 to ``RANK_BINS - 1``, in the order of the probabilities; the same shape."""
    with np.errstate(divide="ignore"):
        odds = np.log(probability) - np.log1p(-probability)
    place = (np.clip(odds / LARGEST_LOG_ODDS, -1.0, 1.0) + 1) / 2 * RANK_BINS
    return np.minimum(place.astype(np.int64), RANK_BINS - 1)


def _tops(probability: Floats, right: NDArray[np.bool_], weight: Ints) -> Weighted:
    cell = score_label_cell(score_bin(probability.max(axis=1)), right.astype(np.int64))
    return Weighted(cell[:, None], weight[:, None])
