"""How well a model does on labelled rows, with intervals that survive autocorrelation.

Theory of operation
-------------------
Outcomes inside a window are not independent: a storm delays a whole evening. A jackknife over
panes leaves out one pane at a time (Quenouille 1949, Tukey 1958; blocks: Künsch 1989). With ``k``
labelled panes and the leave-one-out values ``t_i``, ``se² = (k - 1) / k · Σ (t_i - mean t)²``, and
the interval is ``value ± t(k - 1) · se``. It needs nothing but the additive counts of the panes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from monitor.counts import Cells, Counts

Array = NDArray[np.float64]
METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
JUDGED = METRICS


@dataclass(frozen=True, slots=True)
class Metric:
    """``value`` is None where it is undefined, ``se`` where fewer than two panes carry labels."""

    value: float | None
    se: float | None = None  # of the jackknife over panes
    panes: int = 0  # labelled panes it was taken over
    floor: float = 0.0  # standard error if the rows were independent
    shrunk: float = 0.0  # the value with four rows more, two of them wrong: few rows say little
    resolution: float = 0.0  # the most by which binning the scores can have moved the value

    def interval(self, level: float = 0.95) -> tuple[float | None, float | None]:
        """Two-sided, cut to [0, 1]."""
        if self.value is None or self.se is None:
            return None, None
        reach = float(student.ppf(0.5 + level / 2, self.panes - 1)) * self.se
        return max(0.0, self.value - reach), min(1.0, self.value + reach)


@dataclass(frozen=True, slots=True)
class Dispersion:
    """How far windows of a reference stray, against what independent rows would."""

    factor: float  # of the variance, at least 1
    degrees: int  # of freedom it was learned with


@dataclass(frozen=True, slots=True)
class Labelled:
    """The counts of labelled rows, pane by pane."""

    outcomes: Array  # shape (k, 4): true negatives, false negatives, false and true positives
    negatives: Array  # shape (k, b), by score bin, ascending
    positives: Array  # shape (k, b)

    @classmethod
    def of(cls, panes: Sequence[Cells]) -> Labelled:
        """Panes without a label are left out."""
        kept = [cells for cells in panes if cells.get("outcomes", Counts.empty()).size > 0]
        outcomes = np.array([cells["outcomes"].dense(4) for cells in kept], dtype=np.float64)
        scores = [cells.get("scores_labels", Counts.empty()) for cells in kept]
        met = np.unique(np.concatenate([s.index // 2 for s in scores])) if scores else np.empty(0)
        by_bin = np.zeros((len(kept), met.size, 2))
        for row, score in zip(by_bin, scores, strict=True):
            np.add.at(row, (np.searchsorted(met, score.index // 2), score.index % 2), score.count)
        return cls(outcomes.reshape(-1, 4), by_bin[:, :, 0], by_bin[:, :, 1])

    @property
    def rows(self) -> int:
        return int(self.outcomes.sum())


def measure(panes: Sequence[Cells]) -> dict[str, Metric]:
    """Every metric of ``METRICS`` over the labelled rows of ``panes``."""
    labelled = Labelled.of(panes)
    if labelled.rows == 0:
        return {name: Metric(None) for name in METRICS}
    metrics = {
        name: _proportion(formula, weight, labelled.outcomes)
        for name, (formula, weight) in _FROM_OUTCOMES.items()
    }
    return {**metrics, "roc_auc": _roc_auc(labelled)}


def degraded(
    now: Metric, baseline: Metric, dispersion: Dispersion | None, *, share: float, alpha: float
) -> tuple[bool, float | None]:
    """Whether ``now`` lies below ``share`` of its baseline, at level ``alpha``; and that bound.

    One-sided, with the variance of both: that of independent rows, times the factor by which the
    reference's own windows exceed it (``monitor.dispersion``). An undefined metric, or a reference
    too short to know the factor, decides nothing. ``now`` is taken with four rows more, half of
    them wrong (Agresti and Coull 1998): two wrong rows out of two are no proof of anything.
    """
    if now.value is None or baseline.value is None:
        return False, None
    bound = share * baseline.value
    if dispersion is None:
        return False, bound
    noise = float(np.hypot(now.floor, share * baseline.floor)) * float(np.sqrt(dispersion.factor))
    reach = float(student.isf(alpha, dispersion.degrees)) * noise
    return now.shrunk - bound + reach < 0, bound


def _ratio(part: Array, whole: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan))


def _accuracy(o: Array) -> Array:
    return _ratio(o[..., 0] + o[..., 3], o.sum(axis=-1))


def _precision(o: Array) -> Array:
    return _ratio(o[..., 3], o[..., 2] + o[..., 3])


def _recall(o: Array) -> Array:
    return _ratio(o[..., 3], o[..., 1] + o[..., 3])


def _f1(o: Array) -> Array:
    return _ratio(2 * o[..., 3], 2 * o[..., 3] + o[..., 1] + o[..., 2])


# Each with the rows that its denominator counts.
_FROM_OUTCOMES: Mapping[str, tuple[Callable[[Array], Array], Callable[[Array], Any]]] = {
    "accuracy": (_accuracy, lambda o: o.sum()),
    "precision": (_precision, lambda o: o[2] + o[3]),
    "recall": (_recall, lambda o: o[1] + o[3]),
    "f1": (_f1, lambda o: o[3] + (o[1] + o[2]) / 2),
}


def _proportion(
    formula: Callable[[Array], Array], weight: Callable[[Array], Any], panes: Array
) -> Metric:
    total = panes.sum(axis=0)
    value, n = float(formula(total)), float(weight(total))
    if np.isnan(value):
        return Metric(None)
    shrunk = _shrunk(value, n)
    floor = float(np.sqrt(shrunk * (1 - shrunk) / (n + 4)))
    return Metric(value, _spread(formula(total - panes)), len(panes), floor, shrunk)


def _shrunk(value: float, n: float) -> float:
    """A proportion of ``n`` rows with four more, half of them wrong (Agresti and Coull 1998)."""
    return (value * n + 2) / (n + 4)


def _spread(left_out: Array) -> float | None:
    """The jackknife's standard error; None where a left-out value is undefined, or alone."""
    k = left_out.size
    if k < 2 or np.isnan(left_out).any():
        return None
    return float(np.sqrt((k - 1) / k * np.square(left_out - left_out.mean()).sum()))


