"""The task of a model: what a score, a prediction and a label are. Everything else asks it.

There is one task, ``binary``: a score is P(positive), a prediction and a label are a class, 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NO_LABEL = -1
ROUNDING = 1e-4  # scores this far outside are rounding errors, and count as the nearest score


@dataclass(frozen=True, slots=True)
class Task:
    """All arrays have shape (n,)."""

    name: str
    classes: int  # numbered from 0
    score_low: float
    score_high: float

    @property
    def expected_score(self) -> str:
        return f"a number from {self.score_low:g} to {self.score_high:g}"

    @property
    def expected_class(self) -> str:
        return " or ".join(map(str, range(self.classes)))

    def is_score(self, score: Floats) -> Bools:
        """Whether each is a score, up to ``ROUNDING``. False where a score is missing, too."""
        return (score >= self.score_low - ROUNDING) & (score <= self.score_high + ROUNDING)

    def rounded(self, score: Floats) -> Floats:
        """Scores without their rounding errors."""
        return np.clip(score, self.score_low, self.score_high)

    def predicted(self, score: Floats, threshold: float) -> Ints:
        """The predictions of a model that sends none."""
        return (score >= threshold).astype(np.int64)

    def is_known(self, label: Ints) -> Bools:
        return label >= 0

    def has_all_classes(self, label: Ints) -> bool:
        """Whether the known labels hold every class, and nothing else."""
        return set(np.unique(label[self.is_known(label)]).tolist()) == set(range(self.classes))

    def check_reference(self, score: Floats, label: Ints | None) -> None:
        """Raises ``ValueError`` if these cannot be the scores and labels of a reference."""
        wrong = score[~self.is_score(score)]
        if wrong.size:
            found = "a missing one" if np.isnan(wrong[0]) else f"{wrong[0]:.15g}"
            raise ValueError(
                f"scores must be probabilities between 0 and 1, found {found} (a regression or a"
                " margin is not supported; only binary classification is)"
            )
        if label is None:
            return
        known = label[self.is_known(label)]
        if known.size and not 0 <= int(known.max()) < self.classes:
            raise ValueError(f"labels must be {self.expected_class}, found {known.max()}")
        if not self.has_all_classes(label):
            raise ValueError("the labels hold only one class: a reference needs both, 0 and 1")

    def errors(self, score: Floats, label: Ints) -> Floats:
        return np.abs(label - score)

    def outcome(self, predicted: Ints, label: Ints) -> Ints:
        """The cell of a labelled row in ``outcomes``, below ``outcomes``."""
        return self.classes * predicted + label

    @property
    def outcomes(self) -> int:
        return self.classes**2

    @property
    def wrong_outcomes(self) -> tuple[int, ...]:
        """The cells in which the prediction is not the label."""
        cells = range(self.outcomes)
        return tuple(cell for cell in cells if cell // self.classes != cell % self.classes)

    def with_label(self, score_bin: Ints, label: Ints) -> Ints:
        """The cell of a labelled row in ``scores_labels``."""
        return self.classes * score_bin + label

    def bin_and_label(self, cell: Ints) -> tuple[Ints, Ints]:
        """The inverse of ``with_label``."""
        return cell // self.classes, cell % self.classes


BINARY = Task("binary", 2, 0.0, 1.0)
TASKS = {task.name: task for task in (BINARY,)}
