"""Has a feature with categories changed? Seen early, and at the level promised, however deep."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import chdtrc, gammaln, xlogy
from scipy.stats import binom, chi2, chi2_contingency, fisher_exact, hypergeom

from monitor.statistics import categories
from monitor.statistics.categories import SINGLE_SHARE, Categories
from monitor.statistics.category_deviations import excess, noise, persistent
from monitor.statistics.contingency_table import ContingencyTable, frequent, g_statistic


def counted(*counts) -> np.ndarray:
    return np.array(counts, dtype=np.int64)


def judged(live, fixed) -> categories.CategoryResult:
    return categories.test(Categories.of(np.asarray(fixed)), np.asarray(live))


def many(cells: int, least: int, most: int, last: int = 0):
    own = arrays(np.int64, cells, elements=st.integers(least, most))
    return st.builds(lambda a, b: np.append(a, b), own, st.integers(0, last))


# -- against scipy -----------------------------------------------------------------------------


@given(live=many(5, 60, 300), fixed=many(5, 60, 300))
def test_g_equals_scipys_likelihood_ratio_over_williams_correction(live, fixed):
    table = np.stack([live, fixed])[:, :-1]
    theirs = chi2_contingency(table, correction=False, lambda_="log-likelihood")
    rows, columns, size = table.sum(axis=1), table.sum(axis=0), table.sum()
    williams = 1 + ((size / rows).sum() - 1) * ((size / columns).sum() - 1) / (6 * size * 4)
    g, df = g_statistic(ContingencyTable.of(live, fixed))
    assert df == theirs.dof == 4
    assert g == pytest.approx(theirs.statistic / williams, abs=1e-7)


@given(live=many(4, 40, 300), fixed=many(4, 40, 300))
def test_category_p_value_is_the_union_bound_of_single_tests_and_g(live, fixed):
    """From its definition, with every category frequent and none unlisted."""
    n, m = int(live.sum()), int(fixed.sum())
    p = chi2.sf(*g_statistic(ContingencyTable.of(live, fixed))) / (1 - SINGLE_SHARE)
    for x, a in zip(live[:-1].tolist(), fixed[:-1].tolist(), strict=True):
        tail = min(hypergeom.sf(x - 1, n + m, x + a, n), hypergeom.cdf(x, n + m, x + a, n))
        weight = (1 / 6 + (x + a) / (n + m)) / 2  # four of their own, all others, and newcomers
        p = min(p, 2 * tail / (SINGLE_SHARE * weight))
    assert judged(live, fixed).p_value == pytest.approx(min(1.0, p), rel=1e-6, abs=1e-290)


@given(live=many(2, 0, 50), fixed=many(2, 40, 400))
def test_two_categories_are_one_exact_test_at_the_whole_level(live, fixed):
    if not live.any():
        return
    found = judged(live, fixed)
    side = "greater" if live[0] * fixed.sum() > fixed[0] * live.sum() else "less"
    theirs = fisher_exact([live[:2], fixed[:2]], alternative=side).pvalue
    assert found.p_value == pytest.approx(min(1.0, 2 * theirs), rel=1e-6, abs=1e-290)
    assert found.df <= 1


@given(live=many(8, 0, 60, last=20), fixed=many(8, 1, 60, last=20), seed=st.integers(0, 99))
@example(
    live=np.array([9, 1, 30, 40, 0, 0, 0, 0, 2]),
    fixed=np.array([21, 29, 30, 40, 1, 1, 1, 1, 2]),
    seed=3,
)
def test_category_test_does_not_depend_on_the_order_of_categories(live, fixed, seed):
    order = np.append(np.random.default_rng(seed).permutation(8), 8)
    found, again = judged(live, fixed), judged(live[order], fixed[order])
    assert again.p_value == pytest.approx(found.p_value, rel=1e-9)
    assert (again.df, again.g) == (found.df, pytest.approx(found.g, abs=1e-6))


# -- pooling -----------------------------------------------------------------------------------


@given(live=many(8, 0, 60, last=20), fixed=many(8, 0, 60, last=20), kept=st.sets(st.integers(0, 7)))
def test_pooling_categories_keeps_all_rows(live, fixed, kept):
    table = ContingencyTable.of(live, fixed)
    own = np.array(sorted(kept), dtype=np.int64)
    pooled = table.pooled(own)
    assert (pooled.live.sum(), pooled.reference.sum()) == (table.n, table.m)
    assert (pooled.live[:-1] == live[own]).all()
    assert (pooled.total == pooled.live + pooled.reference).all()


@given(live=many(8, 0, 60, last=20), fixed=many(8, 0, 200, last=20))
def test_every_cell_of_the_g_test_expects_ten_rows(live, fixed):
    table = ContingencyTable.of(live, fixed)
    if not (table.n and table.m):
        return
    both = table.pooled(frequent(table)).total
    least = both[both > 0].min() * min(table.n, table.m) / (table.n + table.m)
    assert least >= 10 - 1e-9 or both[:-1].sum() == 0


def test_a_thousand_rare_categories_barely_raise_the_p_value_of_a_frequent_one():
    live, fixed = counted(300, 700, 0), counted(2_000, 8_000, 0)
    some = judged(live, fixed).p_value
    rare = np.full(1_000, 20)
    more = judged(
        np.concatenate([live[:2], rare // 10, [0]]), np.concatenate([fixed[:2], rare, [0]])
    ).p_value
    assert some < more < 1e-6


# -- what it sees ------------------------------------------------------------------------------

EVEN = np.append(np.full(20, 500), 0)  # 10,000 rows of twenty categories alike


def test_equal_category_proportions_have_p_value_1():
    found = judged(EVEN // 5, EVEN)
    assert (found.g, found.df, found.p_value) == (pytest.approx(0, abs=1e-9), 19, 1.0)


def test_a_category_that_grows_by_5_percent_is_significant_and_named():
    live = np.append(np.full(20, 1_400 * 0.95 / 20), 0).astype(np.int64)
    live[7] += 70
    found = judged(live, EVEN)
    assert found.p_value < 1e-6
    assert (found.category, found.reference) == (7, 0.05)
    assert found.live == pytest.approx(0.0975, abs=0.001)


def test_small_changes_of_all_categories_are_detected_by_g():
    live = np.append(np.tile([78, 122], 10), 0)
    found = judged(live, EVEN)
    assert found.p_value < 1e-6
    assert found.p_value == pytest.approx(chdtrc(19, found.g) / (1 - SINGLE_SHARE))


def test_an_unseen_category_is_significant_and_reported_as_the_last():
    live = np.append(np.full(20, 24), 20)
    found = judged(live, EVEN)
    assert found.p_value < 1e-15
    assert (found.category, found.reference, found.live) == (20, 0.0, 0.04)


def test_expected_unseen_categories_are_not_significant():
    """A tenth of the reference rows are unique; a tenth of the live rows are unseen."""
    fixed = np.append(np.concatenate([[900], np.ones(100, int)]), 0)
    live = np.append(np.concatenate([[900], np.zeros(100, int)]), 100)
    assert judged(live, fixed).p_value == 1.0
    assert judged(live * 100, fixed).p_value == 1.0


def test_far_more_unseen_categories_than_expected_are_significant():
    fixed = np.append(np.concatenate([[900], np.ones(100, int)]), 0)
    live = np.append(np.concatenate([[700], np.zeros(100, int)]), 300)
    assert judged(live, fixed).p_value < 1e-6


def test_a_new_category_among_many_rare_ones_is_significant():
    """The rare categories together hardly grew, but 12 of 2,000 rows are unseen."""
    rare = np.full(60, 5)
    fixed = np.append(np.concatenate([[9_700], rare]), 0)
    live = np.append(np.concatenate([[1_928], rare // 5]), 12)
    found = judged(live, fixed)
    assert (found.category, found.reference, found.live) == (61, 0.0, 0.006)
    tests = 1 + 1 + 1  # the frequent one, all others, and newcomers; of two cells there is no G
    assert found.p_value == pytest.approx(2 * tests * hypergeom.sf(11, 12_000, 12, 2_000))
    assert found.p_value < 1e-6


def test_a_category_that_vanishes_is_significant():
    live = np.append(np.full(20, 105), 0)
    live[3] = 0
    found = judged(live, EVEN)
    assert (found.p_value < 1e-20, found.category, found.live) == (True, 3, 0.0)


def test_a_constant_category_detects_every_departure_and_no_other():
    assert judged(counted(500, 0), counted(10_000, 0)).p_value == 1.0
    assert judged(counted(495, 5), counted(10_000, 0)).p_value < 1e-5


def test_category_test_without_rows_is_empty():
    assert judged(EVEN * 0, EVEN) == categories.CategoryResult()


def test_category_counts_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"expected counts of shape \(21,\), got \(20,\)"):
        judged(EVEN[1:], EVEN)


@pytest.mark.parametrize("counts", [[], [0, 0], [3, -1, 2]])
def test_category_reference_needs_rows(counts):
    with pytest.raises(ValueError, match="a reference needs rows"):
        Categories.of(np.array(counts, dtype=np.int64))


# -- the level ---------------------------------------------------------------------------------


def zipf(cells: int) -> np.ndarray:
    share = 1 / np.arange(1, cells + 1)
    return share / share.sum()


SHARES = {
    "alike": np.full(20, 0.05),
    "one rules": np.append(0.9, np.full(9, 0.1 / 9)),
    "long tail": zipf(50),
    "longer than the list": zipf(400),
    "each very rare": np.full(600, 1 / 600),
    "hardly longer than the list": np.full(120, 1 / 120),
    "each about twice": np.append(0.6, np.full(100, 0.004)),
}


def listed(live, fixed, most):
    """Both counts in the order of the reference's list of at most ``most``."""
    order = np.argsort(-fixed, kind="stable")[: min(most, np.count_nonzero(fixed))]
    return [
        np.append(counts[order], counts.sum() - counts[order].sum()) for counts in (live, fixed)
    ]


