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

The tail is a sum of ratios of neighbouring probabilities. ``scipy.stats.hypergeom.sf`` gives the
same figures to 9 digits, but a test of categories with it takes 5.5 times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, lgamma, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

POWER = 0.80  # the probability of detection that "detectable" means
MIN_P_VALUE_FACTOR = 1 / 1.5  # times exp(-z²): no p-value is smaller
MAX_DEVIATIONS = 12  # standard deviations beyond which the tail adds nothing to a double


@dataclass(frozen=True, slots=True)
class Proportion:
    """``count`` of ``rows`` have a property. ``ValueError`` unless ``0 <= count <= rows``."""

    count: int
    rows: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.rows:
            raise ValueError(
                f"the count of a proportion lies between 0 and its rows,"
                f" got {self.count} of {self.rows}"
            )

    def __add__(self, other: Proportion) -> Proportion:
        return Proportion(self.count + other.count, self.rows + other.rows)

    @property
    def value(self) -> float:
        """In [0, 1]; 0 without rows."""
        return self.count / self.rows if self.rows else 0.0


def p_value(live: Proportion, reference: Proportion) -> float:
    """Two-sided and exact: twice the hypergeometric tail, at most 1; 1 if a side has no rows."""
    higher, lower = (live, reference) if live.value >= reference.value else (reference, live)
    if not lower.rows or higher.value == lower.value:
        return 1.0
    return min(1.0, 2 * tail(higher, lower))


def certainly_not_significant(live: Proportion, reference: Proportion, level: float) -> bool:
    """Whether ``p_value`` is certain to exceed ``level``, at the cost of a few multiplications."""
    successes, rows = live.count + reference.count, live.rows + reference.rows
    if not (0 < successes < rows and live.rows and reference.rows):
        return True
    cross = live.count * reference.rows - reference.count * live.rows
    scale = rows / (successes * (rows - successes))
    pearson = cross * cross / (live.rows * reference.rows) * scale
    return pearson < (log(MIN_P_VALUE_FACTOR / level) if level else inf)


def persistent(first: Proportion, second: Proportion, reference: Proportion) -> float:
    """The signed deviation from the reference that both halves of a window have.

    It is the smaller of the two deviations if they have the same sign, else 0. If one half has no
    rows, the deviation of the other; 0 if neither has any.
    """
    if not first.rows or not second.rows:
        whole = first + second
        return whole.value - reference.value if whole.rows else 0.0
    one, other = first.value - reference.value, second.value - reference.value
    return min(one, other, key=abs) if one * other > 0 else 0.0


def noise(live: Proportion, reference: Proportion, alpha: float) -> float:
    """The difference that chance exceeds with probability ``alpha``; normal, 1 without rows."""
    if not (live.rows and reference.rows):
        return 1.0
    return float(_normal_noise((live + reference).value, live.rows, reference.rows, alpha))


def noises(live: Ints, reference: Ints, alpha: float) -> Floats:
    """``noise`` of many proportions: counts and rows, shape (b, 2), all with rows."""
    pooled = live + reference
    value = pooled[:, 0] / pooled[:, 1]
    return np.asarray(_normal_noise(value, live[:, 1], reference[:, 1], alpha))


def _normal_noise(
    pooled: Floats | float, n: Ints | int, m: Ints | int, alpha: float
) -> Floats | np.float64:
    """Of the proportion of both together, and the rows of either."""
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    noise: Floats | np.float64 = np.minimum(-float(ndtri(alpha / 2)) * np.sqrt(variance), 1.0)
    return noise


def detectable(rows: int, reference: Proportion, level: float) -> float:
    """The smallest live proportion that ``rows`` rows show at ``level`` with 80% power.

    For binomial rows against this reference; exact (the inversion is that of Clopper and Pearson
    1934). 1 if no proportion is detectable.
    """
    too_few, enough = int(reference.value * rows), rows
    if p_value(Proportion(enough, rows), reference) > level:
        return 1.0
    while too_few + 1 < enough:
        middle = (too_few + enough) // 2
        significant = p_value(Proportion(middle, rows), reference) <= level
        too_few, enough = (too_few, middle) if significant else (middle, enough)
    return float(betaincinv(enough, rows - enough + 1, POWER))


def tail(higher: Proportion, lower: Proportion) -> float:
    """``P(X >= higher.count)`` of the hypergeometric with both totals given. Both have rows."""
    successes, failures = higher.count + lower.count, lower.rows - lower.count
    last = min(successes, higher.rows)
    deviation = sqrt(successes * higher.rows / (higher.rows + lower.rows))
    stop = min(last, higher.count + int(MAX_DEVIATIONS * deviation) + 64)
    k = np.arange(higher.count, stop, dtype=np.float64)
    ratios = (successes - k) * (higher.rows - k) / ((k + 1) * (failures - higher.count + k + 1))
    return min(1.0, exp(_log_probability(higher, lower)) * (1.0 + float(np.cumprod(ratios).sum())))


def _log_probability(higher: Proportion, lower: Proportion) -> float:
    """Logarithm of the hypergeometric probability of exactly these two counts."""
    successes, rows = higher.count + lower.count, higher.rows + lower.rows
    both = _log_binomial(higher.rows, higher.count) + _log_binomial(lower.rows, lower.count)
    return both - _log_binomial(rows, successes)


def _log_binomial(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
