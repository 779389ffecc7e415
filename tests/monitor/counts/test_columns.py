"""What a value of a feature is counted as, whatever somebody sent."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from monitor.counts.bins import Sample
from monitor.counts.columns import (
    Categorical,
    Numeric,
    categorical_reference,
    numeric_reference,
    score_bin,
)
from monitor.counts.counts import Counts
from monitor.counts.summary import MAX_NAME_LENGTH, SCORE_BINS, Quality
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare

HUGE = 10**400  # a whole number beyond the range of a double
temp = Numeric(Sample.of([1.0, 3.0]), low=0.0, high=10.0)  # the sample is not all of the reference
carrier = Categorical(("UA", "DL", "true", "7"), np.array([5, 3, 1, 1, 0]))

BELOW, ON_FIRST, BETWEEN, ON_SECOND, ABOVE = range(5)
MISSING, WRONG_TYPE, NOT_FINITE, OUT_OF_RANGE = Quality


def one(reference, value):
    """The cell and the quality of a single value, None for none."""
    return together(reference, [value])


def together(reference, values):
    found = reference.tally(values, np.zeros(len(values), dtype=np.int64), 1)
    cells = [found.values[0].index.tolist(), found.quality[0].index.tolist()]
    return tuple(cell[0] if cell else None for cell in cells)


@pytest.mark.parametrize(
    ("value", "cell", "quality"),
    [
        pytest.param(0.5, BELOW, None, id="below the sample, within the reference"),
        pytest.param(1.0, ON_FIRST, None, id="a value of the sample"),
        pytest.param(2, BETWEEN, None, id="a whole number"),
        pytest.param(np.float32(3), ON_SECOND, None, id="a number of numpy's"),
        pytest.param(np.int64(3), ON_SECOND, None, id="a whole number of numpy's"),
        pytest.param(10.0, ABOVE, None, id="the largest of the reference"),
        pytest.param(10.5, ABOVE, OUT_OF_RANGE, id="larger than any of the reference"),
        pytest.param(-5e-324, BELOW, OUT_OF_RANGE, id="smaller, by the least there is"),
        pytest.param(1.7e308, ABOVE, OUT_OF_RANGE, id="huge"),
        pytest.param(2**70, ABOVE, OUT_OF_RANGE, id="a whole number beyond 64 bits"),
        pytest.param(HUGE, ABOVE, NOT_FINITE, id="a whole number beyond doubles"),
        pytest.param(-HUGE, BELOW, NOT_FINITE, id="and a negative one"),
        pytest.param(np.inf, ABOVE, NOT_FINITE, id="infinity"),
        pytest.param(-np.inf, BELOW, NOT_FINITE, id="minus infinity"),
        pytest.param(None, None, MISSING, id="null"),
        pytest.param(np.nan, None, MISSING, id="NaN"),
        pytest.param("2", None, WRONG_TYPE, id="a text, even of digits"),
        pytest.param("", None, WRONG_TYPE, id="an empty text"),
        pytest.param(True, None, WRONG_TYPE, id="a boolean is not a number"),
        pytest.param(np.False_, None, WRONG_TYPE, id="nor is numpy's"),
        pytest.param([2.0], None, WRONG_TYPE, id="a list"),
    ],
)
@pytest.mark.parametrize("beside", [[], ["a text among them"], [0.5]])
def test_numeric_tally_of_a_single_value(value, cell, quality, beside):
    values = [value, *beside]
    group = np.arange(len(values))
    found = temp.tally(values, group, len(values))
    assert found.values[0].index.tolist() == ([] if cell is None else [cell])
    assert found.quality[0].index.tolist() == ([] if quality is None else [quality])
    assert found.unseen[0] == {}


@pytest.mark.parametrize(
    ("value", "cell", "quality", "unseen"),
    [
        pytest.param("UA", 0, None, {}, id="a category of the reference"),
        pytest.param("AA", 4, None, {"AA": 1}, id="one that it never held"),
        pytest.param("ua", 4, None, {"ua": 1}, id="letters are taken as they are"),
        pytest.param("", 4, None, {"": 1}, id="an empty text is a text"),
        pytest.param(True, 2, None, {}, id="a boolean, as JSON writes it"),
        pytest.param(np.True_, 2, None, {}, id="and numpy's"),
        pytest.param(False, 4, None, {"false": 1}, id="one that the reference never held"),
        pytest.param(7, 3, None, {}, id="a whole number names a category"),
        pytest.param(7.0, 3, None, {}, id="also written as a float"),
        pytest.param(np.int64(7), 3, None, {}, id="also numpy's"),
        pytest.param(HUGE, 4, None, {str(HUGE)[:MAX_NAME_LENGTH]: 1}, id="a huge one"),
        pytest.param(7.5, 4, None, {"7.5": 1}, id="and so does a fraction"),
        pytest.param(np.inf, None, WRONG_TYPE, {}, id="infinity does not"),
        pytest.param([1], None, WRONG_TYPE, {}, id="nor a list"),
        pytest.param(None, None, MISSING, {}, id="null"),
        pytest.param(np.nan, None, MISSING, {}, id="NaN"),
    ],
)
def test_categorical_tally_of_a_single_value(value, cell, quality, unseen):
    found = carrier.tally([value], np.zeros(1, dtype=np.int64), 1)
    assert found.values[0] == Counts.of([] if cell is None else [cell])
    assert found.quality[0] == Counts.of([] if quality is None else [quality])
    assert found.unseen[0] == unseen


def test_a_long_unseen_category_is_counted_and_listed_shortened():
    found = carrier.tally(["x" * 10_000, "x" * 9_999], np.zeros(2, dtype=np.int64), 1)
    assert found.values[0] == Counts.of([4, 4])
    assert found.unseen == [{"x" * MAX_NAME_LENGTH: 2}]


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-4, 12),
    st.floats(-4, 12),
    st.sampled_from([np.nan, np.inf, -np.inf, HUGE, "UA", "7", "x"]),
)
columns = st.lists(st.tuples(scalars, st.integers(0, 2)), max_size=12)


@pytest.mark.parametrize("reference", [temp, carrier])
@given(column=columns)
@settings(max_examples=40)
def test_tally_counts_each_group_separately(reference, column):
    group = np.array([of for _, of in column], dtype=np.int64)
    found = reference.tally([value for value, _ in column], group, 3)
    for number in range(3):
        mine = [value for value, group in column if group == number]
        alone = reference.tally(mine, np.zeros(len(mine), dtype=np.int64), 1)
        assert found.values[number] == alone.values[0]
        assert found.quality[number] == alone.quality[0]
        assert found.unseen[number] == alone.unseen[0]


@pytest.mark.parametrize("reference", [temp, carrier])
@given(column=columns)
@settings(max_examples=30)
def test_every_row_is_in_a_bin_or_missing_or_of_a_wrong_type(reference, column):
    values = [value for value, _ in column]
    found = reference.tally(values, np.zeros(len(values), dtype=np.int64), 1)
    lost = found.quality[0].at(MISSING) + found.quality[0].at(WRONG_TYPE)
    assert found.values[0].size + lost == len(values)


@given(st.lists(st.one_of(st.integers(-9, 9), st.floats(-9, 9), st.just(np.nan)), max_size=9))
@settings(max_examples=30)
def test_a_numpy_column_counts_like_a_list_of_the_same_numbers(values):
    group = np.zeros(len(values), dtype=np.int64)
    array = np.array(values, dtype=np.float64)
    listed, packed = temp.tally(values, group, 1), temp.tally(array, group, 1)
    assert (listed.values, listed.quality) == (packed.values, packed.quality)


def test_a_numpy_column_of_booleans_is_of_a_wrong_type():
    found = temp.tally(np.array([True, False]), np.zeros(2, dtype=np.int64), 1)
    assert found.quality[0] == Counts.of([WRONG_TYPE, WRONG_TYPE])


# -- references --------------------------------------------------------------------------------


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=20), st.integers(1, 30))
def test_numeric_reference_has_bins_of_a_sample_and_the_range_of_all_rows(values, size):
    reference = numeric_reference(values, size, np.random.default_rng(0))
    assert reference.sample.size == min(size, len(values))
    assert set(reference.sample.values) <= {value + 0.0 for value in values}
    assert (reference.low, reference.high) == (min(values), max(values))


def test_reference_sample_is_drawn_uniformly():
    rng = np.random.default_rng(7)
    drawn = [numeric_reference(np.arange(10.0), 5, rng).sample.values for _ in range(400)]
    often = np.bincount(np.concatenate(drawn).astype(int), minlength=10)
    # Each is drawn Binomial(400, 1/2) times: beyond 140 to 260 with probability below 1e-8.
    assert often.min() >= 140
    assert often.max() <= 260


def test_reference_sample_is_drawn_without_replacement():
    drawn = numeric_reference(np.arange(50.0), 40, np.random.default_rng(0)).sample
    assert drawn.weights.tolist() == [1] * 40


def test_numeric_reference_ignores_non_numbers_and_has_a_finite_range():
    values = [None, np.nan, np.inf, -np.inf, "5", True, HUGE, 1, 2.5]
    reference = numeric_reference(values, 10, np.random.default_rng(0))
    assert reference.sample.values.tolist() == [-np.inf, 1.0, 2.5, np.inf]
    assert reference.sample.weights.tolist() == [1, 1, 1, 2]
    assert (reference.low, reference.high) == (1.0, 2.5)


def test_infinite_rows_count_equally_in_reference_and_window():
    """Left out of the one and counted in the other, they would be a drift that never was."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=1_000)
    values[rng.random(1_000) < 0.15] = np.inf
    reference = numeric_reference(values, 10_000, rng)
    (counted,) = reference.tally(values[:100], np.zeros(100, dtype=np.int64), 1).values
    ecdf_table = EcdfTable.of({"x": reference.sample})
    theirs = ks_2samp(values, values[:100]).statistic
    assert compare(ecdf_table, [counted]).ks[0] == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("values", [[], [None, "x", np.inf], np.array([np.nan])])
