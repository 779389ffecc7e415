"""Shares with intervals, and delays as people ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import beta, poisson


def share(hits: int, runs: int) -> dict[str, Any]:
    """With Clopper and Pearson's 95% interval."""
    low = float(beta.ppf(0.025, hits, runs - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, runs - hits)) if hits < runs else 1.0
    upper = float(beta.ppf(0.95, hits + 1, runs - hits)) if hits < runs else 1.0
    return {"share": hits / runs, "low": low, "high": high, "upper95": upper, "runs": runs}


def mean(counts: Sequence[int]) -> dict[str, Any]:
    """With a normal 95% interval over runs; where all are 0, the exact one of a Poisson count."""
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
    """None is missed; median and 90th percentile count a miss as endless (None)."""
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
