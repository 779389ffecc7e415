"""The four tests of a distribution: their statistics, and what sampling noise explains of them.

All use the same deviations (``monitor.statistics.deviations``). Kolmogorov-Smirnov and Kuiper
compare empirical distribution functions (ECDF) and detect any change. Wilcoxon and Mood are rank
tests, which detect a shift and a widening earlier. The effect size, and whether it is large enough,
are always measured on the ECDFs.

With ``en = n m / (n + m)``, the statistics times ``sqrt(en)`` are expressed in a unit of each
feature's own: 1 for the ECDF tests, the standard deviation of a row's score for the rank tests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from monitor.counts.counts import Counts
from monitor.statistics.critical_values import (
    effective_sizes,
    kolmogorov_quantile,
    kuiper_quantile,
    normal_quantile,
)
from monitor.statistics.deviation_bounds import ROUNDING, mean_score
from monitor.statistics.deviations import Deviations
from monitor.statistics.drift_rule import RANK_TESTS
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.natural_variation import (
    EDF_FACTORS,
    PERSISTENT_SQUARE_OF_NORMAL,
    RANK_FACTORS,
    VariationFactors,
)
from monitor.statistics.ranks import pooled_unit, skewed_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Field = Callable[[Deviations], Floats]  # shape (f,)
Quantile = Callable[[float], float]

ALL_FEATURES = slice(None)


def sampling_noise(  # noqa: PLR0913 - of a test, of a reference and of a window
    quantile: Floats, units: Floats, skewness: Floats, squares: Floats, rows: Ints, sizes: Ints
) -> Floats:
    """What chance exceeds with the probabilities of the quantiles; infinite where undefined.

    ``squares`` are those of the rows' scores. All shapes are broadcast.
    """
    z = skewed_quantile(quantile, skewness, rows, sizes)
    window_units = pooled_unit(units, squares, rows, sizes)
    noise = np.full(np.broadcast_shapes(z.shape, window_units.shape), np.inf)
    root = np.sqrt(effective_sizes(rows, sizes))
    np.divide(z * window_units, root, where=(rows > 0) & (units > 0), out=noise)
    return noise


@dataclass(frozen=True, slots=True)
class DistributionTest(ABC):
    """How far a distribution lies from its reference, and how that behaves on independent rows."""

    name: str
    quantile: Quantile  # of sqrt(en) times the statistic, in units
    mean_square: float  # of the same
    persistent_mean_square: float  # of the persistent part, times n; simulated
    variation_factors: VariationFactors
    power_deviation: float  # standard deviation under a change, about; in units over sqrt(en)

    @abstractmethod
    def value(self, deviations: Deviations) -> Floats:
        """The statistic, shape (f,), not negative."""

    @abstractmethod
    def persistent(self, deviations: Deviations) -> Floats:
        """The part of it that both halves of the window have, shape (f,)."""

    @abstractmethod
    def effect(self, deviations: Deviations) -> Floats:
        """The size of the change as a persistent distance between ECDFs, shape (f,)."""

    @abstractmethod
    def units(self, ecdf_table: EcdfTable) -> Floats:
        """Shape (f,); 0 where the test is not defined."""

    @abstractmethod
    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        """Skewness of the contribution of one row to the statistic, shape (f,)."""

    @abstractmethod
    def direction(self, deviations: Deviations, i: int) -> str | None:
        """The direction of the change of feature ``i`` in a word, if the test has one."""

    @abstractmethod
    def min_persistent(self, min_effect: float) -> float:
        """A lower limit of the allowance, if ``min_effect`` is the smallest effect to report."""

    @abstractmethod
    def exceeds_min_effect(self, effect: float, edf_noise: float, min_effect: float) -> bool:
        """Whether the effect is large enough, as far as ``min_persistent`` does not ensure it."""

    @abstractmethod
    def squares(self, deviations: Deviations) -> Floats:
        """The mean squares of the rows' scores, shape (..., f), that may increase the units."""

    @abstractmethod
    def may_exceed(
        self, noise: Floats, suspects: Ints, ecdf_table: EcdfTable, parts: Sequence[Counts]
    ) -> bool:
        """Whether the statistic of any of ``suspects`` may exceed ``noise``, shape (f,).

        Those are the features, at least one, whose upper bound in the window ``parts`` does.
        """

    def noise(
        self,
        ecdf_table: EcdfTable,
        deviations: Deviations,
        levels: Sequence[float],
        at: slice = ALL_FEATURES,
    ) -> Floats:
        """The values that chance exceeds with the probabilities ``levels``.

        One for each of the features ``at``. Infinite where the test is not defined.
        """
        return sampling_noise(
            quantiles(self, tuple(levels)),
            self.units(ecdf_table)[at],
            self.skewness(ecdf_table)[at],
            self.squares(deviations)[at],
            deviations.rows[at],
            ecdf_table.sizes[at],
        )

    def block_noise(self, ecdf_table: EcdfTable, i: int, n: Floats, alpha: float) -> Floats:
        """The noise of blocks of ``n`` reference rows, shape (b,), against the rest of them."""
        rest = ecdf_table.sizes[i] - n
        z = np.full(n.size, self.quantile(alpha))
        z = skewed_quantile(z, np.full(n.size, self.skewness(ecdf_table)[i]), n, rest)
        return np.asarray(self.units(ecdf_table)[i] * z / np.sqrt(n * rest / ecdf_table.sizes[i]))

    def block_mean_square(self, ecdf_table: EcdfTable, i: int, n: Floats, parts: int) -> Floats:
        """The expected square of the persistent part of such blocks, of one part or two halves."""
        factor = self.mean_square if parts == 1 else self.persistent_mean_square
        square = factor / n + self.mean_square / (ecdf_table.sizes[i] - n)
        return np.asarray(self.units(ecdf_table)[i] ** 2 * square)


