"""What share of positives a score stands for, as the labelled rows of a reference have it.

By isotonic regression: the rising function nearest to the labels, found by pooling adjacent
violators (Zadrozny and Elkan 2002), linear between the scores that were met and level beyond them.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import isotonic_regression

from monitor.counts.bins import Sample
from monitor.counts.summary import SCORE_BINS
from monitor.performance.formulas import Array, Bins
from monitor.performance.metrics import Labelled

GROUPS = 20  # stretches of panes, left out one at a time to see how sure the shares are


def shares_of_positives(labelled: Labelled) -> Array:
    """By score bin, shape (1 + g, SCORE_BINS): from all panes, then without each of ``g`` groups.

    ``labelled`` holds panes in time order, two at least; groups are neighbours, as many as there
    are panes but at most ``GROUPS``.
    """
    groups = min(GROUPS, len(labelled.outcomes))
    n, p = labelled.totals
    fitted = [_isotonic(n, p, labelled.bins)]
    for group in np.array_split(np.arange(len(labelled.outcomes)), groups):
        left_n = n - labelled.negatives[group].sum(axis=0)
        left_p = p - labelled.positives[group].sum(axis=0)
        fitted.append(_isotonic(left_n, left_p, labelled.bins))
    return np.stack(fitted)


def places(sample: Sample) -> Array:
    """A score on [0, 1] for each cell of the score summary, shape (2 d + 1,).

    Of a cell between two values of the sample it is the middle.
    """
    edges = np.concatenate([[0.0], sample.values, [1.0]])
    at = np.empty(sample.bins)
    at[0::2] = (edges[:-1] + edges[1:]) / 2
    at[1::2] = sample.values
    return at


def _isotonic(n: Array, p: Array, bins: Bins) -> Array:
    met = (n + p) > 0
    weights = (n + p)[met]
    fitted = isotonic_regression(p[met] / weights, weights=weights).x
    return np.asarray(np.interp(np.arange(SCORE_BINS), bins[met], np.clip(fitted, 0.0, 1.0)))
