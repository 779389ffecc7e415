"""Critical values of the tests: what sampling noise exceeds with a given, small probability.

All are asymptotic and without small-sample corrections. This makes them conservative: the true
level lies below the nominal one. ``tests/monitor/statistics/test_critical_values.py`` measures by
how much.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import kolmogi, ndtri

MAX_QUANTILE = 40.0  # beyond it every tail is 0 in double precision

Value = TypeVar("Value", float, NDArray[np.float64])


def kuiper_tail(z: float) -> float:
    """``P(sqrt(en) V > z)`` in the limit: ``2 Σ (4 j² z² - 1) exp(-2 j² z²)`` (Kuiper 1960)."""
    if z < 0.4:
        return 1.0
    squares = np.square(np.arange(1, 101) * z)
    return float(np.clip(2 * ((4 * squares - 1) * np.exp(-2 * squares)).sum(), 0.0, 1.0))


@lru_cache(maxsize=4096)
def kolmogorov_quantile(alpha: float) -> float:
    """The value that ``sqrt(en) D`` exceeds with probability ``alpha`` (Kolmogorov 1933)."""
    return float(kolmogi(alpha))


@lru_cache(maxsize=4096)
def kuiper_quantile(alpha: float) -> float:
    """The value that ``sqrt(en) V`` exceeds with probability ``alpha`` (Kuiper 1960)."""
    if alpha >= 1:
        return 0.0
    return float(brentq(lambda z: kuiper_tail(z) - alpha, 0.4, MAX_QUANTILE))


@lru_cache(maxsize=4096)
def normal_quantile(alpha: float) -> float:
    """The value that ``|Z|`` of a standard normal ``Z`` exceeds with probability ``alpha``."""
    return -float(ndtri(alpha / 2))


def skewness_correction(z: Value, skewness: Value) -> Value:
    """First term of Cornish and Fisher (1938): what skewness adds to a normal quantile ``z``."""
    return skewness * (z * z - 1) / 6


def effective_sizes(n: NDArray[np.int64], m: NDArray[np.int64]) -> NDArray[np.float64]:
    """``n m / (n + m)`` of each feature, shape (..., f); 0 where either is 0."""
    sizes = np.zeros(np.broadcast_shapes(n.shape, m.shape))
    np.divide(n * m.astype(np.float64), n + m, where=n + m > 0, out=sizes)
    return sizes