@dataclass(frozen=True, slots=True)
class EdfTest(DistributionTest):
    """A distance between two empirical distribution functions."""

    field: Field
    persistent_field: Field

    @classmethod
    def of(cls, name: str, quantile: Quantile, mean_squares: tuple[float, float]) -> EdfTest:
        """``mean_squares``: of the statistic, and of its persistent part."""
        fields = attrgetter(name), attrgetter(f"persistent_{name}")
        return cls(name, quantile, *mean_squares, EDF_FACTORS, 0.5, *fields)

    def value(self, deviations: Deviations) -> Floats:
        return self.field(deviations)

    def persistent(self, deviations: Deviations) -> Floats:
        return self.persistent_field(deviations)

    def effect(self, deviations: Deviations) -> Floats:
        return self.persistent_field(deviations)

    def units(self, ecdf_table: EcdfTable) -> Floats:
        return np.ones(ecdf_table.sizes.size)

    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        return np.zeros(ecdf_table.sizes.size)

    def direction(self, deviations: Deviations, i: int) -> None:  # noqa: ARG002 - it has none
        return None

    def min_persistent(self, min_effect: float) -> float:
        return min_effect

    def exceeds_min_effect(
        self,
        effect: float,  # noqa: ARG002 - it is the persistent part, compared with the allowance
        edf_noise: float,  # noqa: ARG002
        min_effect: float,  # noqa: ARG002
    ) -> bool:
        return True

    def squares(self, deviations: Deviations) -> Floats:
        return np.zeros(deviations.rows.shape)

    def may_exceed(
        self,
        noise: Floats,  # noqa: ARG002 - the bounds are close
        suspects: Ints,  # noqa: ARG002
        ecdf_table: EcdfTable,  # noqa: ARG002
        parts: Sequence[Counts],  # noqa: ARG002
    ) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class RankTest(DistributionTest):
    """A mean score of the ranks of the rows."""

    index: int  # in ``EcdfTable.scores``
    min_rows: int  # of the reference, below which the tail is not normal
    directions: tuple[str, str]  # of a negative and of a positive mean score

    @classmethod
    def of(cls, name: str, min_rows: int, directions: tuple[str, str]) -> RankTest:
        squares = 1.0, PERSISTENT_SQUARE_OF_NORMAL
        index = RANK_TESTS.index(name)
        return cls(name, normal_quantile, *squares, RANK_FACTORS, 1.0, index, min_rows, directions)

    def value(self, deviations: Deviations) -> Floats:
        return np.asarray(np.abs(deviations.ranks[self.index]))

    def persistent(self, deviations: Deviations) -> Floats:
        return np.asarray(np.abs(deviations.persistent_ranks[self.index]))

    def effect(self, deviations: Deviations) -> Floats:
        return deviations.persistent_ks

    def units(self, ecdf_table: EcdfTable) -> Floats:
        return np.where(ecdf_table.sizes >= self.min_rows, ecdf_table.scores[self.index].unit, 0.0)

    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        return ecdf_table.scores[self.index].skewness

    def may_exceed(
        self, noise: Floats, suspects: Ints, ecdf_table: EcdfTable, parts: Sequence[Counts]
    ) -> bool:
        """These bounds are wide and the exact score of one feature is cheap, so it is computed."""
        scores = ecdf_table.scores[self.index]
        return any(
            abs(mean_score(ecdf_table, scores, parts, i)) > noise[i] - ROUNDING
            for i in suspects.tolist()
        )

    def min_persistent(self, min_effect: float) -> float:  # noqa: ARG002 - it is an ECDF distance
        return 0.0

    def exceeds_min_effect(self, effect: float, edf_noise: float, min_effect: float) -> bool:
        return not min_effect or effect - edf_noise / 2 > min_effect

    def direction(self, deviations: Deviations, i: int) -> str:
        return self.directions[int(deviations.ranks[self.index][i] > 0)]

    def squares(self, deviations: Deviations) -> Floats:
        return np.asarray(deviations.squares[self.index])


KS = EdfTest.of("ks", kolmogorov_quantile, (np.pi**2 / 12, 0.53))
KUIPER = EdfTest.of("kuiper", kuiper_quantile, (np.pi**2 / 6, 0.93))
WILCOXON = RankTest.of("wilcoxon", min_rows=1, directions=("lower", "higher"))
MOOD = RankTest.of("mood", min_rows=100, directions=("narrower", "wider"))
DISTRIBUTION_TESTS: dict[str, DistributionTest] = {
    test.name: test for test in (KS, KUIPER, WILCOXON, MOOD)
}


@lru_cache(maxsize=1024)
def quantiles(test: DistributionTest, levels: tuple[float, ...]) -> Floats:
    """Of one level for each feature, shape (f,)."""
    return np.array([test.quantile(level) for level in levels])
