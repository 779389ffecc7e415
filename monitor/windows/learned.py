"""What is learned from a reference: seconds of work whose results are small.

It depends on the content of the profile and on the windows of the plan, and not on budgets, effects
or thresholds. So it can be computed once and stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monitor.budget import DISTRIBUTION_TEST_NAMES, Length, performance_lengths
from monitor.counts.bins import Sample
from monitor.counts.counts import Counts
from monitor.counts.measured import Expectation, Metric
from monitor.counts.profile import Profile
from monitor.counts.summary import Part
from monitor.counts.task import LabelledReference
from monitor.performance.degradation import Overdispersion
from monitor.performance.overdispersion import overdispersions
from monitor.plan import Plan
from monitor.statistics.natural_variation import NaturalVariation
from monitor.statistics.quality_check import invalid_values
from monitor.statistics.variation_learning import (
    learn_categories,
    learn_distributions,
    learn_proportions,
)
from monitor.windows.reference import (
    baseline,
    data_cells,
    data_samples,
    error_cells,
    error_samples,
    labelled_panes,
    reference_panes,
    tested_lengths,
    unlabelled_panes,
)

# To be increased with every change of what the same reference and windows teach.
LEARNING = 2
COVERAGE = "coverage"


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is learned from a reference, for windows of some lengths."""

    variations: Mapping[str, NaturalVariation]  # by cells, of distributions also by test
    baseline: Mapping[str, Metric]
    dispersions: Mapping[Length, Mapping[str, Overdispersion]]  # by metric
    expectation: Expectation | None  # None: nothing is expected without labels

    @classmethod
    def of(cls, plan: Plan, profile: Profile) -> Learned:
        """Raises ``ValueError`` if the pane of the profile is not that of the plan."""
        lengths = [length.panes for length in tested_lengths(plan, profile)]
        schema, labelled = profile.schema, labelled_panes(profile)
        return cls(
            _variations(plan, profile, lengths),
            baseline(profile),
            _dispersions(plan, profile),
            schema.task.expectation(
                LabelledReference(
                    labelled,
                    plan.windows.length_ms,
                    {name: one.sample for name, one in schema.numeric_outputs.items()},
                    schema.threshold,
                )
            ),
        )

    def of_distributions(self, names: Sequence[str]) -> dict[str, list[NaturalVariation]]:
        """By test, one for each of the names of cells."""
        return {
            test: [self.variations[f"{name} {test}"] for name in names]
            for test in DISTRIBUTION_TEST_NAMES
        }


def _variations(
    plan: Plan, profile: Profile, lengths: Sequence[int]
) -> dict[str, NaturalVariation]:
    of_labels = _of_labels(plan, profile, lengths) if profile.labelled else {}
    return {**_of_data(plan, profile, lengths), **of_labels}


def _of_data(plan: Plan, profile: Profile, lengths: Sequence[int]) -> dict[str, NaturalVariation]:
    cells = data_cells(profile)
    panes = reference_panes(plan, profile, cells, Part.ON_TIME)
    categories = profile.schema.categories
    invalid = {
        name: [invalid_values(cells, pane, name) for pane in panes]
        for name in (f"quality/{feature}" for feature in profile.schema.features)
    }
    return {
        **_of_distributions(data_samples(profile), panes, lengths),
        **{name: learn_categories(cells, name, panes, lengths) for name in categories},
        **{name: learn_proportions(each, lengths) for name, each in invalid.items()},
    }


def _of_labels(plan: Plan, profile: Profile, lengths: Sequence[int]) -> dict[str, NaturalVariation]:
    panes = reference_panes(plan, profile, error_cells(profile), Part.FINAL)
    unlabelled = [each for _, each in sorted(unlabelled_panes(profile).items())]
    return {
        **_of_distributions(error_samples(profile), panes, lengths),
        COVERAGE: learn_proportions(unlabelled, lengths),
    }


def _of_distributions(
    samples: Mapping[str, Sample], panes: Sequence[Counts], lengths: Sequence[int]
) -> dict[str, NaturalVariation]:
    return {
        f"{name} {test}": variation
        for test, learned in learn_distributions(samples, panes, lengths).items()
        for name, variation in zip(samples, learned, strict=True)
    }


def _dispersions(plan: Plan, profile: Profile) -> dict[Length, dict[str, Overdispersion]]:
    """The overdispersion of each metric, for each length of window.

    No factor is smaller than that of the next shorter length: there are few long windows to
    learn from, and rows that are near in time resemble each other (hours of a day, say).
    """
    if not profile.labelled:
        return {}
    dispersions: dict[Length, dict[str, Overdispersion]] = {}
    shorter: dict[str, Overdispersion] = {}
    labelled = labelled_panes(profile)
    for length in performance_lengths(plan):
        learned = overdispersions(
            labelled, length.panes * plan.windows.pane_ms, profile.schema.measure
        )
        larger = {
            name: max(shorter.get(name, one), one, key=_factor) for name, one in learned.items()
        }
        dispersions[length] = shorter = {**shorter, **larger}
    return dispersions


def _factor(learned: Overdispersion) -> float:
    return learned.factor
