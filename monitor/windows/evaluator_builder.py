"""What an evaluator learns from the plan and the profile of a model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.budget import Family, Length, Levels, own_length
from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical
from monitor.counts.counts import Cells, Counts
from monitor.counts.profile import Profile
from monitor.counts.summary import Part, Quality
from monitor.performance.cbpe import PerformanceEstimator
from monitor.performance.degradation import Overdispersion
from monitor.performance.metrics import Metric, measure
from monitor.performance.overdispersion import overdispersions
from monitor.plan import Plan
from monitor.statistics.categories import Categories
from monitor.statistics.category_check import CategoryCheck
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.coverage_check import CoverageCheck
from monitor.statistics.ecdf_table import EcdfTable
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
from monitor.windows.subjects import family_of


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatorBuilder:
    """Builds the parts of an evaluator.

    ``families`` is the divided budget, ``lengths`` are the lengths of window that distributions
    are tested at.
    """

    plan: Plan
    profile: Profile
    families: Mapping[str, Family]
    lengths: Sequence[Length]

    def data_scanner(self) -> Scanner:
        """The tests of the features, of their data quality, and of the score."""
        schema, samples = self.profile.schema, _data_samples(self.profile)
        widths = {name: sample.bins for name, sample in samples.items()}
        categories = {f"categories/{n}": len(r.categories) + 1 for n, r in schema.categorical}
        quality = {f"quality/{name}": len(Quality) for name in schema.features}
        cell_index = CellIndex.of({**widths, **categories, **quality, "rows": 1})
        panes = _reference_panes(self.profile, cell_index, Part.ON_TIME)
        own: list[Check] = [
            self._category_check(cell_index, name, reference, panes)
            for name, reference in schema.categorical
        ]
        own.append(self._quality_check(cell_index, panes))
        return self._scanner(cell_index, samples, panes, own)

    def error_scanner(self) -> Scanner | None:
        """The tests of the errors; None if the reference has no labels."""
        errors = self.profile.schema.errors
        if errors is None:
            return None
        samples = {"errors": errors.sample}
        cell_index = CellIndex.of({"errors": errors.sample.bins})
        panes = _reference_panes(self.profile, cell_index, Part.FINAL)
        return self._scanner(cell_index, samples, panes, [])

    def coverage_check(self) -> CoverageCheck | None:
        """The test of the label coverage; None if the reference has no labels."""
        if "coverage" not in self.families:
            return None
        panes = [unlabelled for _, unlabelled in sorted(_unlabelled(self.profile).items())]
        variation = learn_proportions(panes, self._panes)
        length = own_length(self.plan)
        levels = {length: self.families["coverage"].level(self.plan, length)}
        whole = sum(panes, start=Proportion(0, 0))
        return CoverageCheck(whole, Rule(levels, variation, self.plan.drift))

    def dispersions(self) -> dict[Length, dict[str, Overdispersion]]:
        """The overdispersion of each metric, for each length of window.

        No factor is smaller than that of the next shorter length: there are few long windows to
        learn from, and rows that are near in time resemble each other (hours of a day, say).
        """
        dispersions: dict[Length, dict[str, Overdispersion]] = {}
        shorter: dict[str, Overdispersion] = {}
        labelled, families = _labelled(self.profile), self.families
        for length in families["performance"].lengths if "performance" in families else ():
            learned = overdispersions(labelled, length.panes * self.plan.windows.pane_ms)
            larger = {
                name: max(shorter.get(name, one), one, key=_factor) for name, one in learned.items()
            }
            dispersions[length] = shorter = {**shorter, **larger}
        return dispersions

    def expectation(self) -> PerformanceEstimator | None:
        """The performance that scores let expect; None if the reference has no labels."""
        schema = self.profile.schema
        length_ms, sample = self.plan.windows.length_ms, schema.score.sample
        return PerformanceEstimator.fit(
            _labelled(self.profile), length_ms, sample, schema.threshold
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

    def _category_check(
        self, cell_index: CellIndex, name: str, reference: Categorical, panes: Sequence[Counts]
    ) -> CategoryCheck:
        cells = f"categories/{name}"
        variation = learn_categories(cell_index, cells, panes, self._panes)
        counts = Categories.of(reference.counts)
        rule = self._rule(cells, variation)
        return CategoryCheck(cells, cell_index, counts, reference.categories, rule)

    def _quality_check(self, cell_index: CellIndex, panes: Sequence[Counts]) -> QualityCheck:
        names = [f"quality/{name}" for name in self.profile.schema.features]
        whole = Counts.total(panes)
        variations = [
            learn_proportions(
                [invalid_values(cell_index, pane, name) for pane in panes], self._panes
            )
            for name in names
        ]
        return QualityCheck(
            names,
            cell_index,
            [invalid_values(cell_index, whole, name) for name in names],
            [self._rule(*each) for each in zip(names, variations, strict=True)],
        )

    def _rule(self, cells: str, variation: NaturalVariation) -> Rule:
        return Rule(self._levels(cells), variation, self.plan.drift)

    def _levels(self, cells: str) -> dict[Length, Levels]:
        family = self.families[family_of(cells)]
        return {length: family.level(self.plan, length) for length in self.lengths}

    @property
    def _panes(self) -> list[int]:
        return [length.panes for length in self.lengths]


def baseline(profile: Profile) -> dict[str, Metric]:
    """Every metric on the labelled rows of the reference; without labels all are undefined."""
    return measure([summary.cells for summary in profile.panes if summary.part is Part.FINAL])


def rows_per_pane(profile: Profile) -> float:
    """Mean number of rows in the panes of the reference, empty ones included."""
    rows = sum(s.cells["rows"].size for s in profile.panes if "rows" in s.cells)
    starts_ms = [s.pane_ms for s in profile.panes]
    return rows / ((max(starts_ms) - min(starts_ms)) // profile.schema.pane_ms + 1)


def _factor(learned: Overdispersion) -> float:
    return learned.factor


def _data_samples(profile: Profile) -> dict[str, Sample]:
    numeric = {f"bins/{name}": reference.sample for name, reference in profile.schema.numeric}
    return {**numeric, "score": profile.schema.score.sample}


def _labelled(profile: Profile) -> dict[int, Cells]:
    return {s.pane_ms: s.cells for s in profile.panes if s.part is Part.FINAL}


def _unlabelled(profile: Profile) -> dict[int, Proportion]:
    """The rows without a label among all rows, by pane."""
    rows = {s.pane_ms: s.cells["rows"].size for s in profile.panes if "rows" in s.cells}
    labels = {s.pane_ms: s.cells["outcomes"].size for s in profile.panes if s.part is Part.FINAL}
    return {ms: Proportion(max(n - labels.get(ms, 0), 0), n) for ms, n in rows.items()}


def _reference_panes(profile: Profile, cell_index: CellIndex, part: Part) -> list[Counts]:
    """One part of the panes of the reference, in time order and without gaps."""
    panes = {s.pane_ms: cell_index.gather(s.cells) for s in profile.panes if s.part is part}
    if not panes:
        return []
    every = range(min(panes), max(panes) + 1, profile.schema.pane_ms)
    return [panes.get(pane_ms, Counts.empty()) for pane_ms in every]
