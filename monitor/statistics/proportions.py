"""Has the share of rows with a flaw (missing, of a wrong type) changed? Exact, and cheap when not.

Theory of operation
-------------------
Of ``n`` live rows ``x`` are flawed, of the reference's ``m`` rows ``a``. If both came from one
source, then, given that ``x + a`` are flawed in all, ``x`` is hypergeometric (Fisher 1935),
whatever the true share. Twice the tail on the side of the deviation is a p-value that keeps every
level, however small, and is conservative where counts are few.

Most windows are calm, and a calm one should cost no tail. ``calm`` compares Pearson's ``z²`` with
the level: the p-value is never as small as ``exp(-z²) / 1.5``. The rate at which it falls is half
the likelihood ratio, a Kullback-Leibler divergence and so at most ``z²`` (Gibbs and Su 2002,
theorem 5), and about ``z² / 2`` near the middle; the factor was checked, not proven.
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


def calm(live: Proportion, fixed: Proportion, level: float) -> bool:
    """Whether ``p_value`` is certain to exceed ``level``, at the cost of a few multiplications."""
    flawed, rows = live.count + fixed.count, live.rows + fixed.rows
    if not (0 < flawed < rows and live.rows and fixed.rows):
        return True
    cross = live.count * fixed.rows - fixed.count * live.rows
    pearson = cross * cross / (live.rows * fixed.rows) * (rows / (flawed * (rows - flawed)))
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
    flawed, sound = more.count + less.count, less.rows - less.count
    last = min(flawed, more.rows)
    spread = sqrt(flawed * more.rows / (more.rows + less.rows))
    k = np.arange(more.count, min(last, more.count + int(FARTHEST * spread) + 64), dtype=np.float64)
    ratios = (flawed - k) * (more.rows - k) / ((k + 1) * (sound - more.count + k + 1))
    return min(1.0, exp(_log_point(more, less)) * (1.0 + float(np.cumprod(ratios).sum())))


def _log_point(more: Proportion, less: Proportion) -> float:
    """The logarithm of the hypergeometric probability of exactly this split."""
    flawed, rows = more.count + less.count, more.rows + less.rows
    split = _log_choose(more.rows, more.count) + _log_choose(less.rows, less.count)
    return split - _log_choose(rows, flawed)


def _log_choose(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
