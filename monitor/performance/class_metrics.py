"""Metrics of a classifier of several classes in a window, with the intervals of the other tasks.

Values are those of scikit-learn: of precision, recall and F1 with ``zero_division=0`` in the means
over classes (``macro_...``), which are over the classes that occur among labels or predictions of
the window. Of a single class they are undefined without rows. The classes that are not listed
count as one. ROC-AUC is that of each class against all others, from bins, and the mean of those.

As for other tasks (``monitor.performance.metrics``), a jackknife over the labelled panes gives the
interval, and ``independent_se`` is stated for the metrics that may open an incident: of a
proportion, of a mean of independent proportions, and from the second moment of the losses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from monitor.counts.counts import Cells, Counts
from monitor.counts.measured import Metric
from monitor.performance import formulas, standard_errors
from monitor.performance.class_cells import (
    LARGEST_LOSS,
    LOSS_UNITS,
    RANK_BINS,
    SQUARE_UNITS,
)
from monitor.performance.formulas import Array, Bins, ratio
from monitor.performance.labelled_counts import by_label
from monitor.performance.standard_errors import Independent, jackknife

OF_CLASSES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
)
OF_PROBABILITIES = ("log_loss", "roc_auc")
OF_EACH_CLASS = ("precision", "recall", "f1")
LOSSES = frozenset({"log_loss"})


def metric_names(listed: Sequence[str], *, scored: bool) -> tuple[str, ...]:
    """The metrics in the order of ``measure``; ``listed`` are the classes."""
    own = (*OF_CLASSES, *(OF_PROBABILITIES if scored else ()))
    of_each = (*OF_EACH_CLASS, *(("roc_auc",) if scored else ()))
    return (*own, *(f"{metric}/{name}" for name in listed for metric in of_each))


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows by class, shape (..., listed + 1), of one or several sets of rows."""

    hits: Array
    predicted: Array
    labels: Array

    @classmethod
    def of(cls, panes: Sequence[Cells], listed: int) -> Tally:
        """Of each pane, shape (panes, listed + 1)."""
        width = listed + 1
        counts = [cells["outcomes"].dense(width**2 + 1) for cells in panes]
        full = np.array(counts, dtype=np.float64).reshape(-1, width**2 + 1)
        matrix = full[:, :-1].reshape(-1, width, width)
        hits = np.diagonal(matrix, axis1=1, axis2=2).copy()
        hits[:, -1] = full[:, -1]
        others = np.zeros((len(full), width))
        others[:, -1] = full[:, -1]
        return cls(hits, matrix.sum(axis=2) + others, matrix.sum(axis=1) + others)

    @property
    def total(self) -> Tally:
        """Of all sets together."""
        return Tally(*(each.sum(axis=0) for each in (self.hits, self.predicted, self.labels)))

    def left_out(self) -> Tally:
        """Of all sets but one, for each of them."""
        total = self.total
        return Tally(
            total.hits - self.hits, total.predicted - self.predicted, total.labels - self.labels
        )


def _accuracy(of: Tally) -> Array:
    return ratio(of.hits.sum(axis=-1), of.labels.sum(axis=-1))


def _precision(of: Tally) -> Array:
    return ratio(of.hits, of.predicted)


def _recall(of: Tally) -> Array:
    return ratio(of.hits, of.labels)


def _f1(of: Tally) -> Array:
    return ratio(2 * of.hits, of.labels + of.predicted)


def _mean_recall(of: Tally) -> Array:
    """Over the classes that have labels."""
    return ratio(np.nan_to_num(_recall(of)).sum(axis=-1), (of.labels > 0).sum(axis=-1))


def _macro(formula: Callable[[Tally], Array]) -> Callable[[Tally], Array]:
    def mean(of: Tally) -> Array:
        occur = (of.labels + of.predicted > 0).sum(axis=-1)
        return ratio(np.nan_to_num(formula(of)).sum(axis=-1), occur)

    return mean


_OF_CLASSES: Mapping[str, Callable[[Tally], Array]] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _mean_recall,
    "macro_precision": _macro(_precision),
    "macro_recall": _macro(_recall),
    "macro_f1": _macro(_f1),
}
_OF_EACH_CLASS = {"precision": _precision, "recall": _recall, "f1": _f1}


def measure(panes: Sequence[Cells], listed: Sequence[str], *, scored: bool) -> dict[str, Metric]:
    """Every metric of ``metric_names`` over the labelled rows of ``panes``."""
    labelled = [cells for cells in panes if cells.get("outcomes")]
    tally = Tally.of(labelled, len(listed))
    found = dict(_of_classes(tally)) | dict(_of_each_class(tally, listed))
    if scored:
        found |= {"log_loss": _log_loss(labelled), **_roc_aucs(labelled, listed)}
    return {name: found[name] for name in metric_names(listed, scored=scored)}


