"""What detection has to tell: a window in its newest revision, and the changes of incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.distribution import Distribution
from monitor.drift import Distance, Severity, Verdict
from monitor.incidents import Change, Incident
from monitor.performance import Metric


class WindowStatus(StrEnum):
    CLOSED = "closed"
    INCOMPLETE = "incomplete"
    NO_DATA = "no_data"


class Maturity(StrEnum):
    PROVISIONAL = "provisional"
    FINAL = "final"


@dataclass(frozen=True, slots=True)
class FeatureFinding:
    """One feature of one window. ``distance`` is None for categorical features."""

    name: str
    kind: str
    rows: int
    missing: int = 0
    wrong_type: int = 0
    not_finite: int = 0
    out_of_range: int = 0
    distance: Distance | None = None
    tolerance: float | None = None
    psi: float | None = None
    verdict: Verdict = Verdict.OK
    unseen: Mapping[str, int] | None = None  # most frequent values outside the reference
    unseen_rows: int = 0
    distribution: Distribution | None = None


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


@dataclass(frozen=True, slots=True)
class WindowFinding:
    """All that is known of ``[start_ms, end_ms)`` of one model version."""

    model: str
    version: str
    start_ms: int
    end_ms: int
    data: DataFinding
    performance: PerformanceFinding

    @property
    def revision(self) -> int:
        return self.data.revision + self.performance.revision


@dataclass(frozen=True, slots=True)
class Transition:
    """An incident that changed, and the window that changed it."""

    model: str
    version: str
    change: Change
    incident: Incident
    start_ms: int
    end_ms: int
    evidence: FeatureFinding | MetricFinding
    rows: int = 0  # predictions of the window, and how many of them had their label
    labels: int = 0


@dataclass(slots=True)
class Findings:
    windows: list[WindowFinding] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
