"""The rate of incidents over several splits, with its confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t


@dataclass(frozen=True, slots=True)
class Rate:
    """Incidents in a period, with the 95% confidence interval of the mean over the splits."""

    mean: float
    low: float
    high: float


def rate(incidents: Sequence[int], periods: float) -> Rate:
    """``incidents`` of each split, in streams that last ``periods`` each.

    The interval is Student's over the splits. Without any incident, or with a single split, its
    upper end is that of the exact interval of a Poisson count (3.69 for none).
    """
    counts = np.asarray(incidents, dtype=np.float64)
    mean, n = float(counts.mean()), counts.size
    if n < 2 or not counts.any():
        total = float(counts.sum())
        reach = (1.96 * np.sqrt(total + 1) + 1.96**2 / 2) / n if total else -np.log(0.025) / n
    else:
        reach = float(t.ppf(0.975, n - 1) * counts.std(ddof=1) / np.sqrt(n))
    return Rate(mean / periods, max(mean - reach, 0.0) / periods, (mean + reach) / periods)
