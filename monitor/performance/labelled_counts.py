"""The cells of labelled rows of a binary classifier, and their counts by pane as arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.counts.counts import Cells, Counts
from monitor.performance.formulas import Array, Bins
from monitor.performance.standard_errors import jackknife

CLASSES = 2
OUTCOMES = CLASSES**2
WRONG_OUTCOMES = (1, 2)  # the prediction is not the label
_AT_ONCE = 2**15  # counts of a jackknife that are computed together: they fit the processor's cache


def outcome_cell(predicted: Bins, label: Bins) -> Bins:
    """The cell in ``outcomes``, below ``OUTCOMES``."""
    return CLASSES * predicted + label


def score_label_cell(score_bin: Bins, label: Bins) -> Bins:
    """The cell in ``scores_labels``."""
    return CLASSES * score_bin + label


@dataclass(frozen=True, slots=True)
class LabelledCounts:
    """The counts of ``k`` panes with labels, over the ``b`` score bins that occur in them."""

    outcomes: Array  # shape (k, 4): true negatives, false negatives, false and true positives
    bins: Bins  # shape (b,), ascending
    negatives: Array  # shape (k, b)
    positives: Array  # shape (k, b)

    @classmethod
    def from_panes(cls, panes: Sequence[Cells]) -> LabelledCounts:
        """Panes without a label are left out."""
        labelled = [cells for cells in panes if cells.get("outcomes", Counts.empty()).size > 0]
        outcomes = np.array(
            [cells["outcomes"].dense(OUTCOMES) for cells in labelled], dtype=np.float64
        )
        scores = [cells.get("scores_labels", Counts.empty()) for cells in labelled]
        bins, (negatives, positives) = by_label(scores)
        return cls(outcomes.reshape(-1, OUTCOMES), bins, negatives, positives)

    @property
    def panes(self) -> int:
        return len(self.outcomes)

    @property
    def totals(self) -> tuple[Array, Array]:
        """Negatives and positives of all panes, of shape (b,)."""
        return self.negatives.sum(axis=0), self.positives.sum(axis=0)

    def jackknife(self, formula: Callable[[Array, Array], Array]) -> float | None:
        """The jackknife standard error of a formula of negatives and positives by score bin."""
        n, p = self.totals
        step = max(1, _AT_ONCE // max(1, self.bins.size))
        left_out = [
            formula(
                n - self.negatives[first : first + step], p - self.positives[first : first + step]
            )
            for first in range(0, self.panes, step)
        ]
        return jackknife(np.concatenate([np.empty(0), *left_out]))


def by_label(scores: Sequence[Counts]) -> tuple[Bins, Array]:
    """The bins that occur, and the counts by label, pane and bin, shape (2, k, b)."""
    split = [np.divmod(score.index, CLASSES) for score in scores]
    bins = np.unique(np.concatenate([b for b, _ in split])) if split else np.empty(0, np.int64)
    counts = np.zeros((CLASSES, len(scores), bins.size))
    for i, (score, (own, label)) in enumerate(zip(scores, split, strict=True)):
        counts[label, i, np.searchsorted(bins, own)] = score.count
    return bins, counts


def labelled_rows(panes: Iterable[Cells]) -> int:
    """The number of rows of ``panes`` that have a label: every task counts ``outcomes`` of them."""
    return sum(cells["outcomes"].size for cells in panes if "outcomes" in cells)
