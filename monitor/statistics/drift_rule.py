"""The drift rule: two conditions on the result of one test of one window.

With ``en = n m / (n + m)`` and ``z`` the quantile of the test's level, a window has drifted if its
deviation ``D`` exceeds sampling noise, and its persistent part ``E`` exceeds the natural variation
of the reference beyond half of that noise::

    D > z / sqrt(en)    and    E - z / (2 sqrt(en)) > allowance

The first condition alone keeps the false alarm budget on independent rows. The second accounts for
data that vary naturally (``monitor.statistics.natural_variation``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from monitor.budget import Levels
from monitor.performance.change_by_segment import SegmentShare
from monitor.plan import CLEAR, Drift
from monitor.statistics.histograms import Distribution
from monitor.statistics.noise_parts import HALF


class Verdict(StrEnum):
    OK = "ok"
    DRIFT = "drift"
    INSUFFICIENT = "insufficient_data"
    CANNOT_JUDGE = "cannot_judge"  # more rows would not help


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


RANK_TESTS = ("wilcoxon", "mood")  # they decide besides the distances that are shown


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one test of one window, with the limits it was compared with."""

    test: str
    rows: int
    value: float
    persistent: float
    threshold: float  # sampling noise, at the level of a warning
    allowance: float  # natural variation, beyond ``noise_fraction`` of the threshold
    severity: Severity | None = None
    p_value: float | None = None
    detail: str | None = None  # the direction, or the category and its proportions
    noise_fraction: float = HALF

    @property
    def detectable(self) -> float:
        """The smallest deviation that would have been drift."""
        return max(self.threshold, self.allowance + self.threshold * self.noise_fraction)

    @property
    def verdict(self) -> Verdict:
        """Insufficient data if no deviation could have been drift, but could be with more rows.

        If the natural variation alone covers every possible deviation, more rows would not help:
        the window cannot be judged.
        """
        if self.severity is not None:
            return Verdict.DRIFT
        if self.detectable < 1:
            return Verdict.OK
        return Verdict.INSUFFICIENT if self.allowance < 1 else Verdict.CANNOT_JUDGE

    @property
    def is_near(self) -> bool:
        """Whether the deviation is more than ``CLEAR`` of each limit."""
        beyond = self.allowance + self.threshold * self.noise_fraction
        return self.value > CLEAR * self.threshold and self.persistent > CLEAR * beyond

    @property
    def severity_order(self) -> tuple[int, bool, float]:
        """Sort key: the largest is the most severe.

        At the same severity Mood's test comes last, because a large shift also looks like a
        widening.
        """
        rank = -1 if self.severity is None else self.severity.rank
        return rank, self.test != RANK_TESTS[1], self.persistent / max(self.detectable, 1e-12)


def is_clear(tests: Iterable[Comparison]) -> bool:
    """Whether the tests of a subject show no trace of drift, although they could find some."""
    could = [one for one in tests if one.verdict is not Verdict.INSUFFICIENT]
    distances = [one for one in could if one.test not in RANK_TESTS]
    return bool(distances) and all(one.verdict is Verdict.OK and not one.is_near for one in could)


Noise = Callable[[float], float]  # the deviation that sampling noise exceeds with a probability


def severity_of(
    comparison: Comparison, noise: Noise, levels: Levels, drift: Drift, effect: float
) -> Severity | None:
    """The severity by both conditions. Critical also requires an effect of ``critical_effect``."""
    value, persistent, allowance = comparison.value, comparison.persistent, comparison.allowance

    def exceeds(alpha: float) -> bool:
        return value > noise(alpha) and persistent - noise(alpha) / 2 > allowance

    if not exceeds(levels.warning):
        return None
    critical = effect >= drift.critical_effect and exceeds(levels.critical)
    return Severity.CRITICAL if critical else Severity.WARNING


@dataclass(frozen=True, slots=True)
class Evidence:
    """The test or the metric of the window ``[start_ms, end_ms)`` that opened an incident."""

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
    distribution: Distribution | None = None  # of the reference and of this window
    segments: tuple[SegmentShare, ...] = ()  # what explains the fall of a metric, most first


def evidence(comparison: Comparison, start_ms: int, end_ms: int) -> Evidence | None:
    """None without drift."""
    if comparison.severity is None:
        return None
    return Evidence(
        decided_by=comparison.test,
        value=comparison.value,
        severity=comparison.severity,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=comparison.rows,
        threshold=comparison.threshold,
        allowance=comparison.allowance,
        persistent=comparison.persistent,
        p_value=comparison.p_value,
        detail=comparison.detail,
    )
