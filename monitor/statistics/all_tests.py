"""All tests of a distribution at once, of all features and of several windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.statistics.deviations import Deviations
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, quantiles, sampling_noise
from monitor.statistics.ecdf_table import EcdfTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TESTS = tuple(DISTRIBUTION_TESTS.values())


@dataclass(frozen=True, slots=True, eq=False)
class AllTests:
    """The figures of all tests of a reference, to compute their noise together."""

    units: Floats  # shape (t, 1, f)
    skewness: Floats  # shape (t, 1, f)
    sizes: Ints  # shape (f,)

    @classmethod
    def of(cls, ecdf_table: EcdfTable) -> AllTests:
        units = np.array([test.units(ecdf_table) for test in TESTS])
        skewness = np.array([test.skewness(ecdf_table) for test in TESTS])
        return cls(units[:, np.newaxis], skewness[:, np.newaxis], ecdf_table.sizes)

    def noises(self, deviations: Deviations, levels: Sequence[tuple[float, ...]]) -> Floats:
        """Shape (t, w, f); ``levels`` of each window, one for each feature."""
        squares = np.array([test.squares(deviations) for test in TESTS])
        return sampling_noise(
            np.array([[quantiles(test, of_window) for of_window in levels] for test in TESTS]),
            self.units,
            self.skewness,
            squares.reshape(len(TESTS), len(levels), -1),
            deviations.rows,
            self.sizes,
        )


def all_values(deviations: Deviations) -> Floats:
    """The statistics of all tests, shape (t, w, f)."""
    return np.array([test.value(deviations) for test in TESTS])
