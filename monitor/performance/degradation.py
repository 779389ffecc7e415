"""Whether a metric is worse than on the reference by more than its natural variation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from monitor.counts.measured import Metric
from monitor.plan import CLEAR


@dataclass(frozen=True, slots=True)
class Overdispersion:
    """How the windows of a reference vary, relative to windows of independent rows."""

    factor: float  # of the variance, at least 1
    degrees: int  # degrees of freedom of the factor
    offset: float = 0.0  # mean of the windows' metrics minus the metric of the whole reference


class Degradation(NamedTuple):
    """How a metric compares with its bound."""

    is_degraded: bool
    bound: float | None = None
    is_near: bool = False  # it is beyond ``CLEAR`` of what is needed


def degraded(
    current: Metric,
    baseline: Metric,
    overdispersion: Overdispersion | None,
    *,
    threshold: float,
    alpha: float,
) -> Degradation:
    """Whether ``current`` is worse than its bound at level ``alpha`` (one-sided), and the bound.

    The bound is ``threshold * baseline``, or ``baseline / threshold`` if lower is better. The noise
    is that of independent rows in both metrics, multiplied by the overdispersion of the reference
    (``monitor.performance.overdispersion``). ``current`` is taken with four more rows (of a
    classifier, two of them wrong: Agresti and Coull 1998), so that a handful of rows is no
    evidence.

    An undefined metric is not degraded and has no bound. Without ``overdispersion``, because the
    reference is too short to estimate it, nothing is degraded.
    """
    if current.value is None or baseline.value is None:
        return Degradation(is_degraded=False)
    scale = 1 / threshold if current.lower_is_better else threshold
    bound = scale * baseline.value
    if overdispersion is None:
        return Degradation(is_degraded=False, bound=bound)
    independent = float(np.hypot(current.independent_se, scale * baseline.independent_se))
    noise = independent * float(np.sqrt(overdispersion.factor))
    margin = -float(stdtrit(overdispersion.degrees, alpha)) * noise
    above = current.adjusted - overdispersion.offset - bound
    worse = above if current.lower_is_better else -above
    return Degradation(worse > margin, bound, worse > CLEAR * margin)