def _auc(negatives: Array, positives: Array) -> Array:
    """Probability that a positive outranks a negative; rows in one bin count as ties."""
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    pairs = negatives.sum(axis=-1) * positives.sum(axis=-1)
    return _ratio((positives * below).sum(axis=-1), pairs)


def _roc_auc(labelled: Labelled) -> Metric:
    negatives, positives = labelled.negatives.sum(axis=0), labelled.positives.sum(axis=0)
    value = float(_auc(negatives, positives))
    if np.isnan(value):
        return Metric(None)
    left_out = _auc(negatives - labelled.negatives, positives - labelled.positives)
    n, p = float(negatives.sum()), float(positives.sum())
    shrunk = _shrunk(value, min(n, p))
    ties = float((negatives * positives).sum() / (2 * n * p))
    floor = _hanley_mcneil(shrunk, n, p)
    return Metric(value, _spread(left_out), len(labelled.outcomes), floor, shrunk, ties)


def _hanley_mcneil(auc: float, negatives: float, positives: float) -> float:
    """Standard error of an AUC of independent rows (Hanley and McNeil 1982)."""
    same_positive, same_negative = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = auc * (1 - auc) + (positives - 1) * (same_positive - auc**2)
    variance += (negatives - 1) * (same_negative - auc**2)
    return float(np.sqrt(max(variance, 0.0) / (negatives * positives)))