@pytest.mark.parametrize(("n", "m"), [(500, 500), (300, 3_000), (5_000, 500)])
@pytest.mark.parametrize("name", SHARES)
def test_category_test_keeps_its_level(name, n, m):
    rng, trials = np.random.default_rng(20240612), 1_000
    share = SHARES[name]
    windows = (
        listed(rng.multinomial(n, share), rng.multinomial(m, share), most=100)
        for _ in range(trials)
    )
    found = np.array([judged(live, fixed).p_value for live, fixed in windows])
    for level in (0.1, 0.02):
        assert (found <= level).sum() <= binom.isf(0.001, trials, level)


def test_g_keeps_its_level_deep_in_the_tail():
    """By importance: rows drawn with more spread, and weighted by how likely they really are."""
    rng, trials, n, m = np.random.default_rng(7), 20_000, 500, 10_000
    share, wider = np.array([0.94, 0.02, 0.02, 0.02]), 3.0
    prior = (n - wider) / (wider - 1) * share
    drawn = rng.gamma(prior, size=(trials, 4))
    live = rng.multinomial(n, drawn / drawn.sum(axis=1, keepdims=True))
    fixed = rng.multinomial(m, share, trials)
    ascending = (gammaln(live + prior) - gammaln(prior)).sum(axis=1)
    scale = gammaln(prior.sum()) - gammaln(n + prior.sum())
    weight = np.exp(xlogy(live, share).sum(axis=1) - scale - ascending)
    pairs = zip(live, fixed, strict=True)
    found = [g_statistic(ContingencyTable.of(np.append(a, 0), np.append(b, 0))) for a, b in pairs]
    p = np.array([chdtrc(df, g) if df else 1.0 for g, df in found])
    for level in (1e-2, 1e-4, 1e-6):
        assert 0.4 * level < (weight * (p <= level)).mean() < 1.5 * level


