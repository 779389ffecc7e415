"""Two rank statistics from binned counts: whether a distribution has shifted or has widened.

Theory of operation
-------------------
The largest difference between two distribution functions ignores small changes everywhere else. A
mean over all rows uses them. Each row gets a score from its rank ``u`` in the reference, 0 to 1
(midranks, for ties)::

    wilcoxon   2 u - 1            -1 below all of the reference, 1 above it
    mood       1 - 6 u (1 - u)    1 at both ends, -1/2 in the middle

The statistic is the mean score of the live rows minus that of the reference. The first is
``P(Y > X) - P(Y < X)`` of a live row Y and a reference row X: Cliff's delta, the statistic of
Wilcoxon (1945) and of Mann and Whitney (1947) on a scale from -1 to 1. The second follows Mood
(1954), with ranks in the reference instead of in both samples together, so that windows remain
additive.

The mean of ``n`` independent rows has the standard deviation ``unit / sqrt(en)``, with
``en = n m / (n + m)``, and a normal tail. Rare values need two corrections. A reference that by
chance holds few of them underestimates the unit, so the pooled unit of live and reference rows is
used if it is larger. And the mean is skewed, so the first term of Cornish and Fisher (1938) is
added, in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.critical_values import skewness_correction

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_UNIT = 1e-9  # below it all reference rows are equal: they have no ranks


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The score of a row in each bin, for one of the two statistics."""

    per_bin: Floats  # shape (bins,), with mean 0 over the reference
    unit: Floats  # shape (f,): the standard deviation of a row's score; 0 without ranks
    skewness: Floats  # shape (f,)

    @classmethod
    def wilcoxon(cls, below: Floats, up_to: Floats, starts: Ints) -> Scores:
        """From the reference's ECDF before and including each bin, both of shape (bins,).

        ``starts``, shape (f,), are the first bins of the features.
        """
        return cls._centred(below + up_to - 1.0, up_to - below, starts)

    @classmethod
    def mood(cls, below: Floats, up_to: Floats, starts: Ints) -> Scores:
        rank = (below + up_to) / 2
        return cls._centred(1.0 - 6.0 * rank * (1.0 - rank), up_to - below, starts)

    @classmethod
    def _centred(cls, score: Floats, proportion: Floats, starts: Ints) -> Scores:
        """``proportion``, shape (bins,): of the reference rows in each bin."""
        lengths = np.diff(starts, append=score.size)

        def mean(values: Floats) -> Floats:
            return np.add.reduceat(values * proportion, starts) if starts.size else np.empty(0)

        centred = score - np.repeat(mean(score), lengths)
        squares = centred * centred  # ten times as fast as a power
        unit = np.sqrt(mean(squares))
        ranked = unit > MIN_UNIT
        skewness = np.zeros(unit.size)
        np.divide(mean(squares * centred), unit**3, where=ranked, out=skewness)
        per_bin = np.where(np.repeat(ranked, lengths), centred, 0.0)
        return cls(per_bin, np.where(ranked, unit, 0.0), skewness)


def pooled_unit(unit: Floats, square: Floats, n: Ints, m: Ints) -> Floats:
    """The unit of reference and live rows together, but at least that of the reference.

    ``square`` is the mean square of the live rows' scores. All of shape (f,).
    """
    live = n / np.maximum(n + m, 1)
    return np.asarray(np.sqrt(np.maximum(unit**2, (1 - live) * unit**2 + live * square)))


def skewed_quantile(
    quantile: Floats, skewness: Floats, n: Floats | Ints, m: Floats | Ints
) -> Floats:
    """``quantile``, corrected for the skewness of a mean of ``n`` rows minus one of ``m``.

    ``skewness`` is that of a single row. All of shape (k,). Without rows on a side the quantile is
    not corrected.
    """
    n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
    of_difference = np.abs(skewness * (n**-2 - m**-2)) * (n * m / (n + m)) ** 1.5
    return np.asarray(quantile + np.maximum(skewness_correction(quantile, of_difference), 0.0))
