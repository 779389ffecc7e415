"""No task: only the features of rows are watched, and a score where a model sends one.

A score may be any number; rows without one are left out of its distribution. Labels are ignored, so
there are no metrics, and nothing is expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from monitor.counts.bins import Sample
from monitor.counts.counts import Cells
from monitor.counts.measured import Metric
from monitor.counts.task import Contract, Field, Floats, Ints, Labelled, Task


class Features(Task):
    name = "features"
    contract = Contract(
        score=Field("a number or null", required=False),
        prediction=None,
        label=Field("a number (this task does not use it)"),
    )

    def columns(self, score: Floats, prediction: Floats, threshold: float) -> tuple[Floats, Ints]:
        return score, np.zeros(score.size, dtype=np.int64)

    def sent(self, score: Floats, predicted: Ints) -> tuple[Floats, Floats]:
        return score, score

    def check_reference(self, score: Floats, label: Floats | None) -> None:
        if np.isinf(score).any():
            raise ValueError("scores must be finite numbers, or missing; found an infinite one")

    def outputs(self, score: Floats) -> Mapping[str, Floats]:
        return {"score": score}

    def errors(self, rows: Labelled) -> Mapping[str, Floats]:
        return {}

    def label_cells(self, rows: Labelled) -> Mapping[str, Ints]:
        return {}

    def measure(self, panes: Sequence[Cells], errors: Mapping[str, Sample]) -> dict[str, Metric]:
        return {}


FEATURES = Features()
