"""How well a model does on labelled rows, with intervals that survive autocorrelation.

Theory of operation
-------------------
Outcomes inside a window are not independent: a storm delays a whole evening. A jackknife over
panes leaves out one pane at a time (Quenouille 1949, Tukey 1958; blocks: Künsch 1989). With ``k``
labelled panes and the leave-one-out values ``t_i``, ``se² = (k - 1) / k · Σ (t_i - mean t)²``, and
the interval is ``value ± t(k - 1) · se``. It needs nothing but the additive counts of the panes.

Beside it stands the *floor*, the standard error that as many independent rows would have, by which
windows of different size are compared (``monitor.performance.overdispersion``):

=====================  ===========================================================================
accuracy, precision,   of a proportion of the rows in its denominator
recall, f1
balanced_accuracy      of the mean of two independent proportions
roc_auc                Hanley and McNeil 1982
pr_auc                 of a proportion of the positives: the approximation of Boyd, Eng and Page
                       (2013), who found it to hold; negatives are taken to be as many as needed
log_loss, brier        from the second moment of the rows' losses
calibration_error      as a mean of ``±(score - label)``, the signs of the ten bins as observed:
                       an upper bound where a model is calibrated
=====================  ===========================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from monitor.counts.counts import Cells, Counts
from monitor.performance import formulas
from monitor.performance.formulas import Array, Bins, Loss

METRICS = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "roc_auc",
    "pr_auc",
    "log_loss",
    "brier",
    "calibration_error",
)
LOSSES = frozenset({"log_loss", "brier", "calibration_error"})  # the lower, the better


@dataclass(frozen=True, slots=True)
class Metric:
    """``value`` is None where it is undefined, ``se`` where fewer than two panes carry labels."""

    value: float | None
    se: float | None = None  # of the jackknife over panes
    panes: int = 0  # labelled panes it was taken over
    floor: float = 0.0  # standard error if the rows were independent
    shrunk: float = 0.0  # the value with four rows more, two of them wrong: few rows say little
    resolution: float | None = 0.0  # the largest error from binning the scores; None: not stated
    lower_is_better: bool = False
    most: float = 1.0  # the largest value there is; the smallest is 0

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """Two-sided, cut to [0, ``most``]."""
        if self.value is None or self.se is None:
            return None, None
        reach = float(student.ppf(0.5 + level / 2, self.panes - 1)) * self.se
        return max(0.0, self.value - reach), min(self.most, self.value + reach)


@dataclass(frozen=True, slots=True)
class Labelled:
    """The counts of labelled rows, pane by pane."""

    outcomes: Array  # shape (k, 4): true negatives, false negatives, false and true positives
    bins: Bins  # shape (b,), ascending: the score bins that were met
    negatives: Array  # shape (k, b)
    positives: Array  # shape (k, b)

    @classmethod
    def of(cls, panes: Sequence[Cells]) -> Labelled:
        """Panes without a label are left out."""
        kept = [cells for cells in panes if cells.get("outcomes", Counts.empty()).size > 0]
        outcomes = np.array([cells["outcomes"].dense(4) for cells in kept], dtype=np.float64)
        scores = [cells.get("scores_labels", Counts.empty()) for cells in kept]
        indices = [score.index // 2 for score in scores]
        met = np.unique(np.concatenate(indices)) if indices else np.empty(0, dtype=np.int64)
        by_label = np.zeros((2, len(kept), met.size))
        for i, score in enumerate(scores):
            by_label[score.index % 2, i, np.searchsorted(met, score.index // 2)] = score.count
        return cls(outcomes.reshape(-1, 4), met, by_label[0], by_label[1])

    @property
    def totals(self) -> tuple[Array, Array]:
        """Negatives and positives of all panes, of shape (b,)."""
        return self.negatives.sum(axis=0), self.positives.sum(axis=0)

    def spread(self, formula: Callable[[Array, Array], Array]) -> float | None:
        """The jackknife's standard error of a formula of negatives and positives."""
        n, p = self.totals
        return _spread(formula(n - self.negatives, p - self.positives))


def measure(panes: Sequence[Cells]) -> dict[str, Metric]:
    """Every metric of ``METRICS`` over the labelled rows of ``panes``."""
    labelled = Labelled.of(panes)
    return {name: _MEASURED[name](labelled) for name in METRICS}


def labelled_rows(panes: Iterable[Cells]) -> int:
    """How many rows of ``panes`` have a label."""
    return sum(cells["outcomes"].size for cells in panes if "outcomes" in cells)


def _spread(left_out: Array) -> float | None:
    """The jackknife's standard error; None where a left-out value is undefined, or alone."""
    k = left_out.size
    if k < 2 or np.isnan(left_out).any():
        return None
    return float(np.sqrt((k - 1) / k * np.square(left_out - left_out.mean()).sum()))


# -- few rows say little -----------------------------------------------------------------------


def _shrunk(value: float, n: float) -> float:
    """A proportion of ``n`` rows with four more, half of them wrong (Agresti and Coull 1998)."""
    return (value * n + 2) / (n + 4)


def _proportion(value: float, n: float) -> tuple[float, float]:
    """Floor and shrunk value of a proportion of ``n`` rows."""
    shrunk = _shrunk(value, n)
    return float(np.sqrt(shrunk * (1 - shrunk) / (n + 4))), shrunk


