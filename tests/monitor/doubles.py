"""Doubles of the whole range, and the huge values that stand for a missing one in practice."""

import sys

import numpy as np
from hypothesis import strategies as st

LARGEST = sys.float_info.max
SMALLEST = 5e-324  # subnormal
SMALLEST_NORMAL = sys.float_info.min
SENTINELS = {
    "largest double": LARGEST,
    "1e200": 1e200,
    "square overflows": 1e155,
    "largest float32": float(np.finfo(np.float32).max),
    "largest int64": float(2**63),
}
EDGES = [
    *(sign * value for value in SENTINELS.values() for sign in (1, -1)),
    *(SMALLEST, -SMALLEST, SMALLEST_NORMAL, 1e-310, 1e-160, 0.0, -0.0, 1.0, np.nextafter(1.0, 2.0)),
]

finite = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGES)
any_double = finite | st.sampled_from([np.inf, -np.inf])
score = st.floats(0, 1) | st.sampled_from([0.0, SMALLEST, 1e-310, 0.5, np.nextafter(1.0, 0.0), 1.0])
