"""Whether a metric has become worse than it was on the reference, by more than it strays anyway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from monitor.performance.metrics import Metric

# Those of ``monitor.performance.metrics`` that may open an incident, and so spend of the budget.
JUDGED = ("accuracy", "precision", "recall", "f1", "roc_auc")


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How far windows of a reference stray, against what independent rows would."""

    factor: float  # of the variance, at least 1
    degrees: int  # of freedom it was learned with
    offset: float = 0.0  # of the metric in a window, from the metric of all of them together


def degraded(
    now: Metric, baseline: Metric, dispersion: Dispersion | None, *, share: float, alpha: float
) -> tuple[bool, float | None]:
    """Whether ``now`` is worse than its bound, at level ``alpha``; and that bound.

    The bound is ``share`` of the baseline; where lower is better, the baseline over ``share``.
    One-sided, with the variance of both: that of independent rows, times the factor by which the
    reference's own windows exceed it, and less what they lie off anyway
    (``monitor.performance.overdispersion``). An undefined metric, or a reference too short to know
    the factor, decides nothing. ``now`` is taken with four rows more, half of them wrong (Agresti
    and Coull 1998): two wrong rows out of two are no proof of anything.
    """
    if now.value is None or baseline.value is None:
        return False, None
    scale = 1 / share if now.lower_is_better else share
    bound = scale * baseline.value
    if dispersion is None:
        return False, bound
    noise = float(np.hypot(now.floor, scale * baseline.floor)) * float(np.sqrt(dispersion.factor))
    reach = float(student.isf(alpha, dispersion.degrees)) * noise
    above = now.shrunk - dispersion.offset - bound
    return (above if now.lower_is_better else -above) > reach, bound
