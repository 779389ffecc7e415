"""Has a feature with categories changed? A test of each, and one of all, at any depth of level.

Theory of operation
-------------------
Live rows and the reference's are two samples over the same ``c`` listed categories and a last cell
for everything rarer or never met. Given how often a category was met in both together, its live
count is hypergeometric if nothing changed, so each is tested exactly (``monitor.shares``), and the
union bound adds them up. The weights of the bound are half alike, half by size, so that a thousand
rare categories cost a frequent one next to nothing. A likelihood-ratio test over all (G, Williams
1976) sees what moves many a little; it takes a quarter of the level::

    p = min(1,  min over categories p_c / (3/4 w_c),  p_G / (1/4))        w_c = (1/k + t_c/N) / 2

Weights and pooling depend on what *both* samples hold together, which the hypergeometric takes as
given. Only the list is the reference's own choice, and that flatters: what is just frequent enough
to be listed is overrated, what was never met is not impossible. Hence

* a category stands on its own if it could hardly have missed the list, when both samples together
  are asked: ``t_c m / N >= (sqrt(l - 1) + 3)²``, ``l`` the least listed count, which a Poisson
  count falls short of by so much once in 8,000 times. All others, listed or not, are one "other";
* the last cell is compared with what the reference would have in it if every row were looked at
  without itself: ``r + l N_l`` rows, ``N_l`` the categories with the least count, with a variance
  of ``r + l N_l + l (l + 1) N_{l+1}`` (Good 1953; Esty 1983 for ``l = 1``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtri, xlogy

from monitor.bins import effective_size, shared
from monitor.shares import LEAST, Share, p_value, tail

SINGLE = 0.75  # of the level, for single categories; the rest is for all of them together
SAFE = 3.0  # by which the square root of an expected count exceeds that of what the list took
EXPECTED = 10  # rows that both samples must have to expect in every cell of the G test


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The reference's counts, and what follows from how its list was made."""

    counts: NDArray[np.int64]  # shape (c + 1,): the last is everything that is not listed
    size: int  # rows, the ``m`` of the formulas
    floor: float  # rows of the reference to expect of a category that stands on its own
    unlisted: Share  # what the last cell is compared with when it grows

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Categories:
        """Raises ``ValueError`` if there are no rows, or a count is negative."""
        if counts.size == 0 or (counts < 0).any() or not counts.any():
            raise ValueError("a reference needs rows, and no negative counts of them")
        least, size, expected = _least_listed(counts), int(counts.sum()), _unlisted(counts)
        spread = least * (least + 1) * int((counts[:-1] == least + 1).sum())
        rows = ceil(size * (expected + 1) / (expected + 1 + spread))
        unlisted = Share(ceil(expected * rows / size), rows)
        return cls(counts, size, (sqrt(least - 1) + SAFE) ** 2, unlisted)


