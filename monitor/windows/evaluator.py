"""How the windows of one model version are judged: its plan, its profile, and all that follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from monitor.budget import Family, Length, families, own_length
from monitor.counts.columns import Numeric, Reference
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.measured import Expectation, Metric
from monitor.counts.profile import Profile
from monitor.counts.subjects import name_of
from monitor.counts.summary import Names, most_frequent
from monitor.performance.adwin_page_hinkley import ErrorScale
from monitor.performance.degradation import Overdispersion, degraded
from monitor.performance.labelled_counts import labelled_rows
from monitor.plan import Plan
from monitor.statistics.coverage_check import CoverageCheck
from monitor.statistics.drift_rule import Comparison, Severity
from monitor.statistics.proportions import Proportion
from monitor.statistics.scanner import Scanner
from monitor.statistics.traffic import TrafficCheck
from monitor.windows.evaluator_builder import EvaluatorBuilder
from monitor.windows.feature_findings import (
    Tests,
    WindowHalves,
    binned_finding,
    categorical_finding,
    numeric_finding,
)
from monitor.windows.findings import (
    DataFinding,
    FeatureFinding,
    Maturity,
    MetricFinding,
    PerformanceFinding,
    WindowStatus,
)
from monitor.windows.learned import Learned
from monitor.windows.reference import rows_per_pane, tested_lengths
from monitor.windows.segment_explanation import reference_outcomes


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """All that judging a window needs besides its counts."""

    plan: Plan
    profile: Profile
    rows_per_pane: float  # of the reference
    lengths: tuple[Length, ...]  # of the windows that distributions are tested in
    families: Mapping[str, Family]
    data: Scanner  # of the features and the outputs
    errors: Scanner | None
    coverage: CoverageCheck | None
    traffic: TrafficCheck
    baseline: Mapping[str, Metric]
    dispersions: Mapping[Length, Mapping[str, Overdispersion]]  # by metric
    expectation: Expectation | None  # None: nothing is expected without labels
    outcomes: Mapping[str, Counts]  # of each segment of the reference, by cells
    longest_panes: int = field(init=False)  # of any window that is tested

    def __post_init__(self) -> None:
        lengths = (length for family in self.families.values() for length in family.lengths)
        object.__setattr__(self, "longest_panes", max(length.panes for length in lengths))

    @classmethod
    def of(cls, plan: Plan, profile: Profile, learned: Learned | None = None) -> Evaluator:
        """``learned`` is ``Learned.of`` the same windows and profile; computed if it is not given.

        The budget of ``plan`` is that of the version; the evaluator has the profile's share of it.

        Raises ``ValueError`` if the pane of the profile is not that of the plan.
        """
        plan = plan.with_share(profile.share)
        lengths = tested_lengths(plan, profile)
        divided = families(plan, profile.schema, lengths)
        learned = learned or Learned.of(plan, profile)
        builder = EvaluatorBuilder(plan, profile, learned, divided, lengths)
        return cls(
            plan,
            profile,
            rows_per_pane(plan, profile),
            tuple(lengths),
            divided,
            builder.data_scanner(),
            builder.error_scanner(),
            builder.coverage_check(),
            builder.traffic_check(),
            learned.baseline,
            learned.dispersions,
            learned.expectation,
            reference_outcomes(profile),
        )

    @property
    def label_wait_ms(self) -> int:
        time = self.plan.time
        return self.profile.label_wait_ms(time.label_wait_ms, time.label_horizon_ms)

    @property
    def error_scale(self) -> ErrorScale | None:
        """The mean error to expect of a pane; None if the reference has no labels.

        It varies like the task's ``error_metric`` in windows of ``windows.length``.
        """
        task, errors = self.profile.schema.task, self.profile.schema.errors
        sizes = [reference.sample.size for reference in errors.values()]
        rate = task.error_rate(self.baseline, sizes[0]) if sizes else None
        if rate is None:
            return None
        variation = self.dispersions.get(own_length(self.plan), {}).get(task.error_metric)
        return ErrorScale(rate, 1.0 if variation is None else variation.factor)

    @property
    def gap_panes(self) -> int:
        """The panes without a row that are too many, if gaps are watched."""
        set_ms, pane_ms = self.plan.traffic.none_after_ms, self.plan.windows.pane_ms
        return self.traffic.gap_panes if set_ms is None else -(-set_ms // pane_ms)

    @property
    def reach_panes(self) -> int:
        """The panes without a row after which no further ones are closed."""
        longest = self.plan.windows.longest_ms // self.plan.windows.pane_ms
        return max(self.longest_panes, min(self.gap_panes, longest))

    @property
    def performance_lengths(self) -> Sequence[Length]:
        """The lengths of window that performance is judged in; none without reference labels."""
        return self.families["performance"].lengths if "performance" in self.families else ()

    @property
    def longest_scale(self) -> int:
        return max(length.panes for length in self.lengths if length.is_scale)

    def judge_data(
        self,
        panes: Sequence[Cells],
        names: Names,
        *,
        complete: bool,
        revision: int,
        known: DataFinding | None = None,
    ) -> DataFinding:
        """Compare a window with the reference.

        ``panes`` are in time order, empty ones as empty mappings. ``names`` holds the unknown
        features and unseen categories of the window. With ``known``, an earlier finding of the
        same rows, ``panes`` need to hold the errors only.
        """
        middle = len(panes) // 2
        window = WindowHalves(add_cells(panes[:middle]), add_cells(panes[middle:]))
        finding = self._judge_rows(window, names) if known is None else known
        return replace(
            finding,
            revision=revision,
            status=_status(finding.rows, complete),
            errors=_findings(
                self.profile.schema.errors, window, names, self._tests(self.errors, window)
            ),
        )

    def _judge_rows(self, window: WindowHalves, names: Names) -> DataFinding:
        """The finding of a window without its errors."""
        schema, tests = self.profile.schema, self._tests(self.data, window)
        features = tuple(
            numeric_finding(name, reference, window, tests)
            if isinstance(reference, Numeric)
            else categorical_finding(f"categories/{name}", reference, window, names, tests)
            for name, reference in schema.features.items()
        )
        return DataFinding(
            revision=0,
            status=_status(window.rows, complete=True),
            rows=window.rows,
            features=features,
            outputs=_findings(schema.outputs, window, names, tests),
            errors=(),
            unknown=most_frequent(names.get("unknown", {})),
        )

    def _tests(
        self, scanner: Scanner | None, window: WindowHalves
    ) -> dict[str, tuple[Comparison, ...]]:
        if scanner is None:
            return {}
        halves = [scanner.cell_index.gather(half) for half in (window.first, window.second)]
        return scanner.judge(halves, own_length(self.plan))

    def judge_coverage(self, rows: Sequence[int], labels: Sequence[int]) -> Comparison | None:
        """Test the label coverage of a window whose labels have had their time.

        ``rows`` and ``labels`` are the predictions and labels of each pane. None if the reference
        has no labels, or the window has no rows.
        """
        if self.coverage is None:
            return None
        middle, halves = len(rows) // 2, []
        for half in (slice(0, middle), slice(middle, None)):
            n, labelled = sum(rows[half]), sum(labels[half])
            halves.append(Proportion(max(n - labelled, 0), n))
        return self.coverage.judge(halves[0], halves[1], own_length(self.plan))

    def judge_performance(
        self,
        panes: Sequence[Cells],
        rows: int,
        *,
        status: Maturity,
        revision: int,
        predictions: Cells | None = None,
    ) -> PerformanceFinding:
        """Measure a window. ``panes`` hold its labelled rows, ``rows`` counts all predictions.

        ``predictions`` are the cells of all predictions; without them, the expected performance is
        that of the labelled rows.
        """
        measured = self.measure(panes)
        return PerformanceFinding(
            revision,
            status,
            rows,
            labelled_rows(panes),
            self.judge_metrics(measured, own_length(self.plan)),
            None if self.expectation is None else self.expectation.estimate(panes, predictions),
        )

    def measure(self, panes: Sequence[Cells]) -> dict[str, Metric]:
        """The metrics of the task over the labelled rows of ``panes``."""
        return self.profile.schema.measure(panes)

    def measure_judged(self, panes: Sequence[Cells]) -> dict[str, Metric]:
        """Those of them that may open an incident."""
        return self.profile.schema.measure_judged(panes)

    def judge_metrics(
        self, measured: Mapping[str, Metric], length: Length
    ) -> dict[str, MetricFinding]:
        """Test which metrics of a window of a length have fallen below the baseline."""
        return {name: self._metric(name, metric, length) for name, metric in measured.items()}

    def _metric(self, name: str, metric: Metric, length: Length) -> MetricFinding:
        """Warning below the baseline, critical below ``degradation_threshold`` times it."""
        family = self.families.get("performance")
        before = self.baseline.get(name, Metric(None))
        if family is None or name not in self.profile.schema.task.judged:
            return MetricFinding(name, metric, before)
        level = family.level(self.plan, length)
        share = self.plan.performance.degradation_threshold
        variation = self.dispersions[length].get(name)
        critical = degraded(metric, before, variation, threshold=share, alpha=level.critical)
        warning = degraded(metric, before, variation, threshold=1.0, alpha=level.warning)
        suspected = Severity.WARNING if warning.is_degraded else None
        severity = Severity.CRITICAL if critical.is_degraded else suspected
        decided = variation is not None and metric.value is not None and before.value is not None
        is_clear = decided and severity is None and not warning.is_near
        return MetricFinding(name, metric, before, critical.bound, severity, decided, is_clear)


def _findings(
    references: Mapping[str, Reference], window: WindowHalves, names: Names, tests: Tests
) -> tuple[FeatureFinding, ...]:
    """Of outputs or errors, by cells."""
    return tuple(
        binned_finding(name_of(cells), cells, reference, window, tests)
        if isinstance(reference, Numeric)
        else categorical_finding(cells, reference, window, names, tests)
        for cells, reference in references.items()
    )


def _status(rows: int, complete: bool) -> WindowStatus:
    if rows == 0:
        return WindowStatus.NO_DATA
    return WindowStatus.CLOSED if complete else WindowStatus.INCOMPLETE
