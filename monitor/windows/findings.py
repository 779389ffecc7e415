"""What detection has to tell: a window in its newest revision, and the changes of incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.decisions.incidents import Change, Incident
from monitor.performance.adwin_page_hinkley import Detector
from monitor.performance.cbpe import Expected
from monitor.performance.metrics import Metric
from monitor.statistics.drift_rule import RANK_TESTS, Comparison, Evidence, Severity, Verdict
from monitor.statistics.effect_sizes import Effects
from monitor.statistics.histograms import Distribution


class WindowStatus(StrEnum):
    CLOSED = "closed"
    INCOMPLETE = "incomplete"
    NO_DATA = "no_data"


class Maturity(StrEnum):
    PROVISIONAL = "provisional"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class FeatureFinding:
    """One feature of one window. ``tests`` is empty where the window holds no value of it."""

    name: str
    kind: str
    cells: str  # that it was counted in
    rows: int
    missing: int = 0
    wrong_type: int = 0
    not_finite: int = 0
    out_of_range: int = 0
    tests: tuple[Comparison, ...] = ()
    quality: Comparison | None = None  # of the share that is missing or of a wrong type
    effects: Effects | None = None
    unseen: Mapping[str, int] | None = None  # most frequent values outside the reference
    unseen_rows: int = 0
    distribution: Distribution | None = None

    @property
    def most_severe(self) -> Comparison | None:
        return max(self.tests, key=lambda tested: tested.severity_order, default=None)

    @property
    def severity(self) -> Severity | None:
        return None if self.most_severe is None else self.most_severe.severity

    @property
    def verdict(self) -> Verdict:
        """Drift if any test says so; insufficient data only if no distance could have."""
        told = (of for of in self.tests if of.severity or of.test not in RANK_TESTS)
        verdicts = {tested.verdict for tested in told}
        found = (v for v in (Verdict.DRIFT, Verdict.OK) if v in verdicts)
        return next(found, Verdict.INSUFFICIENT)

    def test(self, statistic: str) -> Comparison | None:
        return next((tested for tested in self.tests if tested.test == statistic), None)


@dataclass(frozen=True, slots=True)
class DataFinding:
    revision: int
    status: WindowStatus
    rows: int
    features: tuple[FeatureFinding, ...]
    score: FeatureFinding
    errors: FeatureFinding | None
    unknown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricFinding:
    name: str
    metric: Metric
    baseline: Metric
    threshold: float | None = None
    severity: Severity | None = None
    decided: bool = False  # whether enough was known to tell a fall from none


@dataclass(frozen=True, slots=True)
class PerformanceFinding:
    revision: int
    status: Maturity
    rows: int
    labels: int
    metrics: Mapping[str, MetricFinding]
    expected: Mapping[str, Expected] | None = None  # without a reference with labels, or any row


@dataclass(frozen=True, slots=True)
class WindowFinding:
    """All that is known of ``[start_ms, end_ms)`` of one model version."""

    model: str
    version: str
    start_ms: int
    end_ms: int
    data: DataFinding
    performance: PerformanceFinding
    detectors: tuple[Detector, ...] = ()  # on the errors of panes up to its end

    @property
    def revision(self) -> int:
        return self.data.revision + self.performance.revision


def evidence_of(
    found: MetricFinding, start_ms: int, end_ms: int, *, rows: int, labels: int
) -> Evidence | None:
    """None while the metric has not fallen."""
    if found.severity is None or found.metric.value is None:
        return None
    low, high = found.metric.interval()
    return Evidence(
        decided_by=found.name,
        value=found.metric.value,
        severity=found.severity,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=rows,
        threshold=found.threshold,
        low=low,
        high=high,
        baseline=found.baseline.value,
        resolution=found.metric.resolution,
        labels=labels,
        coverage=labels / rows if rows else None,
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """An incident that changed, and the window that changed it."""

    model: str
    version: str
    change: Change
    incident: Incident
    start_ms: int
    end_ms: int

    @property
    def evidence(self) -> Evidence:
        return self.incident.evidence

    @property
    def window_end_ms(self) -> int:
        """Of the window that is spoken of: an old one, where something else has changed now."""
        return self.end_ms if self.change is Change.RESOLVED else self.evidence.end_ms


@dataclass(slots=True)
class Findings:
    windows: list[WindowFinding] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
