"""How large a change is, against scipy and the raw rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.stats import binom, wasserstein_distance

from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.statistics.effect_sizes import (
    COARSE_BINS,
    coarse,
    jensen_shannon,
    stability,
    stability_threshold,
    wasserstein,
)

# -- Wasserstein -------------------------------------------------------------------------------


def bounds(fixed, live, low=None, high=None):
    sample = Sample.of(fixed)
    counts = Counts.of(sample.locate(np.asarray(live, float))).dense(sample.bins)
    together = np.concatenate([fixed, live])
    low = min(together) if low is None else low
    return wasserstein(sample, counts, low, max(together) if high is None else high)


def by_scipy(fixed, live) -> float:
    return wasserstein_distance(live, fixed) / np.std(fixed)


def rows(elements):
    return arrays(np.float64, st.integers(1, 25), elements=elements)


@given(fixed=rows(st.floats(-100, 100, width=16)), live=rows(st.floats(-120, 120, width=16)))
def test_wasserstein_bounds_enclose_the_distance_of_the_raw_rows(fixed, live):
    found = bounds(fixed, live)
    if np.unique(fixed).size == 1:
        assert found is None
        return
    theirs = by_scipy(fixed, live)
    assert 0 <= found.lower <= theirs + 1e-9 * (1 + theirs)
    assert theirs <= found.upper + 1e-9 * (1 + theirs)


def test_wasserstein_leaves_out_infinities_on_both_sides():
    fixed, live = np.array([1.0, 2.0, 4.0]), np.array([0.0, 3.0, 4.0, 9.0])
    far = [-np.inf, np.inf, np.inf]
    alike = bounds(fixed, live)
    assert bounds(np.append(fixed, far), np.append(live, far[:2]), 0.0, 9.0) == alike
    assert alike.beyond == 0.5
    assert bounds(np.append(fixed, far), np.array(far), 0.0, 9.0) is None


@given(fixed=rows(st.integers(0, 6).map(float)).filter(lambda x: np.ptp(x) > 0), data=st.data())
def test_wasserstein_bounds_are_equal_for_rows_on_sample_values(fixed, data):
    live = data.draw(st.lists(st.sampled_from(fixed.tolist()), min_size=1, max_size=25))
    found = bounds(fixed, live)
    assert found.lower == pytest.approx(by_scipy(fixed, live), abs=1e-9)
    assert found.upper == pytest.approx(found.lower, abs=1e-9)
    assert found.beyond == 0


def test_wasserstein_bounds_are_attained():
    """Sample 0 and 4, one live row between them: the distance is 2, whatever its place."""
    assert bounds([0.0, 4.0], [1.0]).lower == pytest.approx(0.0)
    assert bounds([0.0, 4.0], [1.0]).upper == pytest.approx(4 * 0.5 / 2)
    assert by_scipy([0.0, 4.0], [1.0]) == pytest.approx(1.0)


def test_wasserstein_bounds_of_a_fine_sample_are_close():
    rng = np.random.default_rng(8)
    found = bounds(rng.normal(size=10_000), rng.normal(0.25, size=2_000))
    assert found.lower == pytest.approx(0.25, abs=0.04)
    assert found.upper - found.lower < 0.03


def test_wasserstein_counts_rows_beyond_the_sample():
    found = bounds([0.0, 1.0], [0.5, 9.0, -3.0, 0.5], low=0.0, high=1.0)
    assert found.beyond == 0.5
    wider = bounds([0.0, 1.0], [0.5, 9.0, -3.0, 0.5])
    assert found.lower == wider.lower
    assert found.upper < by_scipy([0.0, 1.0], [0.5, 9.0, -3.0, 0.5]) <= wider.upper


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1.0, 1e150, 1e300])
def test_wasserstein_does_not_depend_on_the_unit(scale):
    fixed, live = np.array([-4.0, 1.0, 2.0, 7.0]), np.array([1.5, 2.0, 6.0])
    plain, scaled = bounds(fixed, live), bounds(fixed * scale, live * scale)
    assert scaled.lower == pytest.approx(plain.lower)
    assert scaled.upper == pytest.approx(plain.upper)


def test_wasserstein_is_none_for_a_constant_or_an_empty_window():
    assert bounds([3.0, 3.0], [4.0]) is None
    sample = Sample.of([1.0, 2.0])
    assert wasserstein(sample, np.zeros(sample.bins, np.int64), 1.0, 2.0) is None


@pytest.mark.parametrize(("low", "high"), [(0.5, 3.0), (-1.0, 1.5), (-np.inf, 3.0), (0.0, np.nan)])
def test_wasserstein_refuses_a_range_that_does_not_enclose_the_sample(low, high):
    with pytest.raises(ValueError, match="must enclose 0 to 2"):
        bounds([0.0, 2.0], [1.0], low=low, high=high)


# -- stability ---------------------------------------------------------------------------------

counts = arrays(np.int64, 6, elements=st.integers(0, 50)).filter(np.any)


@given(live=counts, fixed=counts)
def test_stability_index_uses_proportions_with_a_minimum(live, fixed):
    expected = 0.0
    for a, b in zip(live.tolist(), fixed.tolist(), strict=True):
        if a or b:
            p, q = max(a / live.sum(), 1e-4), max(b / fixed.sum(), 1e-4)
            expected += (p - q) * np.log(p / q)
    assert stability(live, fixed) == pytest.approx(expected, abs=1e-12)
    assert stability(live, fixed) == pytest.approx(stability(fixed, live), abs=1e-12)


@given(live=arrays(np.int64, 41, elements=st.integers(0, 9)))
def test_coarse_bins_hold_equally_many_reference_rows(live):
    fixed = Sample.of(np.arange(20.0)).counts().dense(41)
    now, then = coarse(live, fixed)
    assert now.size == then.size == COARSE_BINS
    assert then.tolist() == [2] * COARSE_BINS
    assert now.sum() == live.sum()
    both, _ = coarse(live + fixed, fixed)
    assert (both == now + then).all()


def test_coarse_bins_are_fewer_for_few_values():
    fixed = Sample.of([1.0, 2.0, 2.0]).counts().dense(5)
    now, then = coarse(fixed, fixed)
    assert then.tolist() == now.tolist() == [1, 2]


@pytest.mark.parametrize(("n", "m"), [(500, 10_000), (4_000, 1_000)])
@pytest.mark.parametrize("level", [0.1, 0.01])
def test_independent_rows_exceed_the_stability_threshold_at_its_level(n, m, level):
    rng, trials = np.random.default_rng(11), 4_000
    threshold = stability_threshold(n, m, COARSE_BINS, level)
    alike = [1 / COARSE_BINS] * COARSE_BINS
    live, fixed = (rng.multinomial(size, alike, trials) for size in (n, m))
    found = sum(stability(a, b) > threshold for a, b in zip(live, fixed, strict=True))
    least, most = binom.ppf([0.001, 0.999], trials, level)
    assert least <= found <= 1.15 * most  # it is asymptotic


def test_stability_threshold_decreases_with_rows():
    assert stability_threshold(100, 10_000, 10, 0.01) > 0.2
    assert stability_threshold(10_000, 10_000, 10, 0.01) < 0.005
    assert stability_threshold(0, 10, 10, 0.01) == np.inf
    assert stability_threshold(10, 10, 1, 0.01) == 0.0


# -- Jensen-Shannon ----------------------------------------------------------------------------


@given(live=counts, fixed=counts)
def test_jensen_shannon_distance_equals_scipys(live, fixed):
    theirs = jensenshannon(live, fixed, base=2)
    assert jensen_shannon(live, fixed) == pytest.approx(theirs, abs=1e-7)


def test_jensen_shannon_distance_is_0_for_equal_and_1_for_disjoint_counts():
    assert jensen_shannon(np.array([3, 0]), np.array([0, 9])) == 1.0
    assert jensen_shannon(np.array([3, 1]), np.array([6, 2])) == 0.0


@pytest.mark.parametrize("measure", [stability, jensen_shannon])
def test_effect_sizes_need_rows_on_both_sides(measure):
    some, none = np.array([1, 2]), np.array([0, 0])
    with pytest.raises(ValueError, match="got 3 and 0"):
        measure(some, none)
    with pytest.raises(ValueError, match="got 0 and 3"):
        measure(none, some)
