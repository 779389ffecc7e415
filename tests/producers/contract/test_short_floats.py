"""32-bit floats as doubles, against numpy's own shortest digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.contract.short_floats import shortest_doubles


def expected(short: np.floating) -> float:
    exact = float(short)
    return exact if exact.is_integer() else float(str(short))


@pytest.mark.parametrize(("kind", "width"), [(np.float32, 32), (np.float16, 16)])
@given(data=st.data())
def test_short_float_is_the_double_of_its_shortest_digits(kind, width, data):
    values = data.draw(st.lists(st.floats(width=width), max_size=20))
    short = np.array(values, dtype=kind)
    np.testing.assert_array_equal(shortest_doubles(short), [expected(one) for one in short])


@given(st.lists(st.integers(0, 10**7), min_size=1))
def test_decimals_keep_their_digits(cents):
    prices = np.array(cents) / 100
    short = prices.astype(np.float32)
    same = np.array([str(one) == str(two) for one, two in zip(short, prices, strict=True)])
    np.testing.assert_array_equal(shortest_doubles(short)[same], prices[same])
