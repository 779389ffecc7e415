"""Population stability index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COARSE = 10  # bins of the population stability index
LEAST_SHARE = 1e-4  # stands for an empty bin, whose logarithm would be infinite


def psi(live: NDArray[np.int64], fixed: NDArray[np.int64]) -> float:
    """Population stability index over at most ten bins that hold alike many reference rows."""
    before = np.concatenate([[0], np.cumsum(fixed)[:-1]]) / fixed.sum()
    coarse = np.minimum((before * COARSE).astype(np.int64), COARSE - 1)
    return stability(
        np.bincount(coarse, weights=live, minlength=COARSE),
        np.bincount(coarse, weights=fixed, minlength=COARSE),
    )


def stability(
    live: NDArray[np.int64] | NDArray[np.float64], fixed: NDArray[np.int64] | NDArray[np.float64]
) -> float:
    """``Σ (p - q) ln(p / q)`` over bins met in either, shares floored at 0.0001."""
    met = (live + fixed) > 0
    p = np.maximum(live[met] / live.sum(), LEAST_SHARE)
    q = np.maximum(fixed[met] / fixed.sum(), LEAST_SHARE)
    return float(((p - q) * np.log(p / q)).sum())
