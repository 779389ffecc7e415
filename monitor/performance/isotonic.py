"""The calibration of a score: the rate of positives by score in the labelled rows of a reference.

Isotonic regression is the non-decreasing function nearest to the labels, found by pooling adjacent
violators (Zadrozny and Elkan 2002). It is interpolated linearly between the scores of the reference
and is constant beyond them.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from monitor.counts.bins import Sample
from monitor.counts.summary import SCORE_BINS
from monitor.performance.formulas import Array, Bins
from monitor.performance.labelled_counts import LabelledCounts

JACKKNIFE_GROUPS = 20  # groups of consecutive panes, left out one at a time


def calibration_curves(labelled: LabelledCounts) -> Array:
    """Rates of positives by score bin, shape (1 + g, SCORE_BINS): from all panes, then without
    each of ``g`` groups of them.

    ``labelled`` holds at least two panes in order of time. Panes are grouped with their neighbours,
    into ``JACKKNIFE_GROUPS`` groups or, with fewer panes, into groups of one.
    """
    groups = np.array_split(np.arange(labelled.panes), min(JACKKNIFE_GROUPS, labelled.panes))
    n, p = labelled.totals
    curves = [_isotonic(n, p, labelled.bins)]
    for group in groups:
        left_n = n - labelled.negatives[group].sum(axis=0)
        left_p = p - labelled.positives[group].sum(axis=0)
        curves.append(_isotonic(left_n, left_p, labelled.bins))
    return np.stack(curves)


def cell_scores(sample: Sample) -> Array:
    """The score on [0, 1] that stands for each cell of the score summary, shape (2 d + 1,).

    The score of a cell between two values of the sample is the middle between them.
    """
    edges = np.concatenate([[0.0], sample.values, [1.0]])
    scores = np.empty(sample.bins)
    scores[0::2] = (edges[:-1] + edges[1:]) / 2
    scores[1::2] = sample.values
    return scores


def _isotonic(n: Array, p: Array, bins: Bins) -> Array:
    occupied = (n + p) > 0
    weights = (n + p)[occupied]
    fitted = isotonic_regression(p[occupied] / weights, weights=weights).x
    rates = np.clip(fitted, 0.0, 1.0)
    return np.asarray(np.interp(np.arange(SCORE_BINS), bins[occupied], rates))
