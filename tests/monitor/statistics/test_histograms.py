"""A window beside its reference, in bins that hold about as many reference rows each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts
from monitor.statistics.histograms import MAX_BINS, MAX_CATEGORIES, OTHER, categorical, numeric

values = arrays(np.float64, st.integers(1, 60), elements=st.integers(-9, 9).map(float))


def beside(fixed, live):
    sample = Sample.of(fixed)
    return numeric(sample, Counts.of(sample.locate(np.asarray(live, float))))


def shares(x, edges):
    """By definition: what lies up to each edge, and what beyond the last."""
    cells = np.searchsorted(edges, x, side="left")
    return np.bincount(cells, minlength=len(edges) + 1) / len(x)


@given(fixed=values, live=values)
@settings(max_examples=40)
def test_histogram_bins_include_their_upper_edge(fixed, live):
    found = beside(fixed, live)
    edges = np.array(found.edges)
    assert (np.diff(edges) > 0).all()
    assert np.isin(edges, fixed).all()
    assert len(found.reference) == len(found.window) == len(edges) + 1 <= MAX_BINS
    assert found.reference == pytest.approx(shares(fixed, edges))
    assert min(found.reference) > 0


@given(fixed=values, live=values)
@settings(max_examples=40)
def test_medians_are_values_of_the_reference_at_or_just_below_the_middle_row(fixed, live):
    found = beside(fixed, live)
    middle = sorted(live)[(len(live) - 1) // 2]
    below = [value for value in fixed if value <= middle]
    assert found.reference_median == sorted(fixed)[(len(fixed) - 1) // 2]
    assert found.window_median == max(below, default=min(fixed))


@given(fixed=values, live=values)
@settings(max_examples=40)
def test_histogram_covers_every_row_of_the_window(fixed, live):
    found = beside(fixed, live)
    assert sum(found.window) == pytest.approx(1)
    inner = np.isin(live, fixed)  # between two values of the reference only the order is known
    if inner.all():
        assert found.window == pytest.approx(shares(live, np.array(found.edges)))


def test_histogram_edges_are_finite():
    found = beside([-np.inf, -np.inf, 1.0, 2.0, np.inf, np.inf], [-np.inf, np.inf, np.inf, 3.0])
    assert found.edges == (1.0, 2.0)
    assert found.reference == pytest.approx([3 / 6, 1 / 6, 2 / 6])
    assert found.window == pytest.approx([1 / 4, 0, 3 / 4])
    assert np.isfinite(found.at)


def test_histogram_of_many_values_has_twenty_bins_of_equal_size():
    found = beside(np.arange(1000.0), np.arange(500.0))
    assert found.reference == pytest.approx([0.05] * 20)
    assert found.window == pytest.approx([0.1] * 10 + [0.0] * 10)


@given(fixed=values, live=values)
@settings(max_examples=40)
def test_histogram_names_the_value_of_the_ks_distance(fixed, live):
    found, theirs = (
        beside(fixed, live),
        ks_2samp(fixed, live, method="asymp") if len(fixed) > 1 else None,
    )
    assert found.at in fixed
    if theirs is not None and np.isin(live, fixed).all():
        gap = abs((live <= found.at).mean() - (fixed <= found.at).mean())
        assert gap == pytest.approx(theirs.statistic)


def test_histogram_puts_infinities_into_the_outer_bins():
    found = beside(np.arange(100.0), [-np.inf, np.inf])
    assert (found.window[0], found.window[-1]) == (0.5, 0.5)


def test_histogram_shows_rare_and_new_categories_together():
    names = tuple(f"c{i:02}" for i in range(20))
    reference = Categorical(names, np.array([5] * 20 + [0]))
    found = categorical(reference, Counts.of([0, 0, 19, 20]))
    assert found.categories == (*names[:MAX_CATEGORIES], OTHER)
    assert found.window == (0.5, *[0.0] * 11, 0.5)
    assert found.reference == pytest.approx((*[0.05] * 12, 0.4))


def test_histogram_of_a_window_without_values_is_none():
    assert numeric(Sample.of([0.0]), Counts.empty()) is None
    assert categorical(Categorical(("a",), np.array([1, 0])), Counts.empty()) is None
