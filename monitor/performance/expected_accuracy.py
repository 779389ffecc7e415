"""Expected accuracy of a classifier of several classes, from its probabilities, without labels.

The reference gives the rate at which predictions are right for each largest probability of a row.
This is the estimate of a binary classifier (``monitor.performance.cbpe``) of whether a prediction
is right, which always says that it is. It is valid while inputs change but their meaning does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.counts.counts import Cells, Counts
from monitor.counts.measured import Expected
from monitor.counts.task import LabelledReference
from monitor.performance.cbpe import PerformanceEstimator
from monitor.performance.labelled_counts import outcome_cell

METRIC = "accuracy"
OUTPUT = "score"
_ALWAYS = 0.0  # a threshold that every probability reaches


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedAccuracy:
    estimator: PerformanceEstimator

    @classmethod
    def fit(cls, reference: LabelledReference) -> ExpectedAccuracy | None:
        """None with fewer than two panes that have labels and probabilities."""
        if OUTPUT not in reference.samples:
            return None
        panes = {at_ms: _as_binary(cells) for at_ms, cells in reference.panes.items()}
        fitted = PerformanceEstimator.fit(
            panes, reference.length_ms, reference.samples[OUTPUT], _ALWAYS
        )
        return None if fitted is None else cls(fitted)

    def estimate(
        self, panes: Sequence[Cells], predictions: Cells | None = None
    ) -> Mapping[str, Expected] | None:
        """See ``Expectation``; of ``predictions``, the largest probabilities count."""
        found = self.estimator.estimate([_as_binary(cells) for cells in panes], predictions)
        return None if found is None else {METRIC: found[METRIC]}


def _as_binary(cells: Cells) -> Cells:
    """The label is whether the prediction is right, and the prediction that it is."""
    tops = cells.get("tops", Counts.empty())
    return {
        "outcomes": Counts.of(outcome_cell(np.ones_like(tops.index), tops.index % 2), tops.count),
        "scores_labels": tops,
    }