def test_a_numeric_feature_needs_one_finite_number(values):
    with pytest.raises(ValueError, match="no finite number among its values"):
        numeric_reference(values, 10, np.random.default_rng(0))


def test_categories_are_ordered_by_frequency_and_then_by_name():
    learned = categorical_reference(["b", "a", "c", "c", None, 7.5, True])
    assert learned.categories == ("c", "7.5", "a", "b", "true")
    assert learned.counts.tolist() == [2, 1, 1, 1, 1, 0]


def test_rare_categories_beyond_the_most_are_counted_together():
    learned = categorical_reference(["a"] * 3 + ["b"] * 2 + ["c", "d"], most=2)
    assert learned.categories == ("a", "b")
    assert learned.counts.tolist() == [3, 2, 2]


def test_category_that_the_reference_has_but_does_not_list_is_not_unseen():
    learned = categorical_reference([f"c{n}" for n in range(3_000)], most=1_000)
    live = ["c1", "c2999", "c2999", "new", None]
    found = learned.tally(live, np.zeros(len(live), dtype=np.int64), 1)
    assert found.values[0].at(1_000) == 3  # both are in the cell of all others
    assert found.unseen == [{"new": 1}]
    assert found.rarer == [Counts.of([0, 0])]


def test_spelling_of_a_rare_category_does_not_make_it_unseen():
    learned = categorical_reference([*range(50), *range(50), 70, 80.5], most=50)
    live = ["70.0", 80.5, "080.5"]
    assert learned.tally(live, np.zeros(3, dtype=np.int64), 1).unseen == [{"080.5": 1}]


@pytest.mark.parametrize("values", [[], [None, np.nan], [np.inf]])
def test_a_categorical_feature_needs_one_value(values):
    with pytest.raises(ValueError, match="every value is missing"):
        categorical_reference(values)


@given(st.lists(st.floats(0, 1), min_size=1))
def test_scores_have_ten_thousand_bins_of_equal_width(scores):
    at = np.array(scores)
    cells = score_bin(at)
    assert ((cells >= 0) & (cells < SCORE_BINS)).all()
    assert (np.abs(at - (cells + 0.5) / SCORE_BINS) <= 0.5 / SCORE_BINS + 1e-15).all()


def test_what_is_no_score_is_in_the_nearest_bin():
    bad = [np.nan, -np.inf, -1e300, -0.1, 1.1, 1e300, np.inf]
    assert score_bin(np.array(bad)).tolist() == [0, 0, 0, 0, 9_999, 9_999, 9_999]


def test_score_bins_are_half_open_except_the_last():
    assert score_bin(np.array([0.0, 0.5, 1.0])).tolist() == [0, 5_000, 9_999]
