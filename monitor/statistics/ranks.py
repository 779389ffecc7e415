"""Two rank statistics from the bins: whether a distribution has moved, and whether it has widened.

Theory of operation
-------------------
The largest gap between two distribution functions wastes what a small change does everywhere else;
a mean over all rows does not. Each row scores by its place ``u`` in the fixed distribution, the
middle of its ties::

    wilcoxon   2 u - 1            -1 below all of the fixed distribution, 1 above it
    mood       1 - 6 u (1 - u)    1 at both ends, -1/2 in the middle

and the statistic is the mean score of the live rows, less that of the fixed ones. The first is
``P(Y > X) - P(Y < X)`` of a live and a fixed row, Cliff's delta, the statistic of Wilcoxon (1945)
and of Mann and Whitney (1947) on a scale from -1 to 1; the second is after Mood (1954), with places
in the fixed distribution instead of both together, so that windows still add up.

A mean of ``n`` independent rows has the standard deviation ``unit / sqrt(en)`` and a normal tail.
Rare values spoil both: a sample that by chance holds few of them takes the unit for too small, so
that of live and fixed rows together counts where it is larger; and their mean is skewed, for which
Cornish and Fisher's (1938) first term allows, in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_UNIT = 1e-9  # below it all fixed rows are equal: they have no ranks


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What a row of each bin scores, feature by feature: of one of the statistics."""

    of: Floats  # shape (bins,), with mean 0 over the fixed distribution
    unit: Floats  # shape (f,): the standard deviation of a row's score; 0 without ranks
    skewness: Floats  # shape (f,)

    @classmethod
    def wilcoxon(cls, below: Floats, up_to: Floats, starts: Ints) -> Scores:
        """From the fixed distribution functions before and behind each bin, both shape (bins,).

        ``starts``, shape (f,), are the first bins of the features.
        """
        return cls._of(below + up_to - 1.0, up_to - below, starts)

    @classmethod
    def mood(cls, below: Floats, up_to: Floats, starts: Ints) -> Scores:
        place = (below + up_to) / 2
        return cls._of(1.0 - 6.0 * place * (1.0 - place), up_to - below, starts)

    @classmethod
    def _of(cls, score: Floats, share: Floats, starts: Ints) -> Scores:
        lengths = np.diff(starts, append=score.size)

        def mean(values: Floats) -> Floats:
            return np.add.reduceat(values * share, starts) if starts.size else np.empty(0)

        centred = score - np.repeat(mean(score), lengths)
        squares = centred * centred  # a power takes ten times as long
        unit = np.sqrt(mean(squares))
        ranked = unit > LEAST_UNIT
        third = np.divide(mean(squares * centred), unit**3, where=ranked, out=np.zeros(unit.size))
        return cls(
            np.where(np.repeat(ranked, lengths), centred, 0.0), np.where(ranked, unit, 0.0), third
        )


def pooled(unit: Floats, square: Floats, n: Ints, m: Ints) -> Floats:
    """The unit of fixed and live rows together, but not less than that of the fixed ones.

    ``square`` is the mean square of the live rows' scores; all of shape (f,).
    """
    share = n / np.maximum(n + m, 1)
    return np.asarray(np.sqrt(np.maximum(unit**2, (1 - share) * unit**2 + share * square)))


def skewed(quantile: Floats, skewness: Floats, n: Floats | Ints, m: Floats | Ints) -> Floats:
    """``quantile`` of a mean of ``n`` rows less one of ``m``, whose rows are skewed.

    All of shape (k,). Where either has no row, ``quantile`` itself.
    """
    n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
    of_means = np.abs(skewness * (n**-2 - m**-2)) * (n * m / (n + m)) ** 1.5
    return np.asarray(quantile + of_means * np.maximum(quantile**2 - 1, 0.0) / 6)
