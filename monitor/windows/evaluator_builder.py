"""Builds the parts of an evaluator from the plan, the profile and what was learned from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.budget import Family, Length, Levels, own_length
from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical
from monitor.counts.counts import Counts
from monitor.counts.profile import Profile
from monitor.counts.subjects import family_of
from monitor.counts.summary import Part
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
from monitor.statistics.traffic import TrafficCheck
from monitor.windows.learned import COVERAGE, Learned
from monitor.windows.reference import (
    data_cells,
    data_samples,
    error_cells,
    error_samples,
    reference_panes,
    row_counts,
    unlabelled_panes,
)


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatorBuilder:
    """Builds the parts of an evaluator.

    ``families`` is the divided budget, ``lengths`` are the lengths of window that distributions
    are tested at.
    """

    plan: Plan
    profile: Profile
    learned: Learned
    families: Mapping[str, Family]
    lengths: Sequence[Length]

    def data_scanner(self) -> Scanner:
        """The tests of the features, of their data quality, and of the outputs."""
        cells = data_cells(self.profile)
        own: list[Check] = [
            self._category_check(cells, name, reference)
            for name, reference in self.profile.schema.categories.items()
        ]
        own.append(self._quality_check(cells))
        return self._scanner(cells, data_samples(self.profile), own)

    def error_scanner(self) -> Scanner | None:
        """The tests of the errors; None if the reference has no labels."""
        samples = error_samples(self.profile)
        return self._scanner(error_cells(self.profile), samples, []) if samples else None

    def coverage_check(self) -> CoverageCheck | None:
        """The test of the label coverage; None if the reference has no labels."""
        if "coverage" not in self.families:
            return None
        length = own_length(self.plan)
        levels = {length: self.families["coverage"].level(self.plan, length)}
        whole = sum(unlabelled_panes(self.profile).values(), start=Proportion(0, 0))
        return CoverageCheck(
            whole, Rule(levels, self.learned.variations[COVERAGE], self.plan.drift)
        )

    def traffic_check(self) -> TrafficCheck:
        """The test of the number of rows; without lengths if traffic is not watched."""
        family = self.families.get("traffic")
        levels = {one: family.level(self.plan, one) for one in family.lengths} if family else {}
        return TrafficCheck.of(row_counts(self.plan, self.profile), levels)

    def _scanner(
        self, cells: CellIndex, samples: Mapping[str, Sample], own: Sequence[Check]
    ) -> Scanner:
        return Scanner(
            cells,
            EcdfTable.of(samples),
            {length: [self._levels(name)[length] for name in samples] for length in self.lengths},
            self.learned.of_distributions(list(samples)),
            self.plan.drift,
            own,
        )

    def _category_check(
        self, cell_index: CellIndex, cells: str, reference: Categorical
    ) -> CategoryCheck:
        counts = Categories.of(reference.counts)
        rule = self._rule(cells, self.learned.variations[cells])
        return CategoryCheck(cells, cell_index, counts, reference.categories, rule)

    def _quality_check(self, cells: CellIndex) -> QualityCheck:
        names = [f"quality/{name}" for name in self.profile.schema.features]
        whole = Counts.total(reference_panes(self.plan, self.profile, cells, Part.ON_TIME))
        return QualityCheck(
            names,
            cells,
            [invalid_values(cells, whole, name) for name in names],
            [self._rule(name, self.learned.variations[name]) for name in names],
        )

    def _rule(self, cells: str, variation: NaturalVariation) -> Rule:
        return Rule(self._levels(cells), variation, self.plan.drift)

    def _levels(self, cells: str) -> dict[Length, Levels]:
        family = self.families[family_of(cells)]
        return {length: family.level(self.plan, length) for length in self.lengths}
