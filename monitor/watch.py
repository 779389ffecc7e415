"""How one model version is judged: its plan, its profile, and what follows from the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor import distribution, scanning
from monitor.bins import Sample
from monitor.budget import Family, Length, families, own_length, scale_lengths
from monitor.counts import Cells, Counts, add_cells
from monitor.dispersion import dispersion
from monitor.drift import Severity, Tested
from monitor.effects import psi, stability
from monitor.findings import (
    DataFinding,
    FeatureFinding,
    Maturity,
    MetricFinding,
    PerformanceFinding,
    WindowStatus,
)
from monitor.metrics import Metric, measure
from monitor.performance import JUDGED, Dispersion, degraded
from monitor.plan import Plan
from monitor.profile import Profile
from monitor.rows import Categorical, Numeric
from monitor.scanning import Scanner
from monitor.schema import ERROR, SCORE
from monitor.stack import Space, Stack
from monitor.summaries import Names, Part, Quality, most_frequent

SEEN = 4  # times the rows of a reference: a larger window hardly sees more


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """Everything that judging a window needs besides its counts."""

    plan: Plan
    profile: Profile
    rows_per_pane: float  # of the reference
    lengths: tuple[Length, ...]  # of the windows that distributions are tested in
    families: Mapping[str, Family]
    data: Scanner  # of the features and the score
    errors: Scanner | None
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
        rows, most = _rows_per_pane(profile), SEEN * profile.schema.score.sample.size
        lengths = scale_lengths(plan, rows, most)
        spent = families(plan, profile.schema, lengths)
        return cls(
            plan,
            profile,
            rows,
            tuple(lengths),
            spent,
            _scanner(plan, profile, spent, lengths, _data_samples(profile), Part.ON_TIME),
            _scanner(plan, profile, spent, lengths, _error_samples(profile), Part.FINAL)
            if profile.schema.errors is not None
            else None,
            baseline(profile),
            _dispersions(plan, profile),
        )

    @property
    def label_wait_ms(self) -> int:
        time = self.plan.time
        return self.profile.label_wait_ms(time.label_wait_ms, time.label_horizon_ms)

    @property
    def longest_panes(self) -> int:
        return max(length.panes for length in self.lengths)

    @property
    def longest_scale(self) -> int:
        return max(length.panes for length in self.lengths if length.is_scale)

    def judge_data(
        self, panes: Sequence[Cells], names: Names, *, complete: bool, revision: int
    ) -> DataFinding:
        """``panes`` are the window's, in order, empty ones as empty mappings."""
        middle = len(panes) // 2
        window = _Halves(add_cells(panes[:middle]), add_cells(panes[middle:]))
        tests = dict(self._judged(self.data, window))
        if self.errors is not None:
            tests.update(self._judged(self.errors, window))
        schema = self.profile.schema
        features = tuple(
            self._numeric(name, reference, window, tests)
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
            score=_compared(SCORE, "score", schema.score, window, tests),
            errors=None if errors is None else _compared(ERROR, "errors", errors, window, tests),
            unknown=most_frequent(names.get("unknown", {})),
        )

    def _judged(self, scanner: Scanner, window: _Halves) -> dict[str, tuple[Tested, ...]]:
        parts = [scanner.space.gather(half) for half in (window.first, window.second)]
        return scanner.judge(parts, own_length(self.plan))

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
        """Critical beyond the threshold's share of the baseline, warning beyond all of it."""
        family = self.families.get("performance")
        before = self.baseline.get(name, Metric(None))
        if family is None or name not in JUDGED:
            return MetricFinding(name, metric, before)
        level = family.level(self.plan, own_length(self.plan))
        share, strays = self.plan.performance.degradation_threshold, self.dispersions.get(name)
        fell, bound = degraded(metric, before, strays, share=share, alpha=level.critical)
        suspected, _ = degraded(metric, before, strays, share=1.0, alpha=level.warning)
        severity = Severity.CRITICAL if fell else Severity.WARNING if suspected else None
        decided = strays is not None and metric.value is not None and before.value is not None
        return MetricFinding(name, metric, before, bound, severity, decided)

    def _numeric(
        self,
        name: str,
        reference: Numeric,
        window: _Halves,
        tests: Mapping[str, tuple[Tested, ...]],
    ) -> FeatureFinding:
        quality = window.total(f"quality/{name}")
        return replace(
            _compared(name, f"bins/{name}", reference, window, tests),
            rows=window.rows,
            missing=quality.at(Quality.MISSING),
            wrong_type=quality.at(Quality.WRONG_TYPE),
            not_finite=quality.at(Quality.NOT_FINITE),
            out_of_range=quality.at(Quality.OUT_OF_RANGE),
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


def _compared(
    name: str,
    cells: str,
    reference: Numeric,
    window: _Halves,
    tests: Mapping[str, tuple[Tested, ...]],
) -> FeatureFinding:
    """Whatever fell into bins, against its reference."""
    live, bins = window.total(cells), reference.sample.bins
    return FeatureFinding(
        name=name,
        kind="numeric",
        cells=cells,
        rows=live.size,
        tests=tests.get(cells, ()),
        psi=psi(live.dense(bins), reference.sample.counts().dense(bins)) if live else None,
        distribution=distribution.numeric(reference.sample, live),
    )


def _data_samples(profile: Profile) -> dict[str, Sample]:
    numeric = {f"bins/{name}": reference.sample for name, reference in profile.schema.numeric}
    return {**numeric, "score": profile.schema.score.sample}


def _error_samples(profile: Profile) -> dict[str, Sample]:
    errors = profile.schema.errors
    return {} if errors is None else {"errors": errors.sample}


def _scanner(  # noqa: PLR0913 - what it is made of
    plan: Plan,
    profile: Profile,
    spent: Mapping[str, Family],
    lengths: Sequence[Length],
    samples: Mapping[str, Sample],
    part: Part,
) -> Scanner:
    space = Space.of({name: sample.bins for name, sample in samples.items()})
    panes = _in_order(profile, space, part)
    return Scanner(
        space,
        Stack.of(samples),
        {
            length: [spent[family_of(name)].level(plan, length) for name in samples]
            for length in lengths
        },
        scanning.learn(samples, panes, [length.panes for length in lengths]),
        plan.drift,
    )


def family_of(cells: str) -> str:
    """Whose share of the budget the tests of some cells spend."""
    return {"score": "prediction", "errors": "errors"}.get(cells, "data")


def subject_of(cells: str) -> str:
    """What an incident about some cells is called."""
    name = cells.partition("/")[2]
    return {"score": "prediction/score", "errors": "concept/error"}.get(cells, f"data/{name}")


def cells_of(subject: str) -> str:
    """The cells that an incident of a numeric subject is about: ``subject_of`` undone."""
    name = subject.partition("/")[2]
    return {"prediction/score": "score", "concept/error": "errors"}.get(subject, f"bins/{name}")


def _in_order(profile: Profile, space: Space, part: Part) -> list[Counts]:
    """The reference's panes, empty ones included, from the first with anything in it."""
    held = {s.pane_ms: space.gather(s.cells) for s in profile.panes if s.part is part}
    if not held:
        return []
    every = range(min(held), max(held) + 1, profile.schema.pane_ms)
    return [held.get(pane_ms, Counts.empty()) for pane_ms in every]


def _rows_per_pane(profile: Profile) -> float:
    rows = sum(s.cells["rows"].size for s in profile.panes if "rows" in s.cells)
    starts_ms = [s.pane_ms for s in profile.panes]
    return rows / ((max(starts_ms) - min(starts_ms)) // profile.schema.pane_ms + 1)


def _categorical(
    name: str, reference: Categorical, window: _Halves, names: Names
) -> FeatureFinding:
    """Shown, with its stability index and what was never seen; no incident comes of it yet."""
    live = window.total(f"categories/{name}")
    counts = live.dense(len(reference.categories) + 1)
    quality = window.total(f"quality/{name}")
    return FeatureFinding(
        name=name,
        kind="categorical",
        cells=f"categories/{name}",
        rows=window.rows,
        missing=quality.at(Quality.MISSING),
        wrong_type=quality.at(Quality.WRONG_TYPE),
        psi=stability(counts, reference.counts) if counts.any() else None,
        unseen=most_frequent(names.get(f"unseen/{name}", {})),
        unseen_rows=int(counts[-1]),
        distribution=distribution.categorical(reference, live),
    )


def _status(rows: int, complete: bool) -> WindowStatus:
    if rows == 0:
        return WindowStatus.NO_DATA
    return WindowStatus.CLOSED if complete else WindowStatus.INCOMPLETE
