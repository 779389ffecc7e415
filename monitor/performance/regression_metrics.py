"""Metrics of a regression in a window, with intervals that hold under autocorrelation.

As those of a classifier (``monitor.performance.metrics``): a jackknife over the labelled panes
gives the interval. ``independent_se`` is stated for the metrics that may open an incident, from the
second moment of the losses, by the delta method for the root mean squared error. Of so few rows
that their own spread says little, four more are added that are as those of the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from monitor.counts.bins import Sample
from monitor.counts.counts import Cells
from monitor.counts.measured import Metric
from monitor.performance.fixed_point import UNITS, Floats
from monitor.performance.formulas import ratio
from monitor.performance.moments import MOMENTS, Scales
from monitor.performance.standard_errors import Independent, jackknife

Formula = Callable[[Floats], Floats]  # of sums of shape (..., len(MOMENTS))

_AT = {name: i for i, name in enumerate(MOMENTS)}
_MORE = 4  # rows as those of the reference
INFINITE = float("inf")


def _sum(sums: Floats, name: str) -> Floats:
    return np.asarray(sums[..., _AT[name]])


def _mean(name: str, rows: str = "rows") -> Formula:
    return lambda sums: ratio(_sum(sums, name), _sum(sums, rows))


def _root_mean_square(sums: Floats) -> Floats:
    return np.asarray(np.sqrt(_mean("square")(sums)))


def _r2(sums: Floats) -> Floats:
    """Undefined if all labels are the same."""
    label, rows = _sum(sums, "label"), np.maximum(_sum(sums, "rows"), 1)
    total = _sum(sums, "label_square") - label**2 / rows
    least = 1e-12 * _sum(sums, "label_square")
    return 1 - ratio(_sum(sums, "square"), np.where(total > least, total, 0.0))


FORMULAS: Mapping[str, Formula] = {
    "mae": _mean("absolute"),
    "rmse": _root_mean_square,
    "bias": _mean("error"),
    "r2": _r2,
    "mape": _mean("ratio", "ratio_rows"),
    "clipped": _mean("clipped"),
}
METRICS = ("mae", "rmse", "bias", "r2", "median_absolute_error", "mape", "clipped")
LOSSES = frozenset(METRICS) - {"bias", "r2"}


def measure(
    scales: Scales | None, panes: Sequence[Cells], errors: Sample | None
) -> dict[str, Metric]:
    """Every metric of ``METRICS``; all are undefined without the scales of a reference.

    ``errors`` is the sample of the reference's absolute errors.
    """
    if scales is None:
        return {name: Metric(None, lower_is_better=name in LOSSES) for name in METRICS}
    sums = scales.moments(panes)
    found = {name: _metric(name, formula, scales, sums) for name, formula in FORMULAS.items()}
    found["median_absolute_error"] = _median(panes, errors)
    return {name: found[name] for name in METRICS}


def _metric(name: str, formula: Formula, scales: Scales, sums: Floats) -> Metric:
    total = sums.sum(axis=0)
    value = float(formula(total))
    low, high = _RANGE.get(name, (0.0, INFINITE))
    lower_is_better = name in LOSSES
    if np.isnan(value):
        return Metric(
            None, lower_is_better=lower_is_better, minimum=low, maximum=high, resolution=None
        )
    independent = _INDEPENDENT[name](scales, total) if name in _INDEPENDENT else None
    return Metric(
        value,
        jackknife(formula(total - sums)),
        len(sums),
        *(independent or (0.0, value)),
        resolution=_resolution(name, scales),
        lower_is_better=lower_is_better,
        minimum=low,
        maximum=high,
    )


_RANGE = {"bias": (-INFINITE, INFINITE), "r2": (-INFINITE, 1.0), "clipped": (0.0, 1.0)}


def _resolution(name: str, scales: Scales) -> float | None:
    """Half a unit in each row, apart from what was clipped."""
    own = {"mape": 0.5 / 2.0**UNITS, "r2": None, "clipped": 0.0}
    return own.get(name, scales.unit / 2)


def _independent_mae(scales: Scales, total: Floats) -> Independent:
    n = float(_sum(total, "rows")) + _MORE
    mean = (float(_sum(total, "absolute")) + _MORE * scales.mean_absolute) / n
    square = (float(_sum(total, "square")) + _MORE * scales.mean_square) / n
    return Independent(float(np.sqrt(max(square - mean**2, 0.0) / n)), mean)


def _independent_rmse(scales: Scales, total: Floats) -> Independent:
    n = float(_sum(total, "rows")) + _MORE
    square = (float(_sum(total, "square")) + _MORE * scales.mean_square) / n
    fourth = (float(_sum(total, "fourth")) + _MORE * scales.mean_fourth) / n
    root = float(np.sqrt(square))
    if root == 0.0:
        return Independent(0.0, 0.0)
    return Independent(float(np.sqrt(max(fourth - square**2, 0.0) / n)) / (2 * root), root)


_INDEPENDENT: Mapping[str, Callable[[Scales, Floats], Independent]] = {
    "mae": _independent_mae,
    "rmse": _independent_rmse,
}


# -- the median, from the bins of the absolute errors ------------------------------------------


def _median(panes: Sequence[Cells], sample: Sample | None) -> Metric:
    labelled = [cells["errors"] for cells in panes if cells.get("errors")]
    if sample is None or not labelled:
        return Metric(None, lower_is_better=True, maximum=INFINITE, resolution=None)
    full = [counts.dense(sample.bins) for counts in labelled]
    total = np.sum(full, axis=0)
    value, resolution = _middle(total, sample)
    left_out = np.array([_middle(total - own, sample)[0] for own in full])
    return Metric(
        value,
        jackknife(left_out),
        len(full),
        resolution=resolution,
        lower_is_better=True,
        maximum=INFINITE,
    )


def _middle(counts: Floats, sample: Sample) -> tuple[float, float | None]:
    """The median of the rows of all bins, and how far it may be off; NaN without a row."""
    running = np.cumsum(counts)
    rows = int(running[-1])
    if not rows:
        return float("nan"), None
    ends = [
        _value(int(np.searchsorted(running, k)), sample) for k in ((rows + 1) // 2, rows // 2 + 1)
    ]
    resolution = None if any(r is None for _, r in ends) else max(r or 0.0 for _, r in ends)
    return (ends[0][0] + ends[1][0]) / 2, resolution


def _value(cell: int, sample: Sample) -> tuple[float, float | None]:
    """The value that stands for a bin of absolute errors, and half of its width."""
    position, is_value = divmod(cell, 2)
    if is_value:
        return float(sample.values[position]), 0.0
    if position == sample.values.size:
        return float(sample.values[-1]), None
    low = float(sample.values[position - 1]) if position else 0.0
    high = float(sample.values[position])
    return (low + high) / 2, (high - low) / 2
