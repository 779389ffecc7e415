"""A simulated change: one numeric feature of a backtest, shifted from some pane on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.calibration.backtest import Backtest
from monitor.counts.columns import Numeric, numbers
from monitor.counts.counts import Counts
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.scanner import Scanner
from monitor.statistics.wide_range import LARGEST, standard_deviation
from monitor.windows.evaluator import Evaluator


@dataclass(frozen=True, slots=True, eq=False)
class ShiftedFeature:
    """The live values of one feature, and an evaluator that tests this feature alone."""

    backtest: Backtest
    reference: Numeric
    evaluator: Evaluator
    values: NDArray[np.float64]
    deviation: float  # standard deviation of the finite values

    @classmethod
    def of(cls, backtest: Backtest, feature: str) -> ShiftedFeature:
        reference = backtest.evaluator.profile.schema.features[feature]
        assert isinstance(reference, Numeric)
        values = numbers(backtest.live.features[feature])
        deviation = standard_deviation(values[np.isfinite(values)])
        evaluator = _of_one_feature(backtest.evaluator, feature, reference)
        return cls(backtest, reference, evaluator, values, deviation)

    def panes(self, shift: float = 0.0) -> list[Counts]:
        """The counts of each pane after a shift by so many standard deviations.

        Values that this moves beyond the largest double become infinite.
        """
        group = self.backtest.live.time_ms // self.backtest.evaluator.plan.windows.pane_ms
        difference = float(np.clip(shift * self.deviation, -LARGEST, LARGEST))
        with np.errstate(over="ignore"):
            values = self.values + difference if shift else self.values
        return self.reference.tally(values, group, len(self.backtest.panes)).values


def _of_one_feature(evaluator: Evaluator, feature: str, reference: Numeric) -> Evaluator:
    """The same levels and allowances, for one numeric feature and nothing else."""
    cells, every = f"bins/{feature}", evaluator.data
    position = every.ecdf_table.names.index(cells)
    samples = {cells: reference.sample}
    scanner = Scanner(
        CellIndex.of({cells: reference.sample.bins}),
        EcdfTable.of(samples),
        {length: [levels[position]] for length, levels in every.levels.items()},
        {statistic: [each[position]] for statistic, each in every.variations.items()},
        every.drift,
    )
    return replace(evaluator, data=scanner)
