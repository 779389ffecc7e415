"""When is it drift? One feature, one window, two conditions.

With ``en = n m / (n + m)`` and ``z`` the Kolmogorov quantile of the test's level, a window drifts
if its distance is more than sampling noise, and what persists of it is more than the reference's
own straying::

    D > z / sqrt(en)    and    E - z / (2 sqrt(en)) > 1.7 tolerance

The first condition alone keeps the budget on independent rows; the second is the allowance for data
that stray by nature (``monitor.tolerance``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import kolmogi

from monitor.bins import deviation, distance, effective_size, p_value
from monitor.budget import Levels
from monitor.counts import Counts
from monitor.plan import Drift
from monitor.rows import Numeric
from monitor.tolerance import persistent

TOLERATED = 1.7  # times the largest straying seen in the reference
COARSE = 10  # bins of the population stability index
LEAST_SHARE = 1e-4  # stands for an empty bin, whose logarithm would be infinite


class Verdict(StrEnum):
    OK = "ok"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient_data"


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Distance:
    """A window of one feature against its reference. Without values all statistics are None."""

    values: int  # that fell into bins
    statistic: float | None = None
    p_value: float | None = None
    persistent: float | None = None
    threshold: float | None = None
    detectable: float | None = None
    psi: float | None = None
    verdict: Verdict = Verdict.INSUFFICIENT
    severity: Severity | None = None


def judge(
    reference: Numeric, halves: Sequence[Counts], *, tolerance: float, level: Levels, drift: Drift
) -> Distance:
    """Test the two halves of a window (in panes; the first may be empty) against a reference."""
    sample = reference.sample
    first, second = (half.dense(sample.bins) for half in halves)
    live, fixed = first + second, sample.counts().dense(sample.bins)
    n = int(live.sum())
    if n == 0:
        return Distance(0)
    root = float(np.sqrt(effective_size(n, sample.size)))
    statistic = distance(deviation(live, fixed))
    lasting = persistent(first, second, fixed)
    allowed = max(TOLERATED * tolerance, drift.min_effect)

    def exceeds(alpha: float) -> bool:
        z = float(kolmogi(alpha))
        return statistic > z / root and lasting - z / (2 * root) > allowed

    z = float(kolmogi(level.warning))
    detectable = max(z / root, allowed + z / (2 * root))
    severity = _severity(exceeds(level.warning), exceeds(level.critical), lasting, drift)
    return Distance(
        values=n,
        statistic=statistic,
        p_value=p_value(statistic, n, sample.size),
        persistent=lasting,
        threshold=z / root,
        detectable=min(detectable, 1.0),
        psi=psi(live, fixed),
        verdict=_verdict(severity, detectable, allowed),
        severity=severity,
    )


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


def _severity(warning: bool, critical: bool, effect: float, drift: Drift) -> Severity | None:
    if critical and effect >= drift.critical_effect:
        return Severity.CRITICAL
    return Severity.WARNING if warning else None


def _verdict(severity: Severity | None, detectable: float, allowed: float) -> Verdict:
    """Too few rows if more could have shown something; a reference that strays as far as a distance
    can go (weather by the day) tolerates everything, and no number of rows would change that.
    """
    if severity is not None:
        return Verdict.DRIFT
    return Verdict.INSUFFICIENT if detectable >= 1 > allowed else Verdict.OK
