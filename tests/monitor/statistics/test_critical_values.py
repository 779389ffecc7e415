"""Sampling noise exceeds critical values no more often than their level."""

import numpy as np
import pytest
from scipy.stats import binom, kstwobign

from monitor.statistics.critical_values import (
    effective_sizes,
    kolmogorov_quantile,
    kuiper_quantile,
    kuiper_tail,
)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-4, 1e-8])
def test_kolmogorov_quantiles_equal_scipys(alpha):
    assert kolmogorov_quantile(alpha) == pytest.approx(kstwobign.isf(alpha), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 0.05, 1e-4, 1e-8])
def test_kuiper_tail_inverts_the_quantile(alpha):
    assert kuiper_tail(kuiper_quantile(alpha)) == pytest.approx(alpha, rel=1e-6)


def test_kuiper_quantiles_equal_the_published_table():
    """Stephens (1970), table 1: upper tail percentage points of V* in the limit."""
    for alpha, published in ((0.15, 1.537), (0.10, 1.620), (0.05, 1.747), (0.01, 2.001)):
        assert kuiper_quantile(alpha) == pytest.approx(published, abs=6e-4)


def test_quantile_at_level_1_is_zero():
    assert kuiper_quantile(1.0) == 0.0
    assert kuiper_tail(0.0) == 1.0


@pytest.mark.parametrize(("n", "m"), [(50, 1_000), (500, 1_000)])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_independent_rows_exceed_critical_values_at_about_their_level(n, m, alpha):
    """Distances of two samples from the ranks of both, which is all they depend on."""
    rng, runs = np.random.default_rng(7), 8_000
    is_live = np.argsort(rng.random((runs, n + m)), axis=1) < n
    gaps = np.cumsum(np.where(is_live, 1 / n, -1 / m), axis=1)
    high, low = np.maximum(gaps.max(axis=1), 0), np.minimum(gaps.min(axis=1), 0)
    root = np.sqrt(n * m / (n + m))
    for distances, quantile in (
        (np.maximum(high, -low), kolmogorov_quantile),
        (high - low, kuiper_quantile),
    ):
        hits = int((distances * root > quantile(alpha)).sum())
        assert hits <= binom.isf(1e-4, runs, alpha)
        assert hits >= 0.5 * alpha * runs


def test_effective_size_is_zero_without_rows():
    found = effective_sizes(np.array([0, 10, 10]), np.array([5, 0, 10]))
    assert found.tolist() == [0.0, 0.0, 5.0]
