"""The two-sample Kolmogorov-Smirnov test from counts: exact, whatever the rows.

(-inf, 1)   {1}   (1, 3)   {3}   (3, inf)
0        1       2      3       4
"""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import kolmogorov
from scipy.stats import ks_2samp

from monitor.counts.bins import (
    Sample,
    cumulative,
    deviation,
    distance,
    effective_size,
    p_value,
    persistent_deviation,
)
from monitor.counts.counts import Counts

# Few distinct values, so that ties within and between samples are common; and the far ends.
ties = st.integers(-4, 4).map(float)
ends = st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7e308, -1.7e308, 1.0, 1.0 + 2**-52])
finite = st.one_of(ties, ends, st.floats(allow_nan=False, allow_infinity=False))
any_number = st.one_of(finite, st.sampled_from([np.inf, -np.inf]))
samples = arrays(np.float64, st.integers(1, 30), elements=any_number).filter(
    lambda values: np.isfinite(values).any()
)
rows = arrays(np.float64, st.integers(1, 30), elements=any_number)


def counted(sample: Sample, values: np.ndarray) -> np.ndarray:
    return Counts.of(sample.locate(values)).dense(sample.bins)


def ks(sample: Sample, values: np.ndarray) -> float:
    return distance(deviation(counted(sample, values), sample.counts().dense(sample.bins)))


@given(fixed=samples.filter(lambda values: values.size > 1), live=rows)
@example(fixed=np.array([0.0, 1.0]), live=np.array([0.5]))
@example(fixed=np.array([0.0, 0.0]), live=np.array([np.inf, -np.inf]))
@example(fixed=np.array([0.0, np.inf, np.inf]), live=np.array([np.inf, 1.0, -np.inf]))
@settings(max_examples=80)
def test_ks_statistic_and_p_value_equal_scipys_on_the_raw_rows(fixed, live):
    sample, theirs = Sample.of(fixed), ks_2samp(fixed, live, method="asymp")
    ours = ks(sample, live)
    assert ours == pytest.approx(theirs.statistic, rel=0, abs=1e-12)
    assert p_value(ours, live.size, sample.size) == pytest.approx(theirs.pvalue, rel=0, abs=1e-12)


@pytest.mark.parametrize(("live", "statistic"), [(0.0, 0.0), (1.0, 1.0), (-np.inf, 1.0)])
def test_ks_distance_of_one_row_against_one_row(live, statistic):  # scipy says nan
    assert ks(Sample.of([0.0]), np.array([live])) == statistic


def test_p_value_of_distance_zero_is_1():
    assert p_value(0.0, 1, 1) == p_value(0.0, 10**6, 10**6) == 1.0


@given(fixed=samples, live=rows)
@settings(max_examples=50)
def test_locate_returns_the_documented_bin(fixed, live):
    sample = Sample.of(fixed)
    for value, cell in zip(live, sample.locate(live), strict=True):
        if cell % 2:
            assert value == sample.values[cell // 2]
        else:
            below, above = cell // 2 - 1, cell // 2
            assert below < 0 or sample.values[below] < value
            assert above == sample.values.size or value < sample.values[above]


def test_bins_of_a_sample_of_three_values():
    sample = Sample.of([3.0, 1.0, 3.0])
    located = sample.locate(np.array([-np.inf, 0.9, 1.0, 2.0, 3.0, 4.0, np.inf]))
    assert located.tolist() == [0, 0, 1, 2, 3, 4, 4]
    assert (sample.bins, sample.size) == (5, 3)


@given(fixed=samples)
def test_distance_of_a_sample_from_itself_is_zero(fixed):
    sample = Sample.of(fixed)
    assert sample.counts() == Counts.of(sample.locate(fixed))
    assert ks(sample, fixed) == 0.0


def test_minus_zero_equals_zero_in_a_sample():
    assert Sample.of([-0.0, 0.0]).values.tolist() == [0.0]
    assert not np.signbit(Sample.of([-0.0]).values).any()
    assert Sample.of([0.0]).locate(np.array([-0.0])).tolist() == [1]


@pytest.mark.parametrize("values", [[], [np.nan], [1.0, np.nan], [-np.inf, np.inf]])
def test_a_sample_needs_a_finite_value_and_no_nan(values):
    with pytest.raises(ValueError, match="at least one finite value, and no NaN"):
        Sample.of(values)


def test_locate_refuses_nan():
    with pytest.raises(ValueError, match="count missing values separately"):
        Sample.of([0.0]).locate(np.array([0.0, np.nan]))


def test_distance_is_0_and_p_value_1_without_rows():
    nothing = np.zeros(3, dtype=np.int64)
    assert cumulative(nothing).tolist() == [0, 0, 0]
    assert p_value(0.0, 0, 10) == p_value(1.0, 10, 0) == 1.0
    assert effective_size(0, 10) == effective_size(10, 0) == 0.0


@given(n=st.integers(1, 10**9), m=st.integers(1, 10**9))
def test_effective_size_is_half_the_harmonic_mean(n, m):
    assert effective_size(n, m) == pytest.approx(1 / (1 / n + 1 / m))


@given(d=st.floats(0, 1), n=st.integers(1, 10**7), m=st.integers(1, 10**7))
@settings(max_examples=50)
def test_a_p_value_is_a_probability(d, n, m):
    assert 0.0 <= p_value(d, n, m) <= 1.0


@pytest.mark.parametrize("z", [0.5, 0.9, 1.36, 2.0, 3.0])
def test_p_value_is_continuous_at_the_switch_to_its_limit(z):
    below, above = 199_999, 200_001  # with as many reference rows: en on both sides of 1e5
    limits = [p_value(z / np.sqrt(n / 2), n, n) for n in (below, above)]
    assert limits[0] == pytest.approx(limits[1], rel=1e-2)
    assert limits[1] == pytest.approx(kolmogorov(z))


deviations = arrays(np.float64, 6, elements=st.integers(-3, 3).map(lambda i: i / 3))


@given(a=deviations, b=deviations)
def test_persistent_deviation_is_the_smaller_one_if_both_have_the_same_sign(a, b):
    expected = [
        0.0 if x * y <= 0 else np.sign(x) * min(abs(x), abs(y)) for x, y in zip(a, b, strict=True)
    ]
    assert persistent_deviation(a, b).tolist() == expected


@given(a=deviations)
def test_persistent_deviation_of_equal_halves_is_the_deviation(a):
    assert distance(persistent_deviation(a, a)) == distance(a)
    assert distance(persistent_deviation(a, -a)) == 0.0
