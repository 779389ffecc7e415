"""Positions of many values in a sorted array: ``numpy.searchsorted``, faster by a lookup grid.

Theory of operation
-------------------
A grid of cells of equal width covers the sorted values. The number of a cell results from rounding,
which is monotonic: values in earlier cells are smaller and values in later cells are larger. Only
the few values in the same cell remain to be compared. Cells with more than a few values fall back
to a binary search. The positions equal those of ``numpy.searchsorted``; for ten thousand values it
takes a third of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELLS_PER_VALUE = 4
MAX_STEPS = 4  # comparisons within a cell; cells that need more use a binary search
MAX_CROWDED = 0.1  # proportion of the values in such cells, above which a grid is not faster
MIN_VALUES = 200  # looked up at once, below which a grid is not faster


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A sorted array of ``d`` values, and how many of them lie before each cell."""

    values: Floats  # shape (d + 1,): infinity is appended
    low: float
    scale: float  # cells per unit
    before: NDArray[np.int32]  # shape (cells,)

    @classmethod
    def over(cls, values: Floats) -> Grid | None:
        """None if a grid would not be faster, or the range of the values overflows.

        The cells end at Tukey's outer fences, so that a few outliers do not crowd all other values
        into one cell.
        """
        if values.size < 2:
            return None
        cells = CELLS_PER_VALUE * values.size
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            first, third = np.quantile(values, (0.25, 0.75))
            low = max(values[0], first - 3 * (third - first))
            high = min(values[-1], third + 3 * (third - first))
            scale = cells / (high - low)
        if not (np.isfinite(scale) and scale > 0):
            return None
        occupancy = np.bincount(_cell(values, low, scale, cells), minlength=cells)
        if occupancy[occupancy > MAX_STEPS].sum() > MAX_CROWDED * values.size:
            return None
        before = (np.cumsum(occupancy) - occupancy).astype(np.int32)
        return cls(np.append(values, np.inf), float(low), float(scale), before)

    def search(self, values: Floats) -> Ints:
        """The number of the grid's values below each of ``values``, none of which may be NaN."""
        cell = _cell(values, self.low, self.scale, self.before.size)
        position = self.before.take(cell).astype(np.int64)
        further = self.values.take(position) < values
        position += further
        remaining = np.flatnonzero(further)
        for _ in range(MAX_STEPS - 1):
            further = self.values.take(position[remaining]) < values[remaining]
            remaining = remaining[further]
            position[remaining] += 1
        position[remaining] = np.searchsorted(self.values, values[remaining])
        return position


def _cell(values: Floats, low: float, scale: float, cells: int) -> Ints:
    """The cell of each value: clipped and rounded towards zero, which is monotonic."""
    with np.errstate(over="ignore"):
        position = values - low
        position *= scale
    return np.clip(position, 0, cells - 1, out=position).astype(np.int64)
