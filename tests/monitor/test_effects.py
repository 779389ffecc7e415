"""How large a change is, as one figure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.bins import Sample
from monitor.counts import Counts
from monitor.effects import psi, stability

GRID = Sample.of(np.arange(100.0))
shares = arrays(np.int64, 6, elements=st.integers(0, 50)).filter(np.any)


@given(live=shares, fixed=shares)
def test_the_stability_index_is_that_of_the_floored_shares(live, fixed):
    expected = 0.0
    for a, b in zip(live.tolist(), fixed.tolist(), strict=True):
        if a or b:
            p, q = max(a / live.sum(), 1e-4), max(b / fixed.sum(), 1e-4)
            expected += (p - q) * np.log(p / q)
    assert stability(live, fixed) == pytest.approx(expected, abs=1e-12)
    assert stability(live, fixed) == pytest.approx(stability(fixed, live), abs=1e-12)


@given(live=shares)
@settings(max_examples=20)
def test_nothing_is_unstable_against_itself(live):
    assert stability(live, live) == 0.0 == psi(live, live)


def test_the_index_is_taken_over_ten_bins_that_hold_alike_many_reference_rows():
    fixed = GRID.counts().dense(GRID.bins)
    live = Counts.of(GRID.locate(np.arange(10.0))).dense(GRID.bins)  # all in the first bin
    others = 9 * (1e-4 - 0.1) * np.log(1e-4 / 0.1)
    assert psi(live, fixed) == pytest.approx(0.9 * np.log(10) + others)


@given(live=arrays(np.float64, st.integers(1, 20), elements=st.floats(-200, 200)))
def test_the_index_of_a_window_is_finite_and_not_negative(live):
    fixed = GRID.counts().dense(GRID.bins)
    index = psi(Counts.of(GRID.locate(live)).dense(GRID.bins), fixed)
    assert np.isfinite(index)
    assert index >= 0
