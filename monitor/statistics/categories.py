"""Has a feature with categories changed? A test of each, and one of all, at any depth of level.

Theory of operation
-------------------
Live rows and the reference's are two samples over the same ``c`` listed categories and a last cell
for everything rarer or never met. Given how often a category was met in both together, its live
count is hypergeometric if nothing changed, so each is tested exactly
(``monitor.statistics.proportions``), and the union bound adds them up. The weights of the bound
are half alike, half by size, so that a thousand rare categories cost a frequent one next to
nothing. A likelihood-ratio test over all (G, Williams 1976) sees what moves many a little; it
takes a quarter of the level::

    p = min(1,  min over categories p_c / (3/4 w_c),  p_G / (1/4))        w_c = (1/k + t_c/N) / 2

Weights and pooling depend on what *both* samples hold together, which the hypergeometric takes as
given. Only the list is the reference's own choice, and that flatters: what is just frequent enough
to be listed is overrated, what was never met is not impossible. Hence

* a category stands on its own if it could hardly have missed the list, when both samples together
  are asked: ``t_c m / N >= (sqrt(l - 1) + 3)²``, ``l`` the least count that is listed for sure
  (1, or one more than the least listed if something was left out), of which a Poisson count falls
  short by so much once in 8,000 times. All others, listed or not, are one "other";
* the last cell is compared with what the reference would have in it if every row were looked at
  without itself: the ``r`` rows of categories met ``l`` times or less, listed or not. With ``N``
  categories met ``l + 1`` times their variance is ``r (1 - r / m) + l (l + 1) N`` (Good 1953; Esty
  1983 for ``l = 1``), more than binomial: the reference counts as so many fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtri, xlogy

from monitor.counts.bins import effective_size, shared
from monitor.statistics.proportions import LEAST, Proportion, p_value, tail

SINGLE = 0.75  # of the level, for single categories; the rest is for all of them together
SAFE = 3.0  # by which the square root of an expected count exceeds that of what the list took
EXPECTED = 10  # rows that both samples must have to expect in every cell of the G test


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The reference's counts, and what follows from how its list was made."""

    counts: NDArray[np.int64]  # shape (c + 1,): the last is everything that is not listed
    size: int  # rows, the ``m`` of the formulas
    floor: float  # rows of the reference to expect of a category that stands on its own
    unlisted: Proportion  # what the last cell is compared with when it grows

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Categories:
        """Raises ``ValueError`` if there are no rows, or a count is negative."""
        if counts.size == 0 or (counts < 0).any() or not counts.any():
            raise ValueError("a reference needs rows, and no negative counts of them")
        least, size, expected = _surely_listed(counts), int(counts.sum()), _unlisted(counts)
        more = least * (least + 1) * int((counts[:-1] == least + 1).sum())
        binomial = expected * (1 - expected / size) + 1
        rows = ceil(size * binomial / (binomial + more))
        unlisted = Proportion(ceil(expected * rows / size), rows)
        return cls(counts, size, (sqrt(least - 1) + SAFE) ** 2, unlisted)


@dataclass(frozen=True, slots=True)
class CategoryResult:
    """What became of a test; while nothing was counted there is no worst category."""

    statistic: float = 0.0  # G over Williams' correction
    df: int = 0
    p_value: float = 1.0  # of single categories and of all together
    worst: int | None = None  # the category least in keeping; the last stands for all pooled ones
    before: float = 0.0  # its share of the reference
    now: float = 0.0


def test(reference: Categories, live: NDArray[np.int64]) -> CategoryResult:
    """Test live counts, shape (c + 1,). Raises ``ValueError`` for another shape."""
    if live.shape != reference.counts.shape:
        raise ValueError(f"expected counts of shape {reference.counts.shape}, got {live.shape}")
    table = Table.of(live, reference.counts)
    if not table.n:
        return CategoryResult()
    kept = alone(table, reference.floor)
    pooled = table.pooled(kept)
    one = min([*_cells(pooled, kept), *_newcomers(reference, table, kept)])
    statistic, df = g_statistic(pooled)
    p = one.p
    if df > 1:  # with two cells, all of them together are the same test as one
        p = min(one.p / SINGLE, float(chdtrc(df, statistic)) / (1 - SINGLE))
    return CategoryResult(statistic, df, min(1.0, p), one.category % live.size, one.before, one.now)


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Two samples over the same cells, the last of which holds all others."""

    live: NDArray[np.int64]  # shape (c + 1,)
    fixed: NDArray[np.int64]
    both: NDArray[np.int64]
    n: int  # rows of either
    m: int

    @classmethod
    def of(cls, live: NDArray[np.int64], fixed: NDArray[np.int64]) -> Table:
        return cls(live, fixed, live + fixed, int(live.sum()), int(fixed.sum()))

    def pooled(self, kept: NDArray[np.int64]) -> Table:
        """All but the ``kept``, positions of shape (k,), are added to the last; shape (k + 1,)."""
        if kept.size == self.both.size - 1:
            return self
        live, fixed = _pooled(self.live, kept, self.n), _pooled(self.fixed, kept, self.m)
        return Table(live, fixed, live + fixed, self.n, self.m)


def alone(table: Table, floor: float) -> NDArray[np.int64]:
    """The listed categories of which the reference had ``floor`` rows to expect, shape (k,)."""
    least = floor * (table.n + table.m) / table.m
    return np.flatnonzero(table.both[:-1] >= least)


def frequent(table: Table) -> NDArray[np.int64]:
    """The categories of which both samples have ten rows to expect, shape (k,).

    The smallest of them, or all that are as small, join the others if these would have fewer.
    """
    least = EXPECTED * (table.n + table.m) / min(table.n, table.m)
    kept = np.flatnonzero(table.both[:-1] >= least)
    others = table.n + table.m - int(table.both[kept].sum())
    if kept.size and 0 < others < least:
        kept = kept[table.both[kept] > table.both[kept].min()]
    return kept


def g_statistic(table: Table) -> tuple[float, int]:
    """G over Williams' correction and its degrees of freedom, pooled by ``frequent``.

    (0, 0) if fewer than two cells are left. Both samples have rows.
    """
    table, n, m = table.pooled(frequent(table)), table.n, table.m
    met, rows = table.both[table.both > 0], n + m
    df = met.size - 1
    if df < 1:
        return 0.0, 0
    cells = _entropy(table.live) + _entropy(table.fixed) - _entropy(met)
    g = 2 * (cells - n * log(n) - m * log(m) + rows * log(rows))
    excess = (rows / n + rows / m - 1) * (float((rows / met).sum()) - 1) / (6 * rows * df)
    return max(0.0, g / (1 + excess)), df


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

    Of independent rows it is positive, ``part`` being 1, with probability ``level`` at the most, as
    far as ``noise`` keeps it; in [-1, 1].
    """
    bound = noise(halves[0] + halves[1], fixed, level)
    return float((np.abs(_lasting(*halves, fixed)) - part * bound).max(initial=-1.0))


