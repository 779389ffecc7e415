"""How far the proportions of categories deviate, what persists of it, and what noise explains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.counts.bins import effective_size, persistent_deviation
from monitor.statistics.critical_values import skewness_correction

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def persistent(first: Ints, second: Ints, reference: Ints) -> float:
    """The largest deviation of a category's proportion that both halves have, in [0, 1].

    All of shape (c + 1,). If one half has no rows, the deviation of the other.
    """
    return float(np.abs(_persistent(first, second, reference)).max(initial=0.0))


def excess(halves: tuple[Ints, Ints], reference: Ints, level: float, part: float = 1.0) -> float:
    """The largest of the persistent deviations minus ``part`` of their noise, in [-1, 1].

    For independent rows and ``part`` 1 it is positive with probability ``level`` at most, as far as
    ``noise`` keeps that level.
    """
    limit = noise(halves[0] + halves[1], reference, level)
    deviations = np.abs(_persistent(*halves, reference))
    return float((deviations - part * limit).max(initial=-1.0))


def noise(live: Ints, reference: Ints, level: float) -> Floats:
    """Deviations that one or more proportions exceed by chance with probability about ``level``.

    Shape (c + 1,); all 1 if a side has no rows. A union bound over the ``k`` categories with rows;
    for each, the normal quantile and the skewness correction (Cornish and Fisher 1938)::

        z sqrt(s (1 - s) / en) + (z² - 1) / 6 |1/n - 1/m|        z of level / (2 k)

    This is an approximation. Measured: at most ``level`` down to 0.01, and three times ``level`` at
    0.001. The persistent deviation never exceeds that of the whole window, so the bound holds for
    it as well.
    """
    n, m, total = int(live.sum()), int(reference.sum()), live + reference
    if not (n and m):
        return np.ones(live.size)
    total[-1] = live[-1] + expected_unlisted(reference)
    categories = np.count_nonzero(total)
    z = -float(ndtri(level / (2 * categories if categories > 2 else 2)))
    proportion = np.minimum(total / (n + m), 1.0)
    deviation = np.sqrt(proportion * (1 - proportion) / effective_size(n, m))
    limit: Floats = z * deviation + skewness_correction(z, abs(1 / n - 1 / m))
    return np.clip(limit, 0.0, 1.0)


def surely_listed_count(counts: Ints) -> int:
    """The smallest count that is listed whatever its name; 1 if nothing was left out."""
    listed = counts[:-1][counts[:-1] > 0]
    return int(listed.min()) + 1 if counts[-1] and listed.size else 1


def expected_unlisted(counts: Ints) -> int:
    """Leave-one-out estimate, from above, of the rows that fall into the last cell."""
    listed = counts[:-1]
    return int(counts[-1] + listed[listed <= surely_listed_count(counts)].sum())


def _persistent(first: Ints, second: Ints, reference: Ints) -> Floats:
    if not first.any() or not second.any():
        return _deviations(first + second, reference)
    return persistent_deviation(_deviations(first, reference), _deviations(second, reference))


def _deviations(live: Ints, reference: Ints) -> Floats:
    """Live minus reference proportion. The last cell may grow to its estimate without deviation."""
    n, m = int(live.sum()), int(reference.sum())
    if not (n and m):
        return np.zeros(live.size)
    deviations: Floats = live / n - reference / m
    if deviations[-1] > 0:
        deviations[-1] = max(0.0, live[-1] / n - expected_unlisted(reference) / m)
    return deviations
