"""Differences and standard deviations of any doubles, against exact fractions."""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.statistics.wide_range import LARGEST, Differences, standard_deviation
from tests.monitor.doubles import EDGES, SENTINELS, SMALLEST, finite

columns = arrays(np.float64, st.integers(1, 25), elements=finite)


def as_double(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def exact_deviation(values) -> Decimal:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    square = sum((value - mean) ** 2 for value in exact) / len(exact)
    with localcontext(prec=60):
        return (Decimal(square.numerator) / Decimal(square.denominator)).sqrt()


@given(
    upper=finite,
    lower=finite,
    top=finite,
    bottom=finite,
)
@example(upper=LARGEST, lower=-LARGEST, top=LARGEST, bottom=-LARGEST)
@example(upper=LARGEST, lower=-LARGEST, top=SMALLEST, bottom=0.0)
@example(upper=SMALLEST, lower=0.0, top=1.0, bottom=1 - 1e-16)
def test_a_ratio_of_differences_is_exact_for_any_doubles(upper, lower, top, bottom):
    if top == bottom:
        return
    ratio = Differences.of(np.array([upper]), lower).over(Differences.of(np.array([top]), bottom))
    exact = (Fraction(upper) - Fraction(lower)) / (Fraction(top) - Fraction(bottom))
    assert ratio[0] == pytest.approx(as_double(exact), rel=1e-12, abs=1e-307)


@given(values=columns)
@example(values=np.array(EDGES))
@example(values=np.array([LARGEST, -LARGEST]))
@example(values=np.array([LARGEST, LARGEST]))
@example(values=np.array([0.0, SMALLEST]))
@example(values=np.array([1e-300, 2e-300, 4e-300]))
def test_a_standard_deviation_is_right_for_any_doubles(values):
    deviation, exact = standard_deviation(values), exact_deviation(values)
    rounding = 1e-15 * float(np.abs(values).max())  # of the mean
    assert deviation == pytest.approx(float(exact), rel=1e-9, abs=max(rounding, SMALLEST))


@pytest.mark.parametrize("value", SENTINELS.values(), ids=SENTINELS)
def test_one_sentinel_does_not_overflow_a_standard_deviation(value):
    values = np.append(np.random.default_rng(1).lognormal(3, 0.5, 9_999), value)
    assert standard_deviation(values) == pytest.approx(value * np.sqrt(1e-4 * (1 - 1e-4)))


@given(values=arrays(np.float64, st.integers(1, 200), elements=st.floats(-1e9, 1e9, width=32)))
@example(values=np.random.default_rng(2).normal(size=50))
@example(values=np.random.default_rng(2).lognormal(size=50))
def test_a_standard_deviation_of_usual_values_equals_numpys_to_the_bit(values):
    plain = float(values.std())
    if plain > 1e-100 or plain == 0:
        assert standard_deviation(values) == plain


def test_a_standard_deviation_of_no_values_is_0():
    assert standard_deviation(np.array([])) == 0.0
