"""Has a proportion of rows changed? An exact test, and a cheap bound for rows that did not change.

Theory of operation
-------------------
A property (a missing value, a category) holds for ``x`` of ``n`` live rows and for ``a`` of the
``m`` rows of the reference. If both come from one source, then ``x`` is hypergeometric given the
sum ``x + a`` (Fisher 1935), whatever the true proportion. Twice the tail on the side of the
deviation is a p-value that keeps every level, however small, and is conservative for small counts.

Most windows are healthy and do not need the exact tail. ``certainly_not_significant`` compares
Pearson's ``z²`` with the level: the p-value is never below ``exp(-z²) / 1.5``. Its rate of decrease
is half the likelihood ratio, a Kullback-Leibler divergence and therefore at most ``z²`` (Gibbs and
Su 2002, theorem 5), and about ``z² / 2`` near the center. The factor 1.5 was checked numerically,
not proven.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, lgamma, log, sqrt

import numpy as np
from scipy.special import betaincinv

POWER = 0.80  # the chance of being seen that "detectable" means
LEAST = 1 / 1.5  # times exp(-z²): no p-value is smaller
FARTHEST = 12  # standard deviations beyond which a tail adds nothing to a double


@dataclass(frozen=True, slots=True)
class Proportion:
    """So many of so many rows. Raises ``ValueError`` unless ``0 <= count <= rows``."""

    count: int
    rows: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.rows:
            raise ValueError(f"a share is 0 to all of its rows, got {self.count} of {self.rows}")

    def __add__(self, other: Proportion) -> Proportion:
        return Proportion(self.count + other.count, self.rows + other.rows)

    @property
    def value(self) -> float:
        """In [0, 1]; 0 while there are no rows."""
        return self.count / self.rows if self.rows else 0.0


def p_value(live: Proportion, fixed: Proportion) -> float:
    """Two-sided and exact: twice the hypergeometric tail, at most 1; 1 while a side has no rows."""
    more, less = (live, fixed) if live.value >= fixed.value else (fixed, live)
    if not less.rows or more.value == less.value:
        return 1.0
    return min(1.0, 2 * tail(more, less))


def certainly_not_significant(live: Proportion, fixed: Proportion, level: float) -> bool:
    """Whether ``p_value`` is certain to exceed ``level``, at the cost of a few multiplications."""
    successes, rows = live.count + fixed.count, live.rows + fixed.rows
    if not (0 < successes < rows and live.rows and fixed.rows):
        return True
    cross = live.count * fixed.rows - fixed.count * live.rows
    pearson = cross * cross / (live.rows * fixed.rows) * (rows / (successes * (rows - successes)))
    return pearson < (log(LEAST / level) if level else inf)


def persistent(first: Proportion, second: Proportion, fixed: Proportion) -> float:
    """Live minus reference share, as far as both halves of a window have it, with its sign.

    A half without rows says nothing, and the other one stands for both; 0 while neither has any.
    """
    if not first.rows or not second.rows:
        whole = first + second
        return whole.value - fixed.value if whole.rows else 0.0
    one, other = first.value - fixed.value, second.value - fixed.value
    return min(one, other, key=abs) if one * other > 0 else 0.0


def detectable(rows: int, fixed: Proportion, level: float) -> float:
    """The smallest live share that ``rows`` rows show at ``level`` with 80% power; 1 if none does.

    Binomial rows against this very reference, exact (Clopper and Pearson 1934 for the inversion).
    """
    fewest, most = int(fixed.value * rows), rows
    if p_value(Proportion(most, rows), fixed) > level:
        return 1.0
    while fewest + 1 < most:
        middle = (fewest + most) // 2
        seen = p_value(Proportion(middle, rows), fixed) <= level
        fewest, most = (fewest, middle) if seen else (middle, most)
    return float(betaincinv(most, rows - most + 1, POWER))


def tail(more: Proportion, less: Proportion) -> float:
    """The chance that as many of ``more`` and less have a flaw fall to ``more``, by pure chance.

    ``P(X >= more.count)`` of the hypergeometric; both sides have rows.
    """
    successes, sound = more.count + less.count, less.rows - less.count
    last = min(successes, more.rows)
    spread = sqrt(successes * more.rows / (more.rows + less.rows))
    k = np.arange(more.count, min(last, more.count + int(FARTHEST * spread) + 64), dtype=np.float64)
    ratios = (successes - k) * (more.rows - k) / ((k + 1) * (sound - more.count + k + 1))
    return min(1.0, exp(_log_point(more, less)) * (1.0 + float(np.cumprod(ratios).sum())))


def _log_point(more: Proportion, less: Proportion) -> float:
    """The logarithm of the hypergeometric probability of exactly this split."""
    successes, rows = more.count + less.count, more.rows + less.rows
    split = _log_choose(more.rows, more.count) + _log_choose(less.rows, less.count)
    return split - _log_choose(rows, successes)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
