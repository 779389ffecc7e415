"""A grid finds the positions that a binary search finds, for any floats."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra.numpy import arrays

from monitor.counts.grid import MAX_CROWDED, MAX_STEPS, Grid

finite = st.floats(allow_nan=False, allow_infinity=False)
few = st.sampled_from([-0.0, 0.0, 1.0, 1.5, 2.0, 5e-324, 1e300, -1e300])
sorted_values = arrays(np.float64, st.integers(2, 60), elements=finite | few, unique=True).map(
    lambda values: np.unique(values + 0.0)
)
with_ends = st.tuples(sorted_values, st.sets(st.sampled_from([-np.inf, np.inf]))).map(
    lambda both: np.unique(np.append(both[0], sorted(both[1])))
)
looked_up = arrays(np.float64, st.integers(0, 60), elements=st.floats(allow_nan=False) | few)


@given(values=with_ends, among=looked_up)
def test_grid_search_equals_searchsorted(values, among):
    grid = Grid.over(values)
    if grid is not None:
        both = np.concatenate([among, values, np.nextafter(values, 0.0)])
        assert np.array_equal(grid.search(both), np.searchsorted(values, both))


@given(seed=st.integers(0, 2**32), scale=st.floats(1e-300, 1e300), at=st.floats(-1e6, 1e6))
@example(seed=0, scale=1e-12, at=1e6)
def test_grid_search_equals_searchsorted_for_many_distributions(seed, scale, at):
    rng = np.random.default_rng(seed)
    for draw in (rng.standard_normal, rng.standard_cauchy, rng.random):
        values = np.unique(at + scale * draw(300))
        grid = Grid.over(values)
        if grid is not None:
            among = at + scale * draw(300)
            assert np.array_equal(grid.search(among), np.searchsorted(values, among))


@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "random", "exponential"])
def test_a_usual_sample_has_a_grid_with_few_steps_per_cell(draw):
    values = np.unique(getattr(np.random.default_rng(1), draw)(size=10_000))
    grid = Grid.over(values)
    assert grid is not None
    in_cell = np.diff(np.append(grid.before, values.size))
    assert in_cell[in_cell > MAX_STEPS].sum() < MAX_CROWDED * values.size


@pytest.mark.parametrize(
    "values",
    [[], [3.0], [-1.7e308, 1.7e308], np.add.outer([0.0, 1.0], np.arange(90) * 1e-12)],
    ids=["none", "one", "more than a float spans", "crowded"],
)
def test_no_grid_for_values_that_it_would_not_speed_up(values):
    assert Grid.over(np.unique(values)) is None


def test_grid_falls_back_to_searchsorted_in_crowded_cells():
    values = np.unique(np.append(np.linspace(0, 1, 1_000), 0.5 + np.arange(8) * 1e-12))
    grid = Grid.over(values)
    assert np.diff(grid.before).max() > MAX_STEPS
    among = np.append(values, 0.5 + np.arange(8) * 0.5e-12)
    assert np.array_equal(grid.search(among), np.searchsorted(values, among))
