"""Expected absolute error of a regression, from the predictions alone, without labels.

Theory of operation
-------------------
The reference gives the mean absolute error of each of 20 bins of the prediction, cut at its
quantiles. If it still holds, the expected error of a window is the mean over its rows of the error
of their bins::

    prediction  ->  mean |error| of its bin on the reference  ->  mean over the rows

It can see that predictions move to where the model was worse on the reference. It cannot see that
the model has become worse at the same predictions, and not what depends on features in other ways
than through the prediction. The *difference* can: the realised error minus the expected one, on the
same labelled rows.

The interval is that of the realised error, as for a classifier (``monitor.performance.cbpe``): the
error of the reference's means by a jackknife over groups of its panes, and the variance of
independent rows times the overdispersion of the reference's own windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtrit

from monitor.counts.bins import Sample
from monitor.counts.counts import Cells
from monitor.counts.measured import Estimate, Expected
from monitor.performance.cbpe import LEVEL
from monitor.performance.degradation import Overdispersion
from monitor.performance.fixed_point import Floats, Ints
from monitor.performance.isotonic import JACKKNIFE_GROUPS
from monitor.performance.moments import Scales
from monitor.performance.overdispersion import MIN_WINDOWS, split_into_windows

METRIC = "mae"


@dataclass(frozen=True, slots=True)
class _Value:
    """An expected mean with the variances of its two errors."""

    value: float
    calibration_variance: float
    label_variance: float


@dataclass(frozen=True, slots=True, eq=False)
class ExpectedError:
    """Estimates the mean absolute error, by what the reference has taught."""

    scales: Scales
    output: str  # the cells of the predictions
    means: Floats  # shape (1 + g, bins): of all panes, then without each group of them
    variances: Floats  # shape (bins,), of the absolute error of a row
    cell_bins: Ints  # the bin of each cell of the predictions
    overdispersions: Mapping[str, Overdispersion] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, scales: Scales, panes: Mapping[int, Cells], length_ms: int, output: str, sample: Sample
    ) -> ExpectedError | None:
        """``sample`` is that of the predictions. None with fewer than two labelled panes."""
        ordered = [cells for _, cells in sorted(panes.items()) if cells.get("absolute_errors")]
        if len(ordered) < 2:
            return None
        by_pane = scales.by_bin(ordered)
        total = by_pane.sum(axis=0)
        groups = np.array_split(np.arange(len(ordered)), min(JACKKNIFE_GROUPS, len(ordered)))
        whole = _means(total, np.zeros(scales.bins))
        means = [whole, *(_means(total - by_pane[group].sum(axis=0), whole) for group in groups)]
        squares = np.where(total[:, 0] > 0, total[:, 2] / np.maximum(total[:, 0], 1), 0.0)
        learned = cls(
            scales,
            output,
            np.stack(means),
            np.maximum(squares - whole**2, 0.0),
            scales.bin_of(_cell_values(sample)),
        )
        windows = split_into_windows(panes, length_ms)
        return replace(learned, overdispersions=learned._overdispersions(windows))

    def estimate(
        self, panes: Sequence[Cells], predictions: Cells | None = None
    ) -> dict[str, Expected] | None:
        """See ``Expectation``."""
        labelled = self.scales.by_bin(panes).sum(axis=0)
        rows, against = labelled[:, 0], Estimate(None)
        if predictions is not None and self.output in predictions:
            counts = predictions[self.output]
            rows = np.bincount(
                self.cell_bins[counts.index], counts.count, minlength=self.scales.bins
            )
        if not rows.sum() > 0:
            return None
        expected = self._value(rows)
        if labelled[:, 0].sum() > 0:
            known = self._value(labelled[:, 0])
            against = self._interval(known, _realised(labelled) - known.value, minimum=-np.inf)
        value = self._interval(expected, expected.value, minimum=0.0)
        return {METRIC: Expected(value.value, value.low, value.high, against)}

    def _value(self, rows: Floats) -> _Value:
        values = self.means @ rows / rows.sum()
        g = values.size - 1
        calibration = (g - 1) / g * float(np.square(values[1:] - values[1:].mean()).sum())
        variance = float(rows @ self.variances) / float(rows.sum()) ** 2
        return _Value(float(values[0]), calibration, variance)

    def _interval(self, expected: _Value, value: float, minimum: float) -> Estimate:
        over = self.overdispersions.get(METRIC)
        if over is None:
            return Estimate(value)
        variance = expected.calibration_variance + over.factor * expected.label_variance
        margin = float(stdtrit(over.degrees, 0.5 + LEVEL / 2)) * float(np.sqrt(variance))
        return Estimate(value, max(minimum, value - margin), value + margin)

    def _overdispersions(self, windows: Sequence[Sequence[Cells]]) -> dict[str, Overdispersion]:
        """How far the windows of the reference are from their own expected errors."""
        ratios = []
        for labelled in (self.scales.by_bin(panes).sum(axis=0) for panes in windows):
            if not labelled[:, 0].sum() > 0:
                continue
            expected = self._value(labelled[:, 0])
            if expected.label_variance > 0:
                apart = _realised(labelled) - expected.value
                ratios.append(apart**2 / expected.label_variance)
        if len(ratios) < MIN_WINDOWS:
            return {}
        degrees = len(ratios) - 1
        return {METRIC: Overdispersion(max(1.0, sum(ratios) / degrees), degrees)}


def _means(sums: Floats, otherwise: Floats) -> Floats:
    """The mean absolute error of each bin; ``otherwise`` where a bin is empty."""
    rows = sums[:, 0]
    return np.asarray(np.where(rows > 0, sums[:, 1] / np.maximum(rows, 1), otherwise))


def _realised(sums: Floats) -> float:
    return float(sums[:, 1].sum() / sums[:, 0].sum())


def _cell_values(sample: Sample) -> Floats:
    """The value that stands for each cell, shape (2 d + 1,)."""
    finite = sample.values[sample.finite]
    edges = np.clip(
        np.concatenate([sample.values[:1], sample.values, sample.values[-1:]]),
        finite[0],
        finite[-1],
    )
    values = np.empty(sample.bins)
    values[0::2] = (edges[:-1] + edges[1:]) / 2
    values[1::2] = sample.values
    return values
