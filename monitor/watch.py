"""How one model version is judged: its plan, its profile, and what follows from the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor import distribution
from monitor.budget import Levels, levels
from monitor.counts import Cells, Counts, add_cells
from monitor.dispersion import dispersion
from monitor.drift import Severity, Verdict, judge, stability
from monitor.findings import (
    DataFinding,
    FeatureFinding,
    Maturity,
    MetricFinding,
    PerformanceFinding,
    WindowStatus,
)
from monitor.performance import Dispersion, Metric, degraded, measure
from monitor.plan import Plan
from monitor.profile import Profile
from monitor.rows import Categorical, Numeric
from monitor.schema import ERROR, SCORE
from monitor.summaries import Names, Part, Quality, most_frequent
from monitor.tolerance import tolerance


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Everything that judging a window needs besides its counts."""

    plan: Plan
    profile: Profile
    levels: Mapping[str, Levels]
    tolerances: Mapping[str, float]  # by name of the cells: "bins/temp", "score", "errors"
    baseline: Mapping[str, Metric]
    dispersions: Mapping[str, Dispersion]  # by metric

    @classmethod
    def of(cls, plan: Plan, profile: Profile) -> Watch:
        """Raises ``ValueError`` if the profile was taken with another pane than the plan's."""
        if profile.schema.pane_ms != plan.windows.pane_ms:
            raise ValueError(
                f"the profile of {profile.model}/{profile.version} was taken with panes of"
                f" {profile.schema.pane_ms / 1000:g} s, the configuration says"
                f" {plan.windows.pane_ms / 1000:g} s: set windows.pane to match, or register the"
                " model again as a new version"
            )
        return cls(
            plan,
            profile,
            levels(plan, profile.schema),
            _tolerances(plan, profile),
            baseline(profile),
            _dispersions(plan, profile),
        )

    @property
    def label_wait_ms(self) -> int:
        time = self.plan.time
        return self.profile.label_wait_ms(time.label_wait_ms, time.label_horizon_ms)

    def judge_data(
        self, panes: Sequence[Cells], names: Names, *, complete: bool, revision: int
    ) -> DataFinding:
        """``panes`` are the window's, in order, empty ones as empty mappings."""
        middle = len(panes) // 2
        first, second = add_cells(panes[:middle]), add_cells(panes[middle:])
        window = _Halves(first, second)
        schema = self.profile.schema
        features = tuple(
            self._numeric(name, reference, window)
            if isinstance(reference, Numeric)
            else _categorical(name, reference, window, names)
            for name, reference in schema.features.items()
        )
        errors = schema.errors
        return DataFinding(
            revision=revision,
            status=_status(window.rows, complete),
            rows=window.rows,
            features=features,
            score=self._compared(SCORE, "score", schema.score, window),
            errors=None if errors is None else self._compared(ERROR, "errors", errors, window),
            unknown=most_frequent(names.get("unknown", {})),
        )

    def judge_performance(
        self, panes: Sequence[Cells], rows: int, *, status: Maturity, revision: int
    ) -> PerformanceFinding:
        """``panes`` hold the labelled rows; ``rows`` is how many predictions the window has."""
        measured = measure(panes)
        labels = sum(c["outcomes"].size for c in panes if "outcomes" in c)
        return PerformanceFinding(
            revision,
            status,
            rows,
            labels,
            {name: self._metric(name, metric) for name, metric in measured.items()},
        )

    def _metric(self, name: str, metric: Metric) -> MetricFinding:
        """Critical below the threshold's share of the baseline, warning below all of it."""
        level = self.levels.get("performance")
        before = self.baseline.get(name, Metric(None))
        if level is None:
            return MetricFinding(metric, before)
        share, strays = self.plan.performance.degradation_threshold, self.dispersions.get(name)
        fell, bound = degraded(metric, before, strays, share=share, alpha=level.critical)
        suspected, _ = degraded(metric, before, strays, share=1.0, alpha=level.warning)
        severity = Severity.CRITICAL if fell else Severity.WARNING if suspected else None
        decided = strays is not None and metric.value is not None and before.value is not None
        return MetricFinding(metric, before, bound, severity, decided)

    def _numeric(self, name: str, reference: Numeric, window: _Halves) -> FeatureFinding:
        quality = window.total(f"quality/{name}")
        return replace(
            self._compared(name, f"bins/{name}", reference, window),
            rows=window.rows,
            missing=quality.at(Quality.MISSING),
            wrong_type=quality.at(Quality.WRONG_TYPE),
            not_finite=quality.at(Quality.NOT_FINITE),
            out_of_range=quality.at(Quality.OUT_OF_RANGE),
        )

    def _compared(
        self, name: str, cells: str, reference: Numeric, window: _Halves
    ) -> FeatureFinding:
        """Whatever fell into bins, against its reference."""
        tolerated = self.tolerances.get(cells, 0.0)
        distance = judge(
            reference,
            window.halves(cells),
            tolerance=tolerated,
            level=self.levels["data" if cells.startswith("bins/") else "prediction"],
            drift=self.plan.drift,
        )
        return FeatureFinding(
            name=name,
            kind="numeric",
            rows=distance.values,
            distance=distance,
            tolerance=tolerated,
            psi=distance.psi,
            verdict=distance.verdict,
            distribution=distribution.numeric(reference.sample, window.total(cells)),
        )


