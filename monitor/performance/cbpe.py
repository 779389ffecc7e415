"""Expected performance: metrics estimated from the scores alone, without labels.

Theory of operation
-------------------
Confidence-based performance estimation (CBPE), as published by NannyML (documentation, "How it
works: CBPE"). The reference gives the rate of positives for each score
(``monitor.performance.isotonic``). If it still holds, a row that is predicted positive is a true
positive with that probability, and otherwise a false one; a row that is predicted negative
likewise::

    score  ->  rate of positives  ->  expected TP, FP, TN, FN  ->  expected metrics

The estimate is valid while inputs change but their meaning does not (covariate shift). It cannot
detect a change of meaning (concept drift). The *difference* can: the realised metric minus the
expected one, on the same labelled rows. Both sides use the threshold of the profile.

The interval is that of the realised metric, from three sources of error::

    se² = calibration² + factor * labels²

``calibration`` is the error of the rates, from a jackknife over groups of panes of the reference.
``labels`` is the error of independent labels with the expected rates, by the delta method.
``factor`` is the overdispersion of the reference's own windows relative to such labels
(``monitor.performance.overdispersion``), because the calibration of a single day differs from the
mean.

Measured with an intact calibration: these 95% intervals contained the realised metric in 90% to 99%
of simulated windows of 20 to 5,000 rows under covariate shift, in 93% to 96% of three-hour windows
of healthy flights and in 87% to 100% of days; without the factor in 61% to 86% and 43% to 71%.

For rows without labels only the score summary is known, in the cells that the reference's sample
defines. A score that is in the sample is exact; a score between two values of the sample counts as
the middle between them. For 14,000 flights against 14,000 others this changed no metric by more
than 0.00001.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import stdtrit

from monitor.counts.bins import Sample
from monitor.counts.columns import score_bin
from monitor.counts.counts import Cells, Counts
from monitor.counts.measured import Estimate, Expected
from monitor.performance.degradation import Overdispersion
from monitor.performance.expected_metrics import (
    ESTIMATED_METRICS,
    ExpectedValue,
    RatedRows,
    expected_value,
    realised_value,
)
from monitor.performance.formulas import Array, Bins, Flags, centres
from monitor.performance.isotonic import calibration_curves, cell_scores
from monitor.performance.labelled_counts import LabelledCounts
from monitor.performance.overdispersion import MIN_WINDOWS, split_into_windows

LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class PerformanceEstimator:
    """Estimates metrics from scores, with the calibration of a reference."""

    curves: Array  # shape (1 + g, SCORE_BINS): rates of positives, then without each group of panes
    threshold: float
    cell_bins: Bins  # shape (2 d + 1,): the score bin of each cell of the score summary
    cell_positive: Flags  # shape (2 d + 1,): whether the scores of the cell reach the threshold
    overdispersions: Mapping[str, Overdispersion] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, panes: Mapping[int, Cells], length_ms: int, sample: Sample, threshold: float
    ) -> PerformanceEstimator | None:
        """From the panes of a reference by their start, for windows of ``length_ms``.

        ``sample`` defines the cells of the score summary. None with fewer than two labelled panes.
        """
        labelled = LabelledCounts.from_panes([cells for _, cells in sorted(panes.items())])
        if labelled.panes < 2 or not labelled.bins.size:
            return None
        scores = cell_scores(sample)
        calibrated = cls(
            calibration_curves(labelled), threshold, score_bin(scores), scores >= threshold
        )
        windows = map(LabelledCounts.from_panes, split_into_windows(panes, length_ms))
        return replace(calibrated, overdispersions=calibrated._overdispersions(list(windows)))

    def estimate(
        self, panes: Sequence[Cells], predictions: Cells | None = None
    ) -> dict[str, Expected] | None:
        """See ``Expectation``; of ``predictions``, the score summary counts."""
        scores = None if predictions is None else predictions.get("score")
        labelled = LabelledCounts.from_panes(panes)
        labelled_rows = self._labelled_rows(labelled)
        rows = labelled_rows if scores is None else self._scored_rows(scores)
        if not rows.count.sum() > 0:
            return None
        return {
            name: self._expected(name, rows, _difference(name, labelled, labelled_rows))
            for name in ESTIMATED_METRICS
        }

    def _expected(
        self, name: str, rows: RatedRows, difference: tuple[ExpectedValue, float] | None
    ) -> Expected:
        expected, value, against = expected_value(name, rows), Estimate(None), Estimate(None)
        if expected is not None:
            value = self._with_interval(name, expected, expected.value, minimum=0.0)
        if difference is not None:
            against = self._with_interval(name, *difference, minimum=-1.0)
        return Expected(value.value, value.low, value.high, against)

    def _with_interval(
        self, name: str, expected: ExpectedValue, value: float, minimum: float
    ) -> Estimate:
        over = self.overdispersions.get(name)
        if over is None:
            return Estimate(value)
        se = float(np.sqrt(expected.calibration_variance + over.factor * expected.label_variance))
        margin = float(stdtrit(over.degrees, 0.5 + LEVEL / 2)) * se
        return Estimate(value, max(minimum, value - margin), min(1.0, value + margin))

    def _labelled_rows(self, labelled: LabelledCounts) -> RatedRows:
        bins, (n, p) = labelled.bins, labelled.totals
        return RatedRows(n + p, centres(bins) >= self.threshold, self.curves[:, bins])

    def _scored_rows(self, scores: Counts) -> RatedRows:
        count, bins = scores.count.astype(np.float64), self.cell_bins[scores.index]
        return RatedRows(count, self.cell_positive[scores.index], self.curves[:, bins])

    def _overdispersions(self, windows: Sequence[LabelledCounts]) -> dict[str, Overdispersion]:
        """By metric, how far the windows of the reference are from their own expected metrics."""
        estimates = {name: self._overdispersion(name, windows) for name in ESTIMATED_METRICS}
        return {name: estimate for name, estimate in estimates.items() if estimate is not None}

    def _overdispersion(
        self, name: str, windows: Sequence[LabelledCounts]
    ) -> Overdispersion | None:
        differences = (_difference(name, w, self._labelled_rows(w)) for w in windows)
        ratios = [
            difference**2 / expected.label_variance
            for expected, difference in filter(None, differences)
            if expected.label_variance > 0
        ]
        if len(ratios) < MIN_WINDOWS:
            return None
        degrees = len(ratios) - 1
        return Overdispersion(max(1.0, sum(ratios) / degrees), degrees)


def _difference(
    name: str, labelled: LabelledCounts, rows: RatedRows
) -> tuple[ExpectedValue, float] | None:
    """The expected metric of labelled rows, and the realised minus the expected metric.

    Both are those of the score bins. None if one of them is undefined.
    """
    if not rows.count.sum() > 0:
        return None
    expected = expected_value(name, rows)
    realised = realised_value(name, *labelled.totals, rows.predicted_positive)
    return None if expected is None or realised is None else (expected, realised - expected.value)
