"""The sums over labelled rows that the metrics of a regression are computed from.

========================  =====================================================================
``moments``               the sums of ``MOMENTS``, two cells each
``absolute_errors``       by bin of the prediction: rows, and the sums of ``|error|`` and its square
========================  =====================================================================

The error of a row is its prediction minus its label. Sums are in fixed point
(``monitor.performance.fixed_point``), with scales of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from monitor.counts.counts import Cells, Counts
from monitor.counts.task import Weighted
from monitor.performance.fixed_point import (
    BITS,
    UNITS,
    Floats,
    Ints,
    fixed,
    plain,
    power_of_two,
    squares,
    totals,
)

MOMENTS = (
    "rows",
    "error",
    "absolute",
    "square",
    "fourth",
    "label",
    "label_square",
    "ratio",
    "ratio_rows",
    "clipped",
)
WIDTH = 2 * len(MOMENTS)
BIN_WIDTH = 6  # cells of a bin of the prediction: three sums
PREDICTION_BINS = 20
NEAR_ZERO = 0.01  # of the mean absolute label: below, a relative error says nothing


@dataclass(frozen=True, slots=True)
class Scales:
    """What is learned from the labelled rows of a reference."""

    error: float  # the power of two that is at least the root mean squared error
    label: float  # likewise of the standard deviation of the labels
    center: float  # mean of the labels
    near_zero: float  # relative errors are taken of labels at least this far from zero
    mean_absolute: float  # of the errors of the reference, and likewise
    mean_square: float
    mean_fourth: float
    edges: tuple[float, ...]  # that cut predictions into bins, ascending

    @classmethod
    def of(cls, prediction: Floats, label: Floats) -> Scales:
        """Of at least one row."""
        with np.errstate(over="ignore"):
            error = prediction - label
            mean_square = float(np.mean(np.square(error)))
            center, deviation = float(np.mean(label)), float(np.std(label))
            mean_fourth = float(np.mean(error**4))
        cuts = np.linspace(0, 1, PREDICTION_BINS + 1)[1:-1]
        return cls(
            power_of_two(mean_square**0.5),
            power_of_two(deviation),
            center,
            NEAR_ZERO * float(np.mean(np.abs(label))),
            float(np.mean(np.abs(error))),
            mean_square,
            mean_fourth,
            tuple(np.unique(np.quantile(prediction, cuts)).tolist()),
        )

    @classmethod
    def decoded(cls, saved: Mapping[str, Any]) -> Scales:
        return cls(**{**saved, "edges": tuple(saved["edges"])})

    def encoded(self) -> Mapping[str, Any]:
        return {**asdict(self), "edges": list(self.edges)}

    @property
    def bins(self) -> int:
        return len(self.edges) + 1

    def bin_of(self, prediction: Floats) -> Ints:
        return np.searchsorted(self.edges, prediction, side="right").astype(np.int64)

    @property
    def unit(self) -> float:
        """The resolution of an error."""
        return self.error / 2.0**UNITS

    def cells(self, prediction: Floats, label: Floats) -> Mapping[str, Weighted]:
        """The cells of labelled rows, arrays of shape (n,)."""
        with np.errstate(over="ignore"):
            error = fixed(prediction - label, self.error)
            centred = fixed(label - self.center, self.label)
            far = (np.abs(label) >= self.near_zero) & (label != 0)
            ratio = fixed(np.abs(prediction - label) / np.where(far, np.abs(label), 1.0), 1.0)
        absolute, square = plain(np.abs(error.units)), squares(error.units)
        ones = np.ones(label.size, dtype=np.int64)
        sums = (
            plain(ones),
            plain(error.units),
            absolute,
            square,
            squares(square[:, 0]),
            plain(centred.units),
            squares(centred.units),
            plain(np.where(far, ratio.units, 0)),
            plain(far.astype(np.int64)),
            plain((error.clipped | centred.clipped).astype(np.int64)),
        )
        first = BIN_WIDTH * self.bin_of(prediction)
        return {
            "moments": Weighted(np.arange(WIDTH), np.concatenate(sums, axis=1)),
            "absolute_errors": Weighted(
                first[:, None] + np.arange(BIN_WIDTH),
                np.concatenate([plain(ones), absolute, square], axis=1),
            ),
        }

    def moments(self, panes: Sequence[Cells]) -> Floats:
        """The sums of each pane with labels, shape (k, len(MOMENTS)), in the units of the rows."""
        dense = [cells["moments"].dense(WIDTH) for cells in panes if cells.get("moments")]
        sums = totals(np.array(dense, dtype=np.int64).reshape(-1, WIDTH))
        error, label, one = self.unit, self.label / 2.0**UNITS, 1 / 2.0**UNITS
        # The fourth power is the square of the high part of the square.
        fourth = (error * error * 2.0**BITS) ** 2
        units = [1, error, error, error**2, fourth, label, label**2, one, 1, 1]
        return np.asarray(sums * np.array(units))

    def by_bin(self, panes: Sequence[Cells]) -> Floats:
        """Rows, and sums of ``|error|`` and its square, by pane and bin: shape (k, bins, 3)."""
        width = BIN_WIDTH * self.bins
        dense = [cells.get("absolute_errors", Counts.empty()).dense(width) for cells in panes]
        sums = totals(np.array(dense, dtype=np.int64).reshape(-1, width))
        units = np.array([1.0, self.unit, self.unit**2])
        return np.asarray(sums.reshape(len(panes), self.bins, 3) * units)
