"""Regression: a prediction and a label are numbers. The error is the prediction minus the label.

====================  ========================================================================
``value``             output: the predicted number
``errors``            error: the absolute error
``residuals``         error: the signed error
``outcomes``          cell 0 of each labelled row
``moments``           sums over labelled rows (``monitor.performance.moments``)
``absolute_errors``   the same by bin of the prediction
====================  ========================================================================

The mean absolute error and the root mean squared error are judged. The bias is not: the test of
the residuals sees it, at all lengths of window. R² is not, because it falls if labels vary less,
however small the errors are.

Without labels, the absolute error is estimated by that of the reference at the same predictions
(``monitor.performance.expected_error``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitor.counts.bins import Sample
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
    Task,
    Weighted,
)
from monitor.performance.expected_error import METRIC, ExpectedError
from monitor.performance.fixed_point import exact_total
from monitor.performance.moments import MOMENTS, Scales
from monitor.performance.regression_metrics import LOSSES, METRICS, measure

OUTPUT = "value"
LARGEST = 1e75  # of a reference: fourth powers of errors are still doubles


@dataclass(frozen=True, slots=True)
class Regression(Task):
    scales: Scales | None = None  # None: the reference had no labels

    name = "regression"
    contract = Contract(score=None, prediction=Field("a number"), label=Field("a number"))
    metrics = METRICS
    judged = ("mae", "rmse")
    lower_is_better = LOSSES
    estimated = (METRIC,)
    error_metric = "mae"

    def columns(self, score: Floats, prediction: Floats, threshold: float) -> tuple[Floats, Ints]:
        return prediction, np.zeros(prediction.size, dtype=np.int64)

    def sent(self, score: Floats, predicted: Ints) -> tuple[Floats, Floats]:
        return score, score

    def check_reference(self, score: Floats, label: Floats | None) -> None:
        _check_numbers("predictions", score)
        if label is None:
            return
        known = label[~np.isnan(label)]
        if not known.size:
            raise ValueError("all labels are missing: leave the column out")
        _check_numbers("labels", known)

    def learned(self, score: Floats, label: Floats) -> Regression:
        return Regression(Scales.of(score, label))

    def parameters(self) -> Mapping[str, Any]:
        return {} if self.scales is None else {"scales": self.scales.encoded()}

    @classmethod
    def decoded(cls, parameters: Mapping[str, Any]) -> Regression:
        saved = parameters.get("scales")
        return cls(None if saved is None else Scales.decoded(saved))

    def outputs(self, score: Floats) -> Mapping[str, Floats]:
        return {OUTPUT: score}

    def errors(self, rows: Labelled) -> Mapping[str, Floats]:
        with np.errstate(over="ignore"):
            residuals = rows.score - rows.label
        return {"errors": np.abs(residuals), "residuals": residuals}

    def label_cells(self, rows: Labelled) -> Mapping[str, Ints | Weighted]:
        outcomes: dict[str, Ints | Weighted] = {
            "outcomes": np.zeros(rows.label.size, dtype=np.int64)
        }
        if self.scales is None:
            return outcomes
        return {**outcomes, **self.scales.cells(rows.score, rows.label)}

    def measure(self, panes: Sequence[Cells], errors: Mapping[str, Sample]) -> dict[str, Metric]:
        return measure(self.scales, panes, errors.get("errors"))

    def expectation(self, reference: LabelledReference) -> ExpectedError | None:
        if self.scales is None:
            return None
        panes, length_ms, samples, _ = reference
        return ExpectedError.fit(self.scales, panes, length_ms, OUTPUT, samples[OUTPUT])

    def saved(self, expectation: Expectation) -> Mapping[str, Any]:
        assert isinstance(expectation, ExpectedError)
        names = ("means", "variances", "cell_bins", "overdispersions")
        return {name: getattr(expectation, name) for name in names}

    def restored(self, saved: Mapping[str, Any]) -> ExpectedError:
        assert self.scales is not None
        return ExpectedError(self.scales, OUTPUT, **saved)

    def error_rate(self, baseline: Mapping[str, Metric], rows: int) -> ErrorRate | None:
        if self.scales is None:
            return None
        unit, mean = self.scales.unit, self.scales.mean_absolute
        variance = (self.scales.mean_square - mean**2) / unit**2
        return ErrorRate(mean / unit, variance) if variance > 0 else None

    def pane_errors(self, cells: Cells) -> int:
        """The sum of the absolute errors, in units of their resolution."""
        return exact_total(cells.get("moments", Counts.empty()), MOMENTS.index("absolute"))


def _check_numbers(what: str, values: Floats) -> None:
    wrong = values[~(np.abs(values) <= LARGEST)]
    if wrong.size:
        found = "a missing one" if np.isnan(wrong[0]) else f"{wrong[0]:g}"
        raise ValueError(
            f"{what} of a reference of a regression must be numbers of at most {LARGEST:g} in size,"
            f" found {found}"
        )


REGRESSION = Regression()