@dataclass(frozen=True, slots=True, eq=False)
class Pooling:
    """Which categories stand on their own; all others are one, and come last."""

    kept: NDArray[np.int64]  # positions, shape (k,), never the last

    def of(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Pooled counts, shape (k + 1,)."""
        own = counts[self.kept]
        return np.append(own, counts.sum() - own.sum())


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of a test; while nothing was counted there is no worst category."""

    statistic: float = 0.0  # G over Williams' correction
    df: int = 0
    p_value: float = 1.0  # of single categories and of all together
    worst: int | None = None  # the category least in keeping; the last stands for all pooled ones
    before: float = 0.0  # its share of the reference
    now: float = 0.0


def test(reference: Categories, live: NDArray[np.int64]) -> Tested:
    """Test live counts, shape (c + 1,). Raises ``ValueError`` for another shape."""
    if live.shape != reference.counts.shape:
        raise ValueError(f"expected counts of shape {reference.counts.shape}, got {live.shape}")
    if not live.any():
        return Tested()
    pooling = alone(live, reference.counts, reference.floor)
    now, fixed = pooling.of(live), pooling.of(reference.counts)
    one = min([*_cells(pooling, now, fixed), *_newcomers(reference, live, pooling)])
    statistic, df = g_statistic(now, fixed)
    p = one.p
    if df > 1:  # with two cells, all of them together are the same test as one
        p = min(one.p / SINGLE, float(chdtrc(df, statistic)) / (1 - SINGLE))
    return Tested(statistic, df, min(1.0, p), one.category % live.size, one.before, one.now)


def alone(live: NDArray[np.int64], fixed: NDArray[np.int64], floor: float) -> Pooling:
    """Keep the listed categories of which the reference had ``floor`` rows to expect."""
    n, m = int(live.sum()), int(fixed.sum())
    return Pooling(np.flatnonzero((live + fixed)[:-1] * (m / (n + m)) >= floor))


def frequent(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> Pooling:
    """Keep the categories of which both samples have ten rows to expect.

    The smallest of them joins the others if these would have fewer themselves.
    """
    n, m, both = int(live.sum()), int(fixed.sum()), live + fixed
    least = EXPECTED * (n + m) / min(n, m) if n and m else np.inf
    kept = np.flatnonzero(both[:-1] >= least)
    if kept.size and 0 < n + m - both[kept].sum() < least:
        kept = np.delete(kept, both[kept].argmin())
    return Pooling(kept)


def g_statistic(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> tuple[float, int]:
    """G over Williams' correction and its degrees of freedom, pooled by ``frequent``.

    Shapes (c + 1,); (0, 0) if fewer than two cells are left.
    """
    pooling = frequent(live, fixed)
    table = np.stack([pooling.of(live), pooling.of(fixed)])
    both, rows = table.sum(axis=0), table.sum(axis=1)
    met, size = both[both > 0], int(rows.sum())
    df = met.size - 1
    if df < 1 or not rows.all():
        return 0.0, 0
    inside, margins = xlogy(table, table).sum(), xlogy(met, met).sum() + xlogy(rows, rows).sum()
    excess_mean = ((size / rows).sum() - 1) * ((size / met).sum() - 1) / (6 * size * df)
    g = 2 * (inside - margins + xlogy(size, size))
    return max(0.0, float(g / (1 + excess_mean))), df


def persistent(
    first: NDArray[np.int64], second: NDArray[np.int64], fixed: NDArray[np.int64]
) -> float:
    """The largest deviation of a category's share that both halves have, in [0, 1].

    Shapes (c + 1,). A half without rows says nothing, and the other one stands for both.
    """
    return float(np.abs(_lasting(first, second, fixed)).max(initial=0.0))


def excess(
    halves: tuple[NDArray[np.int64], NDArray[np.int64]],
    fixed: NDArray[np.int64],
    level: float,
    part: float = 1.0,
) -> float:
    """By how much what persists of a category exceeds ``part`` of its noise, at the most.

    Of independent rows it is positive, ``part`` being 1, with probability ``level``; in [-1, 1].
    """
    bound = noise(halves[0] + halves[1], fixed, level)
    return float((np.abs(_lasting(*halves, fixed)) - part * bound).max(initial=-1.0))


def noise(live: NDArray[np.int64], fixed: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """How far each share strays by chance; one or more go beyond with probability ``level``.

    Shape (c + 1,), all 1 while a side has no rows. By the union bound over the ``k`` categories
    met; of each the normal quantile, and the next term for its skewness (Cornish and Fisher 1938)::

        z sqrt(s (1 - s) / en) + (z² - 1) / 6 |1/n - 1/m|        z of level / (2 k)

    What both halves share is never more than the whole deviates, so it is bounded likewise.
    """
    n, m, both = int(live.sum()), int(fixed.sum()), live + fixed
    if not (n and m):
        return np.ones(live.size)
    met = int((both > 0).sum())
    z = -float(ndtri(level / (2 * (met if met > 2 else 1))))
    share = both / (n + m)
    skewness = (z * z - 1) / 6 * abs(1 / n - 1 / m)
    bound: NDArray[np.float64] = z * np.sqrt(share * (1 - share) / effective_size(n, m)) + skewness
    return np.clip(bound, 0.0, 1.0)


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    p: float  # over its weight: the union bound is paid
    category: int  # -1: the last
    before: float
    now: float


def _cells(pooling: Pooling, now: NDArray[np.int64], fixed: NDArray[np.int64]) -> Iterator[_Found]:
    """The category least in keeping, then all that a test could find out of it, with their p."""
    n, m, place = int(now.sum()), int(fixed.sum()), np.append(pooling.kept, -1)
    surprise, weight = _pearson(now, fixed), _weights(now + fixed)
    least = int(surprise.argmax())
    yield _Found(1.0, int(place[least]), float(fixed[least]) / m, float(now[least]) / n)
    for cell in np.flatnonzero(surprise >= np.log(LEAST / weight)):
        live, before = Share(int(now[cell]), n), Share(int(fixed[cell]), m)
        p = p_value(live, before) / float(weight[cell])
        yield _Found(p, int(place[cell]), before.value, live.value)


def _newcomers(
    reference: Categories, live: NDArray[np.int64], pooling: Pooling
) -> Iterator[_Found]:
    """What is not listed, if it grew, and is not already all that was pooled."""
    cell, expected = Share(int(live[-1]), int(live.sum())), reference.unlisted
    if cell.value > expected.value and pooling.kept.size < int(reference.counts[:-1].size):
        p = tail(cell, expected) * 2 * (pooling.kept.size + 2)
        yield _Found(p, -1, int(reference.counts[-1]) / reference.size, cell.value)


def _weights(both: NDArray[np.int64]) -> NDArray[np.float64]:
    """Parts of the level, shape (k + 1,), which leave one of ``2 (k + 2)`` for newcomers."""
    if np.count_nonzero(both) == 2 and both[-1] == 0:  # one's gain is the other's loss
        return np.ones(both.size)
    weights: NDArray[np.float64] = (1 / (both.size + 1) + both / both.sum()) / 2
    return weights


def _pearson(now: NDArray[np.int64], fixed: NDArray[np.int64]) -> NDArray[np.float64]:
    """z² of every cell against all others, shape (k + 1,); 0 where there is nothing to compare."""
    n, m, both = float(now.sum()), float(fixed.sum()), now + fixed
    cross = now * m - fixed * n
    split = np.maximum(both * (n + m - both), 1)
    return np.square(cross) / (n * m) * ((n + m) / split)


def _lasting(
    first: NDArray[np.int64], second: NDArray[np.int64], fixed: NDArray[np.int64]
) -> NDArray[np.float64]:
    if not first.any() or not second.any():
        return _deviations(first + second, fixed)
    return shared(_deviations(first, fixed), _deviations(second, fixed))


def _deviations(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> NDArray[np.float64]:
    """Live minus reference share; the last may grow by what was to be expected of it."""
    n, m = int(live.sum()), int(fixed.sum())
    if not (n and m):
        return np.zeros(live.size)
    gaps: NDArray[np.float64] = live / n - fixed / m
    if gaps[-1] > 0:
        gaps[-1] = max(0.0, live[-1] / n - _unlisted(fixed) / m)
    return gaps


def _least_listed(counts: NDArray[np.int64]) -> int:
    """The count that it took to be listed; 1 if all that was met is."""
    listed = counts[:-1][counts[:-1] > 0]
    return int(listed.min()) if counts[-1] and listed.size else 1


def _unlisted(counts: NDArray[np.int64]) -> int:
    """Rows that the last cell would have if each were looked at without itself."""
    least = _least_listed(counts)
    return int(counts[-1]) + least * int((counts[:-1] == least).sum())