def _mean(first: float, second: float, n: float) -> tuple[float, float]:
    """The same of a mean with these sums of losses and of their squares, and four rows more: two
    without a loss, two with a loss of 1.
    """
    shrunk, square = (first + 2) / (n + 4), (second + 2) / (n + 4)
    return float(np.sqrt(max(square - shrunk**2, 0.0) / (n + 4))), shrunk


# -- of the predicted class --------------------------------------------------------------------


def _of_class(
    formula: Callable[[Array], Array], weight: Callable[[Array], Array]
) -> Callable[[Labelled], Metric]:
    def measured(labelled: Labelled) -> Metric:
        panes, total = labelled.outcomes, labelled.outcomes.sum(axis=0)
        value = float(formula(total))
        if np.isnan(value):
            return Metric(None)
        floor, shrunk = _proportion(value, float(weight(total)))
        return Metric(value, _spread(formula(total - panes)), len(panes), floor, shrunk)

    return measured


def _balanced_accuracy(labelled: Labelled) -> Metric:
    panes, o = labelled.outcomes, labelled.outcomes.sum(axis=0)
    value = float(formulas.balanced_accuracy(o))
    if np.isnan(value):
        return Metric(None)
    of_positives = _proportion(float(formulas.recall(o)), o[1] + o[3])
    of_negatives = _proportion(float(formulas.specificity(o)), o[0] + o[2])
    floor = float(np.hypot(of_positives[0], of_negatives[0])) / 2
    shrunk = (of_positives[1] + of_negatives[1]) / 2
    left_out = formulas.balanced_accuracy(o - panes)
    return Metric(value, _spread(left_out), len(panes), floor, shrunk)


# -- of the order of the scores ----------------------------------------------------------------


def _roc_auc(labelled: Labelled) -> Metric:
    n, p = labelled.totals
    value = float(formulas.roc_auc(n, p))
    if np.isnan(value):
        return Metric(None)
    shrunk = _shrunk(value, min(n.sum(), p.sum()))
    return Metric(
        value,
        labelled.spread(formulas.roc_auc),
        len(labelled.outcomes),
        _hanley_mcneil(shrunk, float(n.sum()), float(p.sum())),
        shrunk,
        formulas.roc_auc_moved(n, p),
    )


def _hanley_mcneil(auc: float, negatives: float, positives: float) -> float:
    """Standard error of an AUC of independent rows (Hanley and McNeil 1982)."""
    same_positive, same_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (same_positive - auc**2)
    variance += (negatives - 1) * (same_negative - auc**2)
    return float(np.sqrt(max(variance, 0.0) / (negatives * positives)))


def _pr_auc(labelled: Labelled) -> Metric:
    n, p = labelled.totals
    value = float(formulas.pr_auc(n, p))
    if np.isnan(value):
        return Metric(None, resolution=None)
    floor, shrunk = _proportion(value, float(p.sum()))
    se, panes = labelled.spread(formulas.pr_auc), len(labelled.outcomes)
    return Metric(value, se, panes, floor, shrunk, resolution=None)


# -- of the scores as probabilities ------------------------------------------------------------


def _of_loss(loss: Loss, most: float) -> Callable[[Labelled], Metric]:
    def measured(labelled: Labelled) -> Metric:
        n, p = labelled.totals
        value, bins = float(formulas.mean_loss(n, p, labelled.bins, loss)), labelled.bins
        if np.isnan(value):
            return Metric(None, resolution=None)
        rows = float((n + p).sum())
        square = float(formulas.mean_loss(n, p, bins, lambda at: np.square(loss(at))))
        floor, shrunk = _mean(value * rows, square * rows, rows)
        return Metric(
            value,
            labelled.spread(lambda n, p: formulas.mean_loss(n, p, bins, loss)),
            len(labelled.outcomes),
            floor,
            shrunk,
            resolution=None,
            lower_is_better=True,
            most=most,
        )

    return measured


def _calibration_error(labelled: Labelled) -> Metric:
    n, p = labelled.totals
    value, bins = float(formulas.calibration_error(n, p, labelled.bins)), labelled.bins
    if np.isnan(value):
        return Metric(None, resolution=None)
    rows = float((n + p).sum())
    square = float(formulas.mean_loss(n, p, bins, formulas.squared))
    floor, shrunk = _mean(value * rows, square * rows, rows)
    return Metric(
        value,
        labelled.spread(lambda n, p: formulas.calibration_error(n, p, bins)),
        len(labelled.outcomes),
        floor,
        shrunk,
        resolution=None,
        lower_is_better=True,
    )


# Of a proportion, with the rows that its denominator counts.
_MEASURED: Mapping[str, Callable[[Labelled], Metric]] = {
    "accuracy": _of_class(formulas.accuracy, lambda o: o.sum()),
    "balanced_accuracy": _balanced_accuracy,
    "precision": _of_class(formulas.precision, lambda o: o[2] + o[3]),
    "recall": _of_class(formulas.recall, lambda o: o[1] + o[3]),
    "f1": _of_class(formulas.f1, lambda o: o[3] + (o[1] + o[2]) / 2),
    "roc_auc": _roc_auc,
    "pr_auc": _pr_auc,
    "log_loss": _of_loss(formulas.log_loss, formulas.MOST_LOG_LOSS),
    "brier": _of_loss(formulas.squared, 1.0),
    "calibration_error": _calibration_error,
}
