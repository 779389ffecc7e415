"""Columns in their forms: as received, as numbers, as codes of distinct values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts.summary import Quality
from monitor.counts.values import (
    VALID,
    Coded,
    as_coded,
    as_numbers,
    concatenated_codes,
    concatenated_numbers,
    missing,
)
from monitor.counts.values import (
    given as has_value,
)

scalars = st.sampled_from(
    [None, True, False, 0, 1, 2, 1.0, 0.0, -0.0, 2.5, float("nan"), float("inf"), "1", "", "true"]
)
columns = st.lists(scalars, max_size=8)


def category(value):
    """What tells two categories apart."""
    return isinstance(value, bool), isinstance(value, str), value


def same(a, b):
    return category(a) == category(b) or (a != a and b != b)


@given(columns)
def test_codes_stand_for_the_values_of_their_rows(values):
    coded = as_coded(values)
    assert all(same(coded.values[c], v) for c, v in zip(coded.code, values, strict=True))


@given(columns)
def test_numbers_of_codes_are_those_of_their_values(values):
    plain, coded = as_numbers(values), as_numbers(as_coded(values))
    assert np.array_equal(plain.number, coded.number, equal_nan=True)
    assert plain.quality.tolist() == coded.quality.tolist()


@given(columns, columns)
def test_concatenated_columns_are_the_columns_of_all_rows(first, second):
    numbers = concatenated_numbers([as_numbers(first), as_numbers(second)])
    whole = as_numbers([*first, *second])
    assert np.array_equal(numbers.number, whole.number, equal_nan=True)
    assert numbers.quality.tolist() == whole.quality.tolist()
    codes = concatenated_codes([as_coded(first), as_coded(second)])
    pairs = zip(codes.code, [*first, *second], strict=True)
    assert all(same(codes.values[c], v) for c, v in pairs)


def test_values_that_cannot_be_hashed_have_a_code_each():
    coded = as_coded([[1], "a", [1]])
    assert [coded.values[c] for c in coded.code] == [[1], "a", [1]]


def test_row_is_given_if_its_value_is_not_missing():
    assert has_value(Coded([None, 0, ""], np.array([1, 0, 2]))).tolist() == [True, False, True]
    assert has_value([None, False]).tolist() == [False, True]


def test_missing_column_is_missing_as_numbers_and_as_categories():
    assert as_numbers(missing(2)).quality.tolist() == [Quality.MISSING] * 2
    assert [as_coded(missing(2)).values[c] for c in as_coded(missing(2)).code] == [None] * 2


def test_numbers_of_an_array_are_not_copied():
    array = np.array([1.0, np.nan, np.inf])
    read = as_numbers(array)
    assert np.shares_memory(read.number, array)
    assert read.quality.tolist() == [VALID, Quality.MISSING, Quality.NOT_FINITE]


def test_numbers_have_no_codes():
    with pytest.raises(TypeError, match="have lost their other values"):
        as_coded(as_numbers([1.0]))