# -- how much ----------------------------------------------------------------------------------


def test_persistent_category_deviation_is_what_both_halves_have():
    fixed = counted(50, 30, 20, 0)
    assert persistent(counted(60, 20, 20, 0), counted(55, 35, 10, 0), fixed) == pytest.approx(0.05)
    assert persistent(counted(60, 20, 20, 0), counted(40, 40, 20, 0), fixed) == 0.0
    assert persistent(fixed * 2, fixed, fixed) == 0.0


def test_persistent_category_deviation_uses_the_other_half_if_one_has_no_rows():
    fixed, half, none = counted(50, 50, 0), counted(7, 3, 0), counted(0, 0, 0)
    assert persistent(none, half, fixed) == persistent(half, none, fixed) == pytest.approx(0.2)
    assert persistent(none, none, fixed) == 0.0


def test_unseen_categories_persist_only_beyond_their_expected_rows():
    fixed = np.append(np.concatenate([[900], np.ones(100, int)]), 0)
    usual = np.append(np.concatenate([[900], np.zeros(100, int)]), 100)
    more = np.append(np.concatenate([[700], np.zeros(100, int)]), 300)
    assert persistent(usual, usual, fixed) < 0.01
    assert persistent(more, more, fixed) == pytest.approx(0.2, abs=0.01)