@dataclass(frozen=True, slots=True)
class _Halves:
    first: Cells
    second: Cells

    def halves(self, name: str) -> tuple[Counts, Counts]:
        return self.first.get(name, Counts.empty()), self.second.get(name, Counts.empty())

    def total(self, name: str) -> Counts:
        return Counts.total(self.halves(name))

    @property
    def rows(self) -> int:
        return self.total("rows").size


def baseline(profile: Profile) -> dict[str, Metric]:
    """Every metric on the reference's labelled rows; without labels all are undefined."""
    return measure([summary.cells for summary in profile.panes if summary.part is Part.FINAL])


def _dispersions(plan: Plan, profile: Profile) -> dict[str, Dispersion]:
    labelled = {s.pane_ms: s.cells for s in profile.panes if s.part is Part.FINAL}
    return dispersion(labelled, plan.windows.length_ms)


def _tolerances(plan: Plan, profile: Profile) -> dict[str, float]:
    named: dict[str, Numeric] = {f"bins/{name}": ref for name, ref in profile.schema.numeric}
    named["score"] = profile.schema.score
    if profile.schema.errors is not None:
        named["errors"] = profile.schema.errors
    return {
        name: tolerance(
            {s.pane_ms: s.cells[name] for s in profile.panes if name in s.cells},
            reference.sample.bins,
            plan.windows.pane_ms,
            plan.windows.panes,
        )
        for name, reference in named.items()
    }


def _categorical(
    name: str, reference: Categorical, window: _Halves, names: Names
) -> FeatureFinding:
    """Shown, with its stability index and what was never seen; no incident comes of it yet."""
    live = window.total(f"categories/{name}")
    counts = live.dense(len(reference.categories) + 1)
    quality = window.total(f"quality/{name}")
    met = int(counts.sum())
    return FeatureFinding(
        name=name,
        kind="categorical",
        rows=window.rows,
        missing=quality.at(Quality.MISSING),
        wrong_type=quality.at(Quality.WRONG_TYPE),
        psi=stability(counts, reference.counts) if met else None,
        verdict=Verdict.OK if met else Verdict.INSUFFICIENT,
        unseen=most_frequent(names.get(f"unseen/{name}", {})),
        unseen_rows=int(counts[-1]),
        distribution=distribution.categorical(reference, live),
    )


def _status(rows: int, complete: bool) -> WindowStatus:
    if rows == 0:
        return WindowStatus.NO_DATA
    return WindowStatus.CLOSED if complete else WindowStatus.INCOMPLETE
