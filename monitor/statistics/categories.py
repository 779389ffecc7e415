"""Tests whether the proportions of a feature's categories have changed, exact at every level.

Theory of operation
-------------------
The live rows and the reference are two samples over the same ``c`` listed categories and a last
cell for all rarer or unseen ones. Given the total count of a category in both samples, its live
count is hypergeometric if nothing changed. So each category has an exact test
(``monitor.statistics.proportions``), and the union bound combines them. Half of its weights are
equal and half are proportional to size, so that a thousand rare categories cost a frequent one
almost nothing. A likelihood-ratio test over all cells (G, Williams 1976) detects small changes of
many categories; it gets a quarter of the level::

    p = min(1,  min over categories p_c / (3/4 w_c),  p_G / (1/4))        w_c = (1/k + t_c/N) / 2

Weights and pooling depend only on the totals of *both* samples, which the hypergeometric takes as
given. But the list was chosen from the reference alone, which introduces a bias: categories that
just made the list are overestimated, and unseen categories are not impossible. Therefore:

* A category is tested on its own only if it could hardly have missed the list, judged by the total
  of both samples: ``t_c m / N >= (sqrt(l - 1) + 3)²``, where ``l`` is the smallest count that is
  listed for sure (1, or one more than the smallest listed count if some were left out). A Poisson
  count falls short by that much once in 8,000 times. All others, listed or not, are pooled.
* If the last cell grew, it is compared with a leave-one-out estimate from the reference: the ``r``
  rows of categories with ``l`` rows or fewer, listed or not. With ``N`` categories of ``l + 1``
  rows the variance of the estimate is ``r (1 - r / m) + l (l + 1) N`` (Good 1953; Esty 1983 for
  ``l = 1``), more than binomial, so the reference counts as correspondingly fewer rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from monitor.statistics.category_deviations import expected_unlisted, surely_listed_count
from monitor.statistics.contingency_table import ContingencyTable, g_statistic
from monitor.statistics.proportions import MIN_P_VALUE_FACTOR, Proportion, p_value, tail

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SINGLE_SHARE = 0.75  # of the level, for single categories; the rest is for the G test
SAFETY = 3.0  # between the roots of the expected count and of the count that the list required


@dataclass(frozen=True, slots=True, eq=False)
class Categories:
    """The reference's counts, and the corrections for the way its list was chosen."""

    counts: Ints  # shape (c + 1,): the last cell is everything that is not listed
    size: int  # rows, the ``m`` of the formulas
    min_expected: float  # reference rows that a category tested on its own must expect
    unlisted: Proportion  # the last cell is compared with this if it grew

    @classmethod
    def of(cls, counts: Ints) -> Categories:
        """Raises ``ValueError`` if there are no rows, or a count is negative."""
        if counts.size == 0 or (counts < 0).any() or not counts.any():
            raise ValueError("a reference needs rows, and no negative counts of them")
        size, least = int(counts.sum()), surely_listed_count(counts)
        expected = expected_unlisted(counts)
        extra_variance = least * (least + 1) * int((counts[:-1] == least + 1).sum())
        binomial = expected * (1 - expected / size) + 1
        rows = ceil(size * binomial / (binomial + extra_variance))
        unlisted = Proportion(ceil(expected * rows / size), rows)
        return cls(counts, size, (sqrt(least - 1) + SAFETY) ** 2, unlisted)


@dataclass(frozen=True, slots=True)
class CategoryResult:
    """The result of a test. Without live rows no category is named."""

    g: float = 0.0  # G over Williams' correction
    df: int = 0
    p_value: float = 1.0  # of single categories and of G together
    category: int | None = None  # the most significant one; the last stands for all pooled ones
    reference: float = 0.0  # its proportion in the reference
    live: float = 0.0  # and in the live rows


def test(reference: Categories, live: Ints) -> CategoryResult:
    """Test live counts, shape (c + 1,). Raises ``ValueError`` for another shape."""
    if live.shape != reference.counts.shape:
        raise ValueError(f"expected counts of shape {reference.counts.shape}, got {live.shape}")
    table = ContingencyTable.of(live, reference.counts)
    if not table.n:
        return CategoryResult()
    kept = separately_tested(table, reference.min_expected)
    pooled = table.pooled(kept)
    single = min([*_cell_tests(pooled, kept), *_unlisted_tests(reference, table, kept)])
    g, df = g_statistic(pooled)
    p = single.p
    if df > 1:  # with two cells, G tests the same hypothesis as the single category
        p = min(single.p / SINGLE_SHARE, float(chdtrc(df, g)) / (1 - SINGLE_SHARE))
    return CategoryResult(
        g, df, min(1.0, p), single.category % live.size, single.reference, single.live
    )


def separately_tested(table: ContingencyTable, min_expected: float) -> Ints:
    """The listed categories of which the reference expects ``min_expected`` rows, shape (k,)."""
    least = min_expected * (table.n + table.m) / table.m
    return np.flatnonzero(table.total[:-1] >= least)


@dataclass(frozen=True, slots=True, order=True)
class _SingleTest:
    p: float  # divided by its weight in the union bound
    category: int  # -1: the last
    reference: float
    live: float


def _cell_tests(table: ContingencyTable, kept: Ints) -> Iterator[_SingleTest]:
    """The most deviating category (with p = 1), then all that could be significant."""
    pearson, weight = table.pearson(), _weights(table)
    uncertain = np.flatnonzero(pearson >= np.log(MIN_P_VALUE_FACTOR / weight))
    for order, cell in enumerate([int(pearson.argmax()), *uncertain.tolist()]):
        live = Proportion(int(table.live[cell]), table.n)
        reference = Proportion(int(table.reference[cell]), table.m)
        p = p_value(live, reference) / float(weight[cell]) if order else 1.0
        category = int(kept[cell]) if cell < kept.size else -1
        yield _SingleTest(p, category, reference.value, live.value)


def _unlisted_tests(
    reference: Categories, table: ContingencyTable, kept: Ints
) -> Iterator[_SingleTest]:
    """The unlisted cell, if it grew and is not already the whole of the pooled cell."""
    live, expected = Proportion(int(table.live[-1]), table.n), reference.unlisted
    if live.value > expected.value and kept.size < table.total.size - 1:
        p = tail(live, expected) * 2 * (kept.size + 2)
        yield _SingleTest(p, -1, int(table.reference[-1]) / table.m, live.value)


def _weights(table: ContingencyTable) -> Floats:
    """Parts of the level, shape (k + 1,). They leave ``1 / (2 (k + 2))`` for the unlisted cell."""
    if np.count_nonzero(table.total) == 2 and table.total[-1] == 0:
        return np.ones(table.total.size)  # the two categories are one test
    rows = table.n + table.m
    weights: Floats = 0.5 / (table.total.size + 1) + table.total / (2 * rows)
    return weights
