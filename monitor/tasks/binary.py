"""Binary classification: a score is P(positive), a prediction and a label are a class, 0 or 1.

===================  ==========================================================================
``score``            output: the score
``errors``           error: ``|label - score|``
``classes``          cell of a row: predicted class
``outcomes``         cell of a labelled row: ``2 * predicted + label``
``scores_labels``    ``2 * score_bin + label``, ``SCORE_BINS`` bins on [0, 1]
===================  ==========================================================================

Without labels, performance is estimated by the calibration of the scores on the reference
(``monitor.performance.cbpe``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from monitor.counts.bins import Sample
from monitor.counts.columns import score_bin
from monitor.counts.counts import Cells, Counts
from monitor.counts.measured import Expectation, Metric
from monitor.counts.task import (
    Contract,
    ErrorRate,
    Field,
    Floats,
    Ints,
    Labelled,
    LabelledReference,
    Ratio,
    Task,
)
from monitor.performance.cbpe import PerformanceEstimator
from monitor.performance.expected_metrics import ESTIMATED_METRICS
from monitor.performance.labelled_counts import (
    CLASSES,
    WRONG_OUTCOMES,
    outcome_cell,
    score_label_cell,
)
from monitor.performance.metrics import LOSSES, METRICS, measure

LABELS = "0 or 1"


class Binary(Task):
    name = "binary"
    contract = Contract(
        score=Field("a number from 0 to 1", 0.0, 1.0, rounding=1e-4),
        prediction=Field("0, 1 or null", 0, CLASSES - 1, whole=True, required=False),
        label=Field(LABELS, 0, CLASSES - 1, whole=True),
    )
    metrics = METRICS
    judged = ("accuracy", "precision", "recall", "f1", "roc_auc")
    lower_is_better = LOSSES
    estimated = ESTIMATED_METRICS
    error_metric = "accuracy"
    ratios: ClassVar[Mapping[str, Ratio]] = {
        "accuracy": Ratio((1, 0, 0, 1), (1, 1, 1, 1)),
        "precision": Ratio((0, 0, 0, 1), (0, 0, 1, 1)),
        "recall": Ratio((0, 0, 0, 1), (0, 1, 0, 1)),
        "f1": Ratio((0, 0, 0, 2), (0, 1, 1, 2)),
    }
    outcomes = CLASSES * CLASSES

    def columns(self, score: Floats, prediction: Floats, threshold: float) -> tuple[Floats, Ints]:
        """The default prediction is whether the score reaches the threshold."""
        assert self.contract.score is not None
        score = self.contract.score.rounded(score)
        default = (score >= threshold).astype(np.int64)
        sent = ~np.isnan(prediction)
        if not sent.any():
            return score, default
        return score, np.where(sent, np.nan_to_num(prediction), default).astype(np.int64)

    def sent(self, score: Floats, predicted: Ints) -> tuple[Floats, Floats]:
        return score, predicted.astype(np.float64)

    def check_reference(self, score: Floats, label: Floats | None) -> None:
        assert self.contract.score is not None
        wrong = score[~self.contract.score.holds(score)]
        if wrong.size:
            found = "a missing one" if np.isnan(wrong[0]) else f"{wrong[0]:.15g}"
            raise ValueError(
                f"scores must be probabilities between 0 and 1, found {found}: those of a"
                " regression are its predictions (--task regression)"
            )
        if label is None:
            return
        known = label[~np.isnan(label)]
        others = known[~np.isin(known, (0, 1))]
        if others.size:
            raise ValueError(f"labels must be {LABELS}, found {others[0]:g}")
        if np.unique(known).size < CLASSES:
            raise ValueError("the labels hold only one class: a reference needs both, 0 and 1")

    def outputs(self, score: Floats) -> Mapping[str, Floats]:
        return {"score": score}

    def errors(self, rows: Labelled) -> Mapping[str, Floats]:
        return {"errors": np.abs(rows.label - rows.score)}

    def row_cells(self, predicted: Ints) -> Mapping[str, tuple[Ints, int]]:
        return {"classes": (predicted, CLASSES)}

    def label_cells(self, rows: Labelled) -> Mapping[str, Ints]:
        classes = rows.label.astype(np.int64)
        return {
            "outcomes": outcome_cell(rows.predicted, classes),
            "scores_labels": score_label_cell(score_bin(rows.score), classes),
        }

    def ratio_cells(self, rows: Labelled) -> Ints:
        return outcome_cell(rows.predicted, rows.label.astype(np.int64))

    def measure(self, panes: Sequence[Cells], errors: Mapping[str, Sample]) -> dict[str, Metric]:
        return measure(panes)

    def measure_judged(
        self, panes: Sequence[Cells], errors: Mapping[str, Sample]
    ) -> dict[str, Metric]:
        return measure(panes, self.judged)

    def expectation(self, reference: LabelledReference) -> PerformanceEstimator | None:
        panes, length_ms, samples, threshold = reference
        return PerformanceEstimator.fit(panes, length_ms, samples["score"], threshold)

    def saved(self, expectation: Expectation) -> Mapping[str, Any]:
        assert isinstance(expectation, PerformanceEstimator)
        return {name: getattr(expectation, name) for name in PerformanceEstimator.__slots__}

    def restored(self, saved: Mapping[str, Any]) -> PerformanceEstimator:
        return PerformanceEstimator(**saved)

    def error_rate(self, baseline: Mapping[str, Metric], rows: int) -> ErrorRate | None:
        return ErrorRate.of_accuracy(baseline["accuracy"].value, rows)

    def pane_errors(self, cells: Cells) -> int:
        """The rows that were predicted wrongly."""
        outcomes = cells.get("outcomes", Counts.empty())
        return sum(outcomes.at(cell) for cell in WRONG_OUTCOMES)


BINARY = Binary()
