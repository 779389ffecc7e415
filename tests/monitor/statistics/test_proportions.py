"""Has a share changed? Exact at every depth, and free of cost where nothing did."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom, fisher_exact, hypergeom

from monitor.statistics.proportions import (
    POWER,
    Proportion,
    certainly_not_significant,
    detectable,
    p_value,
    persistent,
    tail,
)


@st.composite
def shares(draw, least=0, most=3_000):
    rows = draw(st.integers(least, most))
    return Proportion(draw(st.integers(0, rows)), rows)


# -- the test ----------------------------------------------------------------------------------


@given(live=shares(least=1), fixed=shares(least=1))
def test_p_value_of_a_proportion_is_twice_fishers_one_sided_p_value(live, fixed):
    table = [
        [live.count, live.rows - live.count],
        [fixed.count, fixed.rows - fixed.count],
    ]
    side = "greater" if live.value > fixed.value else "less"
    theirs = 1.0 if live.value == fixed.value else fisher_exact(table, alternative=side).pvalue
    assert p_value(live, fixed) == pytest.approx(min(1.0, 2 * theirs), rel=1e-7, abs=1e-290)


@given(live=shares(), fixed=shares())
def test_p_value_of_a_proportion_is_symmetric_in_both_samples_and_in_both_outcomes(live, fixed):
    sound, before = (
        Proportion(live.rows - live.count, live.rows),
        Proportion(fixed.rows - fixed.count, fixed.rows),
    )
    assert p_value(live, fixed) == p_value(fixed, live)
    assert p_value(live, fixed) == pytest.approx(p_value(sound, before), rel=1e-6)


@pytest.mark.parametrize(
    ("live", "fixed"),
    [
        (Proportion(60, 500), Proportion(100, 10_000)),
        (Proportion(0, 4_000), Proportion(300, 10_000)),
        (Proportion(50, 50), Proportion(0, 10_000)),
        (Proportion(40_500, 80_000), Proportion(5_000, 10_000)),
    ],
)
def test_hypergeometric_tail_is_exact_for_tiny_probabilities(live, fixed):
    more, less = (live, fixed) if live.value > fixed.value else (fixed, live)
    rows, invalid_values = more.rows + less.rows, more.count + less.count
    theirs = hypergeom.logsf(more.count - 1, rows, invalid_values, more.rows)
    assert np.log(tail(more, less)) == pytest.approx(theirs, rel=1e-7)


def test_p_value_of_a_proportion_handles_a_billion_rows():
    assert p_value(Proportion(0, 10**8), Proportion(10**7, 10**9)) == 0.0
    assert p_value(Proportion(10**6, 10**8), Proportion(10**7, 10**9)) == 1.0
    assert 0.9 < p_value(Proportion(10**6 + 1, 10**8), Proportion(10**7, 10**9)) <= 1.0


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9])
@pytest.mark.parametrize(("n", "m"), [(40, 30), (10, 120)])
@pytest.mark.parametrize("level", [0.1, 1e-2, 1e-4])
def test_test_of_a_proportion_keeps_its_level_for_every_true_proportion(share, n, m, level):
    """No simulation: every pair of counts, and its probability."""
    chance = np.outer(binom.pmf(range(n + 1), n, share), binom.pmf(range(m + 1), m, share))
    rejected = [
        [p_value(Proportion(x, n), Proportion(a, m)) <= level for a in range(m + 1)]
        for x in range(n + 1)
    ]
    assert chance[np.array(rejected)].sum() <= level


def test_p_value_of_a_proportion_without_rows_is_1():
    assert p_value(Proportion(0, 0), Proportion(5, 10)) == 1.0
    assert p_value(Proportion(5, 10), Proportion(0, 0)) == 1.0
    assert Proportion(0, 0).value == 0.0


@pytest.mark.parametrize(("count", "rows"), [(-1, 5), (6, 5), (1, 0)])
def test_a_proportion_refuses_counts_outside_its_rows(count, rows):
    with pytest.raises(ValueError, match=f"got {count} of {rows}"):
        Proportion(count, rows)


# -- the fast bound ------------------------------------------------------------------------------

LEVELS = st.sampled_from([0.9, 0.5, 0.3, 0.1, 1e-2, 1e-3, 1e-5, 1e-8, 1e-20])


@given(live=shares(), fixed=shares(), level=LEVELS)
@example(live=Proportion(0, 12), fixed=Proportion(12, 12), level=1e-8)
@example(live=Proportion(3_484, 9_349), fixed=Proportion(65, 161), level=0.5)
@example(live=Proportion(0, 3_000), fixed=Proportion(8, 3_000), level=1e-2)
def test_the_fast_bound_never_drops_a_significant_proportion(live, fixed, level):
    if certainly_not_significant(live, fixed, level):
        assert p_value(live, fixed) > level


def test_the_fast_bound_drops_everything_at_level_zero():
    assert certainly_not_significant(Proportion(9, 9), Proportion(0, 9), 0.0)


def test_the_fast_bound_drops_most_healthy_windows():
    rng, fixed = np.random.default_rng(5), Proportion(100, 10_000)
    healthy = [Proportion(int(x), 500) for x in rng.binomial(500, 0.01, 1_000)]
    assert sum(certainly_not_significant(live, fixed, 1e-6) for live in healthy) > 990
    assert not certainly_not_significant(Proportion(25, 500), fixed, 1e-6)


# -- how much ----------------------------------------------------------------------------------


def test_persistent_proportion_is_what_both_halves_have():
    fixed = Proportion(10, 100)
    assert persistent(Proportion(30, 100), Proportion(20, 100), fixed) == pytest.approx(0.1)
    assert persistent(Proportion(0, 100), Proportion(4, 100), fixed) == pytest.approx(-0.06)
    assert persistent(Proportion(30, 100), Proportion(10, 100), fixed) == 0.0
    assert persistent(Proportion(30, 100), Proportion(0, 100), fixed) == 0.0


def test_persistent_proportion_uses_the_other_half_if_one_has_no_rows():
    fixed, half = Proportion(10, 100), Proportion(30, 100)
    assert persistent(Proportion(0, 0), half, fixed) == persistent(half, Proportion(0, 0), fixed)
    assert persistent(Proportion(0, 0), half, fixed) == pytest.approx(0.2)
    assert persistent(Proportion(0, 0), Proportion(0, 0), fixed) == 0.0


@given(first=shares(), second=shares(), fixed=shares(least=1))
def test_persistent_proportion_never_exceeds_that_of_the_whole_window(first, second, fixed):
    whole = (first + second).value - fixed.value
    deviation_kept = persistent(first, second, fixed)
    if first.rows + second.rows:
        assert abs(deviation_kept) <= abs(whole) + 1e-12
    assert deviation_kept * whole >= 0


@pytest.mark.parametrize(
    "fixed", [Proportion(0, 500), Proportion(100, 10_000), Proportion(4_000, 10_000)]
)
@pytest.mark.parametrize("rows", [500, 2_000])
def test_detectable_proportion_is_detected_with_the_stated_power(fixed, rows):
    level = 1e-5
    share = detectable(rows, fixed, level)
    above = range(int(fixed.value * rows) + 1, rows + 1)
    seen = [x for x in above if p_value(Proportion(x, rows), fixed) <= level]
    assert binom.sf(min(seen) - 1, rows, share) == pytest.approx(POWER)
    assert fixed.value < share < 1


def test_no_proportion_is_detectable_with_too_few_rows():
    assert detectable(2, Proportion(10, 100), 1e-5) == 1.0
    assert detectable(0, Proportion(10, 100), 1e-5) == 1.0


def test_missing_values_rising_from_1_to_3_percent_are_detectable_in_2000_rows():
    assert (
        detectable(2_000, Proportion(100, 10_000), 1e-6)
        < 0.03
        < detectable(1_500, Proportion(100, 10_000), 1e-6)
    )
