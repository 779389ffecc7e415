"""The results of detection: windows in their newest revision, and changes of incidents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from monitor.counts.measured import Expected, Metric
from monitor.decisions.incidents import Change, Incident, Resolution
from monitor.decisions.retraining import Decision
from monitor.identity import Key
from monitor.performance.adwin_page_hinkley import Detector
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
    """One feature of one window. ``tests`` is empty if the window holds no value of it."""

    name: str
    kind: str
    cells: str  # name of its cells in the summaries
    rows: int
    missing: int = 0
    wrong_type: int = 0
    not_finite: int = 0
    out_of_range: int = 0
    tests: tuple[Comparison, ...] = ()
    quality: Comparison | None = None  # of missing and wrong-typed values
    effects: Effects | None = None
    unseen: Mapping[str, int] | None = (
        None  # most frequent categories that the reference does not hold
    )
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
        """Drift if any test found drift; ok only if a distance could have shown some."""
        deciding = (one for one in self.tests if one.severity or one.test not in RANK_TESTS)
        verdicts = {comparison.verdict for comparison in deciding}
        ordered = (Verdict.DRIFT, Verdict.OK, Verdict.CANNOT_JUDGE)
        return next((each for each in ordered if each in verdicts), Verdict.INSUFFICIENT)

    def test(self, statistic: str) -> Comparison | None:
        return next((tested for tested in self.tests if tested.test == statistic), None)


@dataclass(frozen=True, slots=True)
class DataFinding:
    """The rows of a window, compared with the reference feature by feature."""

    revision: int
    status: WindowStatus
    rows: int
    features: tuple[FeatureFinding, ...]
    outputs: tuple[FeatureFinding, ...]  # of the model: its score, or the number it predicts
    errors: tuple[FeatureFinding, ...]  # of labelled rows
    unknown: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MetricFinding:
    """A metric of a window beside its baseline. Warning and critical are falls below it."""

    name: str
    metric: Metric
    baseline: Metric
    threshold: float | None = None
    severity: Severity | None = None
    decided: bool = False  # whether the metric could be tested
    is_clear: bool = False  # it was, and shows no trace of a fall


@dataclass(frozen=True, slots=True)
class PerformanceFinding:
    """The metrics of the labelled rows of a window. ``rows`` counts all predictions."""

    revision: int
    status: Maturity
    rows: int
    labels: int
    metrics: Mapping[str, MetricFinding]
    expected: Mapping[str, Expected] | None = None  # None without labels in the reference, or rows


@dataclass(frozen=True, slots=True)
class WindowFinding:
    """The window ``[start_ms, end_ms)`` of one model version, or of a segment of it."""

    key: Key
    start_ms: int
    end_ms: int
    data: DataFinding
    performance: PerformanceFinding
    detectors: tuple[Detector, ...] = ()  # on the errors of panes up to its end
    life: int = 0  # number of the life of the version

    @property
    def revision(self) -> int:
        return self.data.revision + self.performance.revision


def evidence_of(
    finding: MetricFinding, start_ms: int, end_ms: int, *, rows: int, labels: int
) -> Evidence | None:
    """The evidence that a metric has fallen in a window; None if it has not."""
    if finding.severity is None or finding.metric.value is None:
        return None
    low, high = finding.metric.interval()
    return Evidence(
        decided_by=finding.name,
        value=finding.metric.value,
        severity=finding.severity,
        start_ms=start_ms,
        end_ms=end_ms,
        rows=rows,
        threshold=finding.threshold,
        low=low,
        high=high,
        baseline=finding.baseline.value,
        resolution=finding.metric.resolution,
        labels=labels,
        coverage=labels / rows if rows else None,
    )


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an incident, and the window that changed it."""

    key: Key
    change: Change
    incident: Incident
    start_ms: int
    end_ms: int
    resolution: Resolution = Resolution.RECOVERED  # why it is resolved, if it is
    cause: str | None = None  # id of the incident about the traffic that made it stale
    segments: tuple[str, ...] = ()  # of the whole: those with an open incident about its subject
    part_of: str | None = None  # of a segment: id of the open incident of the whole about it

    @property
    def evidence(self) -> Evidence:
        """That people are told; of a resolved incident, what they were told last."""
        return self.incident.told or self.incident.evidence

    @property
    def window_end_ms(self) -> int:
        """End of the window that the change is reported with."""
        return self.end_ms if self.change is Change.RESOLVED else self.evidence.end_ms


@dataclass(frozen=True, slots=True)
class RetrainingFinding:
    """A decision about retraining a model version."""

    key: Key
    decision: Decision
    life: int = 0  # number of the life of the version


Closed = tuple[Incident, int]  # with the end of the window that ended it


@dataclass(slots=True)
class Findings:
    """The windows to publish, the changes of incidents and the decisions, each in order.

    ``failures`` holds the exceptions of the keys whose detection failed, ``closed`` the incidents
    that have ended, also those that were grouped with another.
    """

    windows: list[WindowFinding] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    retraining: list[RetrainingFinding] = field(default_factory=list)
    failures: dict[Key, Exception] = field(default_factory=dict)
    closed: dict[Key, list[Closed]] = field(default_factory=dict)
