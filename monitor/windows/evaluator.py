"""How one model version is judged: its plan, its profile, and what follows from the two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from monitor.budget import Family, Length, Levels, families, own_length, scale_lengths
from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.profile import Profile
from monitor.counts.schema import ERROR, SCORE
from monitor.counts.summary import Names, Part, Quality, most_frequent
from monitor.performance.cbpe import Expectation
from monitor.performance.degradation import JUDGED, Dispersion, degraded
from monitor.performance.metrics import Metric, labelled_rows, measure
from monitor.performance.overdispersion import dispersion
from monitor.plan import Plan
from monitor.statistics import histograms as distribution
from monitor.statistics.categories import Categories
from monitor.statistics.category_check import CategoryCheck
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.coverage_check import CoverageCheck
from monitor.statistics.drift_rule import Comparison, Severity
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.effect_sizes import categorical_effects, numeric_effects
from monitor.statistics.natural_variation import NaturalVariation
from monitor.statistics.proportions import Proportion
from monitor.statistics.quality_check import QualityCheck, invalid_values
from monitor.statistics.rule import Check, Rule
from monitor.statistics.scanner import Scanner
from monitor.statistics.variation_learning import (
    learn_categories,
    learn_distributions,
    learn_proportions,
)
from monitor.windows.findings import (
    DataFinding,
    FeatureFinding,
    Maturity,
    MetricFinding,
    PerformanceFinding,
    WindowStatus,
)

SEEN = 4  # times the rows of a reference: a larger window hardly sees more


@dataclass(frozen=True, slots=True, eq=False)
class Evaluator:
    """Everything that judging a window needs besides its counts."""

    plan: Plan
    profile: Profile
    rows_per_pane: float  # of the reference
    lengths: tuple[Length, ...]  # of the windows that distributions are tested in
    families: Mapping[str, Family]
    data: Scanner  # of the features and the score
    errors: Scanner | None
    coverage: CoverageCheck | None
    baseline: Mapping[str, Metric]
    dispersions: Mapping[Length, Mapping[str, Dispersion]]  # by metric
    expectation: Expectation | None  # None: the reference has no labels

    @classmethod
    def of(cls, plan: Plan, profile: Profile) -> Evaluator:
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
        making = _Making(plan, profile, spent, lengths)
        return cls(
            plan,
            profile,
            rows,
            tuple(lengths),
            spent,
            making.data(),
            making.errors(),
            making.coverage(),
            baseline(profile),
            _dispersions(plan, profile, spent),
            _expectation(plan, profile),
        )

    @property
    def label_wait_ms(self) -> int:
        time = self.plan.time
        return self.profile.label_wait_ms(time.label_wait_ms, time.label_horizon_ms)

    @property
    def longest_panes(self) -> int:
        every = (length for family in self.families.values() for length in family.lengths)
        return max(length.panes for length in every)

    @property
    def performance_lengths(self) -> Sequence[Length]:
        """Of the windows that performance is judged in; none without labels in the reference."""
        return self.families["performance"].lengths if "performance" in self.families else ()

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
            else _categorical(name, reference, window, names, tests)
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

    def judge_coverage(self, rows: Sequence[int], labels: Sequence[int]) -> Comparison | None:
        """Of a window whose labels had their time: predictions and labels, pane by pane."""
        if self.coverage is None:
            return None
        middle = len(rows) // 2
        halves = []
        for some in (slice(0, middle), slice(middle, None)):
            n, known = sum(rows[some]), sum(labels[some])
            halves.append(Proportion(max(n - known, 0), n))
        return self.coverage.judge(halves[0], halves[1], own_length(self.plan))

    def _judged(self, scanner: Scanner, window: _Halves) -> dict[str, tuple[Comparison, ...]]:
        parts = [scanner.cell_index.gather(half) for half in (window.first, window.second)]
        return scanner.judge(parts, own_length(self.plan))

    def judge_performance(
        self,
        panes: Sequence[Cells],
        rows: int,
        *,
        status: Maturity,
        revision: int,
        scores: Counts | None = None,
    ) -> PerformanceFinding:
        """``panes`` hold the labelled rows; ``rows`` is how many predictions the window has.

        ``scores`` are those of all rows, in the cells of the summary ``score``; without them, what
        is expected is expected of the labelled rows.
        """
        measured = measure(panes)
        return PerformanceFinding(
            revision,
            status,
            rows,
            labelled_rows(panes),
            self.judge_metrics(measured, own_length(self.plan)),
            None if self.expectation is None else self.expectation.expect(panes, scores),
        )

    def judge_metrics(
        self, measured: Mapping[str, Metric], length: Length
    ) -> dict[str, MetricFinding]:
        """Of the labelled rows of a window: the metrics, and which of them have fallen."""
        return {name: self._metric(name, metric, length) for name, metric in measured.items()}

    def _metric(self, name: str, metric: Metric, length: Length) -> MetricFinding:
        """Critical beyond the threshold's share of the baseline, warning beyond all of it."""
        family = self.families.get("performance")
        before = self.baseline.get(name, Metric(None))
        if family is None or name not in JUDGED:
            return MetricFinding(name, metric, before)
        level = family.level(self.plan, length)
        share = self.plan.performance.degradation_threshold
        strays = self.dispersions[length].get(name)
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
        tests: Mapping[str, tuple[Comparison, ...]],
    ) -> FeatureFinding:
        quality = window.total(f"quality/{name}")
        return replace(
            _compared(name, f"bins/{name}", reference, window, tests),
            rows=window.rows,
            missing=quality.at(Quality.MISSING),
            wrong_type=quality.at(Quality.WRONG_TYPE),
            not_finite=quality.at(Quality.NOT_FINITE),
            out_of_range=quality.at(Quality.OUT_OF_RANGE),
            quality=_first(tests.get(f"quality/{name}")),
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


def _dispersions(
    plan: Plan, profile: Profile, spent: Mapping[str, Family]
) -> dict[Length, dict[str, Dispersion]]:
    """Of each length of window; no factor is smaller than that of the next shorter one.

    Few long windows tell little, and what is near in time is alike: hours of a day, say.
    """
    found: dict[Length, dict[str, Dispersion]] = {}
    known: dict[str, Dispersion] = {}
    labelled = _labelled(profile)
    for length in spent["performance"].lengths if "performance" in spent else ():
        mine = dispersion(labelled, length.panes * plan.windows.pane_ms)
        longer = {name: max(known.get(name, of), of, key=_factor) for name, of in mine.items()}
        found[length] = known = {**known, **longer}
    return found


def _factor(of: Dispersion) -> float:
    return of.factor


def _expectation(plan: Plan, profile: Profile) -> Expectation | None:
    schema = profile.schema
    length_ms, sample = plan.windows.length_ms, schema.score.sample
    return Expectation.of(_labelled(profile), length_ms, sample, schema.threshold)


def _labelled(profile: Profile) -> dict[int, Cells]:
    return {s.pane_ms: s.cells for s in profile.panes if s.part is Part.FINAL}


def _compared(
    name: str,
    cells: str,
    reference: Numeric,
    window: _Halves,
    tests: Mapping[str, tuple[Comparison, ...]],
) -> FeatureFinding:
    """Whatever fell into bins, against its reference."""
    live, bins = window.total(cells), reference.sample.bins
    return FeatureFinding(
        name=name,
        kind="numeric",
        cells=cells,
        rows=live.size,
        tests=tests.get(cells, ()),
        effects=numeric_effects(reference.sample, live.dense(bins), reference.low, reference.high),
        distribution=distribution.numeric(reference.sample, live),
    )


def _data_samples(profile: Profile) -> dict[str, Sample]:
    numeric = {f"bins/{name}": reference.sample for name, reference in profile.schema.numeric}
    return {**numeric, "score": profile.schema.score.sample}


def _error_samples(profile: Profile) -> dict[str, Sample]:
    errors = profile.schema.errors
    return {} if errors is None else {"errors": errors.sample}


@dataclass(frozen=True, slots=True, eq=False)
class _Making:
    """What the scanners of a watch are made from."""

    plan: Plan
    profile: Profile
    spent: Mapping[str, Family]
    lengths: Sequence[Length]

    def data(self) -> Scanner:
        """Of the features, numeric and categorical, their flaws, and the score."""
        schema = self.profile.schema
        widths = {name: sample.bins for name, sample in _data_samples(self.profile).items()}
        categories = {f"categories/{n}": len(r.categories) + 1 for n, r in schema.categorical}
        flaws = {f"quality/{name}": len(Quality) for name in schema.features}
        cell_index = CellIndex.of({**widths, **categories, **flaws, "rows": 1})
        panes = _in_order(self.profile, cell_index, Part.ON_TIME)
        own: list[Check] = [
            self._categories(cell_index, name, of, panes) for name, of in schema.categorical
        ]
        own.append(self._flaws(cell_index, panes))
        return self._scanner(cell_index, _data_samples(self.profile), panes, own)

    def errors(self) -> Scanner | None:
        samples = _error_samples(self.profile)
        if not samples:
            return None
        cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
        return self._scanner(
            cell_index, samples, _in_order(self.profile, cell_index, Part.FINAL), []
        )

    def _scanner(
        self,
        cell_index: CellIndex,
        samples: Mapping[str, Sample],
        panes: Sequence[Counts],
        own: Sequence[Check],
    ) -> Scanner:
        return Scanner(
            cell_index,
            EcdfTable.of(samples),
            {length: [self._levels(name)[length] for name in samples] for length in self.lengths},
            learn_distributions(samples, panes, self._panes),
            self.plan.drift,
            own,
        )

    def _categories(
        self, cell_index: CellIndex, name: str, reference: Categorical, panes: Sequence[Counts]
    ) -> CategoryCheck:
        cells = f"categories/{name}"
        variation = learn_categories(cell_index, cells, panes, self._panes)
        of = Categories.of(reference.counts)
        return CategoryCheck(
            cells, cell_index, of, reference.categories, self._rule(cells, variation)
        )

    def _flaws(self, cell_index: CellIndex, panes: Sequence[Counts]) -> QualityCheck:
        names = [f"quality/{name}" for name in self.profile.schema.features]
        whole = Counts.total(panes)
        variations = [
            learn_proportions([invalid_values(cell_index, of, name) for of in panes], self._panes)
            for name in names
        ]
        return QualityCheck(
            names,
            cell_index,
            [invalid_values(cell_index, whole, name) for name in names],
            [self._rule(*each) for each in zip(names, variations, strict=True)],
        )

    def coverage(self) -> CoverageCheck | None:
        """The reference's own coverage, and how it strays; None without labels."""
        if "coverage" not in self.spent:
            return None
        panes = [share for _, share in sorted(_unlabelled(self.profile).items())]
        variation = learn_proportions(panes, self._panes)
        length = own_length(self.plan)
        levels = {length: self.spent["coverage"].level(self.plan, length)}
        whole = sum(panes, start=Proportion(0, 0))
        return CoverageCheck(whole, Rule(levels, variation, self.plan.drift))

    def _rule(self, cells: str, variation: NaturalVariation) -> Rule:
        return Rule(self._levels(cells), variation, self.plan.drift)

    def _levels(self, cells: str) -> dict[Length, Levels]:
        family = self.spent[family_of(cells)]
        return {length: family.level(self.plan, length) for length in self.lengths}

    @property
    def _panes(self) -> list[int]:
        return [length.panes for length in self.lengths]


def _unlabelled(profile: Profile) -> dict[int, Proportion]:
    """By pane: the rows without a label, of all rows."""
    rows = {s.pane_ms: s.cells["rows"].size for s in profile.panes if "rows" in s.cells}
    labels = {s.pane_ms: s.cells["outcomes"].size for s in profile.panes if s.part is Part.FINAL}
    return {ms: Proportion(max(n - labels.get(ms, 0), 0), n) for ms, n in rows.items()}


def family_of(cells: str) -> str:
    """Whose share of the budget the tests of some cells spend."""
    kind = cells.partition("/")[0]
    return {"score": "prediction", "errors": "errors", "quality": "quality"}.get(kind, "data")


def subject_of(cells: str) -> str:
    """What an incident about some cells is called."""
    if cells.startswith("quality/"):
        return cells
    name = cells.partition("/")[2]
    return {"score": "prediction/score", "errors": "concept/error"}.get(cells, f"data/{name}")


def cells_of(subject: str) -> str:
    """The cells that an incident of a numeric subject is about: ``subject_of`` undone."""
    name = subject.partition("/")[2]
    return {"prediction/score": "score", "concept/error": "errors"}.get(subject, f"bins/{name}")


def _in_order(profile: Profile, cell_index: CellIndex, part: Part) -> list[Counts]:
    """The reference's panes, empty ones included, from the first with anything in it."""
    held = {s.pane_ms: cell_index.gather(s.cells) for s in profile.panes if s.part is part}
    if not held:
        return []
    every = range(min(held), max(held) + 1, profile.schema.pane_ms)
    return [held.get(pane_ms, Counts.empty()) for pane_ms in every]


def _rows_per_pane(profile: Profile) -> float:
    rows = sum(s.cells["rows"].size for s in profile.panes if "rows" in s.cells)
    starts_ms = [s.pane_ms for s in profile.panes]
    return rows / ((max(starts_ms) - min(starts_ms)) // profile.schema.pane_ms + 1)


def _categorical(
    name: str,
    reference: Categorical,
    window: _Halves,
    names: Names,
    tests: Mapping[str, tuple[Comparison, ...]],
) -> FeatureFinding:
    """With its stability index, and what was never seen."""
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
        tests=tests.get(f"categories/{name}", ()),
        quality=_first(tests.get(f"quality/{name}")),
        effects=categorical_effects(counts, reference.counts),
        unseen=most_frequent(names.get(f"unseen/{name}", {})),
        unseen_rows=int(counts[-1]),
        distribution=distribution.categorical(reference, live),
    )


def _first(tests: tuple[Comparison, ...] | None) -> Comparison | None:
    return tests[0] if tests else None


def _status(rows: int, complete: bool) -> WindowStatus:
    if rows == 0:
        return WindowStatus.NO_DATA
    return WindowStatus.CLOSED if complete else WindowStatus.INCOMPLETE