@given(first=many(4, 0, 20, last=5), second=many(4, 0, 20, last=5), fixed=many(4, 1, 20, last=5))
def test_persistent_category_deviation_never_exceeds_that_of_the_whole_window(first, second, fixed):
    deviation = persistent(first, second, fixed)
    assert deviation == persistent(second, first, fixed)
    assert 0 <= deviation <= persistent(first + second, first * 0, fixed) + 1e-12
    assert excess((first, second), fixed, 0.01) <= deviation


def test_category_excess_is_the_largest_deviation_beyond_its_own_noise():
    fixed, half = counted(9_500, 400, 100, 0), counted(230, 10, 10, 0)
    limit = noise(half * 2, fixed, 0.01)
    deviations = np.abs(half / 250 - fixed / 10_000)
    assert excess((half, half), fixed, 0.01) == pytest.approx((deviations - limit).max())
    assert excess((half, half), fixed, 0.01, 0.5) == pytest.approx((deviations - limit / 2).max())


def test_category_noise_decreases_with_rows_and_is_1_without_any():
    bounds = [noise(EVEN // 50 * k, EVEN, 0.01).max() for k in (0, 1, 10, 100)]
    assert bounds[0] == 1.0
    assert all(a > b for a, b in pairwise(bounds))


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize(("n", "m"), [(200, 3_000), (2_000, 500)])
def test_independent_rows_rarely_exceed_the_category_noise(name, n, m):
    rng, trials, level = np.random.default_rng(99), 1_000, 0.05
    share, found = SHARES[name], 0
    for _ in range(trials):
        live, fixed = listed(rng.multinomial(n, share), rng.multinomial(m, share), most=100)
        found += excess((live, live * 0), fixed, level) > 0
    assert found <= binom.isf(0.001, trials, level)


def test_unlisted_categories_rarely_exceed_the_category_noise():
    rng, trials, level, found = np.random.default_rng(4), 500, 0.01, 0
    for _ in range(trials):
        rows = (rng.multinomial(size, zipf(2_000)) for size in (500, 10_000))
        live, fixed = listed(*rows, most=2_000)
        found += excess((live, live * 0), fixed, level) > 0
    assert found <= binom.isf(0.001, trials, level)
