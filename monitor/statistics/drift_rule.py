"""When is it drift? One statistic of one window, two conditions.

With ``en = n m / (n + m)`` and ``z`` the quantile of the test's level, a window drifts if its
deviation ``D`` is more than sampling noise, and what persists of it is more than the reference's
own straying::

    D > z / sqrt(en)    and    E - z / (2 sqrt(en)) > allowed

The first condition alone keeps the budget on independent rows; the second is the allowance for data
that stray by nature (``monitor.statistics.natural_variation``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from monitor.budget import Levels
from monitor.plan import Drift


class Verdict(StrEnum):
    OK = "ok"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient_data"


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


RANK_TESTS = ("wilcoxon", "mood")  # mean scores, which decide beside the distances that are shown


@dataclass(frozen=True, slots=True)
class Comparison:
    """One statistic of one window, and what it had to exceed to be drift."""

    test: str
    rows: int
    value: float
    persistent: float
    threshold: float  # what sampling noise explains, at the level of a warning
    allowance: float  # what the persistent part may stray by beyond ``noise_fraction`` of that
    severity: Severity | None = None
    p_value: float | None = None
    detail: str | None = None  # which category, and how it moved
    noise_fraction: float = 0.5

    @property
    def detectable(self) -> float:
        """The smallest deviation that would have been drift."""
        return max(self.threshold, self.allowance + self.threshold * self.noise_fraction)

    @property
    def verdict(self) -> Verdict:
        """Too few rows if more could have shown something; where the reference strays as far as a
        deviation can go (weather by the day), no number of rows would change that, and it is ok.
        """
        if self.severity is not None:
            return Verdict.DRIFT
        return Verdict.INSUFFICIENT if self.detectable >= 1 > self.allowance else Verdict.OK

    @property
    def severity_order(self) -> tuple[int, bool, float]:
        """For choosing the gravest of several: what has moved far is wider only by the way."""
        rank = -1 if self.severity is None else self.severity.rank
        return rank, self.test != RANK_TESTS[1], self.persistent / max(self.detectable, 1e-12)


Noise = Callable[[float], float]  # the deviation that sampling noise exceeds with a probability


def severity_of(  # noqa: PLR0913 - both sides of the two conditions
    value: float,
    persistent: float,
    noise: Noise,
    allowance: float,
    levels: Levels,
    drift: Drift,
    effect: float,
) -> Severity | None:
    """Warning, critical or neither. Critical also needs an effect of ``critical_effect``."""

    def exceeds(alpha: float) -> bool:
        return value > noise(alpha) and persistent - noise(alpha) / 2 > allowance

    if not exceeds(levels.warning):
        return None
    critical = effect >= drift.critical_effect and exceeds(levels.critical)
    return Severity.CRITICAL if critical else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Evidence:
    """What raised an incident: a test, or a metric, of the window ``[start_ms, end_ms)``."""

    decided_by: str  # the test, or the metric
    value: float
    severity: Severity
    start_ms: int
    end_ms: int
    rows: int
    threshold: float | None = None
    allowance: float | None = None
    persistent: float | None = None
    p_value: float | None = None
    detail: str | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    resolution: float | None = None
    labels: int | None = None
    coverage: float | None = None


def evidence(tested: Comparison, start_ms: int, end_ms: int) -> Evidence | None:
    """None while nothing drifted."""
    if tested.severity is None:
        return None
    return Evidence(
        decided_by=tested.test,
        value=tested.value,
        severity=tested.severity,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=tested.rows,
        threshold=tested.threshold,
        allowance=tested.allowance,
        persistent=tested.persistent,
        p_value=tested.p_value,
        detail=tested.detail,
    )