def _of_classes(tally: Tally) -> Iterator[tuple[str, Metric]]:
    total, left_out, panes = tally.total, tally.left_out(), len(tally.hits)
    for name, formula in _OF_CLASSES.items():
        value = float(formula(total))
        if np.isnan(value):
            yield name, Metric(None)
            continue
        independent = _INDEPENDENT[name](total) if name in _INDEPENDENT else (0.0, value)
        yield name, Metric(value, jackknife(formula(left_out)), panes, *independent)


def _of_each_class(tally: Tally, listed: Sequence[str]) -> Iterator[tuple[str, Metric]]:
    total, left_out, panes = tally.total, tally.left_out(), len(tally.hits)
    for metric, formula in _OF_EACH_CLASS.items():
        values, without = formula(total), formula(left_out)
        for i, name in enumerate(listed):
            value = float(values[i])
            se = jackknife(without[:, i])
            yield f"{metric}/{name}", Metric(None) if np.isnan(value) else Metric(value, se, panes)


def _independent_accuracy(total: Tally) -> Independent:
    return standard_errors.proportion(float(_accuracy(total)), float(total.labels.sum()))


def _independent_recall(total: Tally) -> Independent:
    """Of the mean of independent proportions.

    The value is not that of four more rows in each class: of the rows of a rare one these would be
    so many that the mean depended on the size of the window. The variance of a class is that of its
    own rows, with a proportion that is never 0 or 1.
    """
    labelled = total.labels > 0
    hits, labels = total.hits[labelled], total.labels[labelled]
    proportion = standard_errors.plus_four(hits / labels, labels)
    se = float(np.sqrt((proportion * (1 - proportion) / labels).sum())) / labels.size
    return Independent(se, float(_mean_recall(total)))


_INDEPENDENT = {"accuracy": _independent_accuracy, "balanced_accuracy": _independent_recall}


# -- metrics of the probabilities --------------------------------------------------------------


def _log_loss(panes: Sequence[Cells]) -> Metric:
    sums = np.array(
        [cells.get("losses", Counts.empty()).dense(3) for cells in panes], dtype=np.float64
    ).reshape(-1, 3)
    rows, losses, squares = sums.sum(axis=0) / (1, LOSS_UNITS, SQUARE_UNITS)
    if not rows:
        return Metric(None, lower_is_better=True, maximum=LARGEST_LOSS)
    without, value = sums.sum(axis=0) - sums, float(losses / rows)
    return Metric(
        value,
        jackknife(ratio(without[:, 1], without[:, 0]) / LOSS_UNITS),
        len(sums),
        # Four more rows of small losses would move the mean of many classes with the window's size.
        standard_errors.mean_loss(float(losses), float(squares), float(rows)).se,
        value,
        resolution=0.5 / LOSS_UNITS,
        lower_is_better=True,
        maximum=LARGEST_LOSS,
    )


@dataclass(frozen=True, slots=True)
class _Area:
    value: float
    left_out: Array
    resolution: float


def _roc_aucs(panes: Sequence[Cells], listed: Sequence[str]) -> dict[str, Metric]:
    bins, (n, p) = by_label([cells.get("ranks", Counts.empty()) for cells in panes])
    areas = {name: _area(bins, n, p, i) for i, name in enumerate(listed)}
    defined = [area for area in areas.values() if area is not None]
    found = {f"roc_auc/{name}": _of_area(area, len(panes)) for name, area in areas.items()}
    return {"roc_auc": _of_area(_mean_area(defined), len(panes)), **found}


def _area(bins: Bins, n: Array, p: Array, i: int) -> _Area | None:
    """Of one class against all others; None if there are no rows of one side."""
    own = slice(*np.searchsorted(bins, [i * RANK_BINS, (i + 1) * RANK_BINS]).tolist())
    n, p = n[:, own], p[:, own]
    all_n, all_p = n.sum(axis=0), p.sum(axis=0)
    if not (all_n.any() and all_p.any()):
        return None
    return _Area(
        float(formulas.roc_auc(all_n, all_p)),
        formulas.roc_auc(all_n - n, all_p - p),
        formulas.roc_auc_resolution(all_n, all_p),
    )


def _mean_area(areas: Sequence[_Area]) -> _Area | None:
    if not areas:
        return None
    values, left_out, resolutions = ([getattr(a, f) for a in areas] for f in _Area.__slots__)
    return _Area(float(np.mean(values)), np.mean(left_out, axis=0), float(np.mean(resolutions)))


def _of_area(area: _Area | None, panes: int) -> Metric:
    if area is None:
        return Metric(None)
    return Metric(area.value, jackknife(area.left_out), panes, resolution=area.resolution)