def noise(live: NDArray[np.int64], fixed: NDArray[np.int64], level: float) -> NDArray[np.float64]:
    """How far each share strays by chance; one or more go beyond with probability about ``level``.

    Shape (c + 1,), all 1 while a side has no rows. By the union bound over the ``k`` categories
    met; of each the normal quantile, and the next term for its skewness (Cornish and Fisher 1938)::

        z sqrt(s (1 - s) / en) + (z² - 1) / 6 |1/n - 1/m|        z of level / (2 k)

    A series, not a theorem: measured, at most ``level`` down to 0.01 and thrice that at 0.001. What
    both halves share is never more than the whole deviates, so it is bounded likewise.
    """
    n, m, both = int(live.sum()), int(fixed.sum()), live + fixed
    if not (n and m):
        return np.ones(live.size)
    both[-1] = live[-1] + _unlisted(fixed)
    met = np.count_nonzero(both)
    z = -float(ndtri(level / (2 * met if met > 2 else 2)))
    share = np.minimum(both / (n + m), 1.0)
    skewness = (z * z - 1) / 6 * abs(1 / n - 1 / m)
    bound: NDArray[np.float64] = z * np.sqrt(share * (1 - share) / effective_size(n, m)) + skewness
    return np.clip(bound, 0.0, 1.0)


@dataclass(frozen=True, slots=True, order=True)
class _Found:
    p: float  # over its weight: the union bound is paid
    category: int  # -1: the last
    before: float
    now: float


def _cells(table: Table, kept: NDArray[np.int64]) -> Iterator[_Found]:
    """The category least in keeping, then all that a test could find out of it, with their p."""
    surprise, weight = _pearson(table), _weights(table)
    uncertain = np.flatnonzero(surprise >= np.log(LEAST / weight))
    for order, cell in enumerate([int(surprise.argmax()), *uncertain.tolist()]):
        now, before = (
            Proportion(int(table.live[cell]), table.n),
            Proportion(int(table.fixed[cell]), table.m),
        )
        p = p_value(now, before) / float(weight[cell]) if order else 1.0
        place = int(kept[cell]) if cell < kept.size else -1
        yield _Found(p, place, before.value, now.value)


def _newcomers(reference: Categories, table: Table, kept: NDArray[np.int64]) -> Iterator[_Found]:
    """What is not listed, if it grew, and is not already all that was pooled."""
    now, expected = Proportion(int(table.live[-1]), table.n), reference.unlisted
    if now.value > expected.value and kept.size < table.both.size - 1:
        p = tail(now, expected) * 2 * (kept.size + 2)
        yield _Found(p, -1, int(table.fixed[-1]) / table.m, now.value)


def _weights(table: Table) -> NDArray[np.float64]:
    """Parts of the level, shape (k + 1,), which leave one of ``2 (k + 2)`` for newcomers."""
    if np.count_nonzero(table.both) == 2 and table.both[-1] == 0:
        return np.ones(table.both.size)  # what one of two wins the other loses
    weights: NDArray[np.float64] = 0.5 / (table.both.size + 1) + table.both / (
        2 * (table.n + table.m)
    )
    return weights


def _pearson(table: Table) -> NDArray[np.float64]:
    """z² of every cell against all others, shape (k + 1,); 0 where there is nothing to compare."""
    n, m, rows = float(table.n), float(table.m), float(table.n + table.m)
    cross = table.live * m - table.fixed * n
    others = np.maximum(table.both * (rows - table.both), 1.0)
    squares: NDArray[np.float64] = cross * cross / others * (rows / (n * m))
    return squares


def _pooled(counts: NDArray[np.int64], kept: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    pooled = np.empty(kept.size + 1, dtype=np.int64)
    pooled[:-1] = counts[kept]
    pooled[-1] = rows - pooled[:-1].sum()
    return pooled


def _entropy(counts: NDArray[np.int64]) -> float:
    return float(xlogy(counts, counts).sum())


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


def _surely_listed(counts: NDArray[np.int64]) -> int:
    """The least count that is listed whatever its name; 1 if all that was met is listed."""
    listed = counts[:-1][counts[:-1] > 0]
    return int(listed.min()) + 1 if counts[-1] and listed.size else 1


def _unlisted(counts: NDArray[np.int64]) -> int:
    """Rows that the last cell would have, at most, if each were looked at without itself."""
    listed = counts[:-1]
    return int(counts[-1] + listed[listed <= _surely_listed(counts)].sum())
