"""Proportions and means with intervals, and quantiles of delays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import beta, poisson


def proportion(hits: int, runs: int) -> dict[str, Any]:
    """The proportion of hits with the 95% interval of Clopper and Pearson."""
    low = float(beta.ppf(0.025, hits, runs - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, runs - hits)) if hits < runs else 1.0
    upper = float(beta.ppf(0.95, hits + 1, runs - hits)) if hits < runs else 1.0
    return {"share": hits / runs, "low": low, "high": high, "upper95": upper, "runs": runs}


def mean(counts: Sequence[int]) -> dict[str, Any]:
    """The mean with a normal 95% interval, or an exact Poisson interval if all counts are 0."""
    values = np.asarray(counts, dtype=np.float64)
    reach = 1.96 * float(values.std(ddof=1)) / np.sqrt(values.size) if values.size > 1 else 0.0
    average = float(values.mean())
    if not values.any():
        reach = float(poisson.isf(0.025, 3) / values.size)
    return {
        "mean": average,
        "low": max(average - reach, 0.0),
        "high": average + reach,
        "runs": int(values.size),
    }


def delays(found: Sequence[float | None]) -> dict[str, Any]:
    """Quantiles of delays. None is a missed change, and counts as an infinite delay."""
    values = np.sort([np.inf if each is None else each for each in found])
    return {
        "median": _finite(values, 0.5),
        "p90": _finite(values, 0.9),
        "missed": float(np.isinf(values).mean()),
        "runs": int(values.size),
    }


def _finite(values: Any, quantile: float) -> float | None:
    at = float(values[min(int(np.ceil(quantile * values.size)) - 1, values.size - 1)])
    return at if np.isfinite(at) else None
