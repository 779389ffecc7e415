"""The four statistics that look at a distribution: how large each is, and what chance makes of it.

All come from one comparison (``monitor.statistics.ecdf_table``). The gaps of Kolmogorov-Smirnov
and of Kuiper see whatever changes; the mean scores of Wilcoxon and of Mood see a shift and a
widening sooner. How large a change is, and whether that is enough to matter, is told by gaps alone.

With ``en = n m / (n + m)``, values times ``sqrt(en)`` are told in a unit of each feature's own.
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
from monitor.statistics.drift_rule import RANK_TESTS
from monitor.statistics.ecdf_table import ROUNDING, Deviations, EcdfTable, mean_score
from monitor.statistics.natural_variation import OF_GAPS, OF_MEANS, SHARED_BY_NORMAL, Factors
from monitor.statistics.ranks import pooled, skewed

Floats = NDArray[np.float64]
Pick = Callable[[Deviations], Floats]  # shape (f,)
Quantile = Callable[[float], float]

EVERY = slice(None)  # of the features


@dataclass(frozen=True, slots=True)
class DistributionTest(ABC):
    """How far a distribution lies from a fixed one, and how that behaves on independent rows."""

    name: str
    quantile: Quantile  # of sqrt(en) times the value, in units
    mean_square: float  # of the same
    mean_square_shared: float  # of what two halves share, times sqrt(n); simulated
    variation_factors: Factors
    deviation: float  # about, of the value under a change, in units over sqrt(en)

    @abstractmethod
    def value(self, found: Deviations) -> Floats:
        """Shape (f,), none negative."""

    @abstractmethod
    def persistent(self, found: Deviations) -> Floats:
        """What both halves of the window share of it, shape (f,)."""

    @abstractmethod
    def effect(self, found: Deviations) -> Floats:
        """How large a change is, as a gap that persists; shape (f,)."""

    @abstractmethod
    def units(self, ecdf_table: EcdfTable) -> Floats:
        """Shape (f,); 0 where the statistic has nothing to say."""

    @abstractmethod
    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        """Of what a row adds to the value, shape (f,)."""

    @abstractmethod
    def direction(self, found: Deviations, i: int) -> str | None:
        """In a word, where there is more to say than how far."""

    @abstractmethod
    def floor(self, least: float) -> float:
        """What persists has to exceed it, where ``least`` is the smallest effect that matters."""

    @abstractmethod
    def exceeds_min_effect(self, effect: float, noise_of_gaps: float, least: float) -> bool:
        """Whether an effect does that is told beside the value."""

    @abstractmethod
    def window_units(self, units: Floats, ecdf_table: EcdfTable, found: Deviations) -> Floats:
        """What ``units`` become for a window of such rows, shape (f,)."""

    @abstractmethod
    def upper_bound_exceeds(
        self, noise: Floats, most: Deviations, ecdf_table: EcdfTable, parts: Sequence[Counts]
    ) -> bool:
        """Whether any value of the window ``parts`` may, whose deviations are ``most`` at most."""

    def noise(
        self, ecdf_table: EcdfTable, found: Deviations, levels: Sequence[float], at: slice = EVERY
    ) -> Floats:
        """What each of the features ``at`` exceeds by chance, with the probability of its level.

        Endless where the statistic has nothing to say.
        """
        rows, sizes, units = found.rows[at], ecdf_table.sizes[at], self.units(ecdf_table)
        z = skewed(_quantiles(self, tuple(levels)), self.skewness(ecdf_table)[at], rows, sizes)
        told = (rows > 0) & (units[at] > 0)
        noise = np.full(z.size, np.inf)
        root = np.sqrt(effective_sizes(rows, sizes))
        np.divide(z * self.window_units(units, ecdf_table, found)[at], root, where=told, out=noise)
        return noise

    def noise_within(self, ecdf_table: EcdfTable, i: int, n: Floats, alpha: float) -> Floats:
        """What ``n`` rows of the fixed ones, shape (b,), lie by chance from the others."""
        rest = ecdf_table.sizes[i] - n
        z = np.full(n.size, self.quantile(alpha))
        z = skewed(z, np.full(n.size, self.skewness(ecdf_table)[i]), n, rest)
        return np.asarray(self.units(ecdf_table)[i] * z / np.sqrt(n * rest / ecdf_table.sizes[i]))

    def expected_within(self, ecdf_table: EcdfTable, i: int, n: Floats, parts: int) -> Floats:
        """The mean square of what persists of them, in a block of one part or of two halves."""
        of_rows = self.mean_square if parts == 1 else self.mean_square_shared
        square = of_rows / n + self.mean_square / (ecdf_table.sizes[i] - n)
        return np.asarray(self.units(ecdf_table)[i] ** 2 * square)


@dataclass(frozen=True, slots=True)
class EdfTest(DistributionTest):
    """Between two distribution functions."""

    whole: Pick
    lasting: Pick

    @classmethod
    def of(cls, name: str, quantile: Quantile, squares: tuple[float, float]) -> EdfTest:
        """``squares``: the mean square of the whole, and of what two halves share."""
        picks = attrgetter(name), attrgetter(f"persistent_{name}")
        return cls(name, quantile, *squares, OF_GAPS, 0.5, *picks)

    def value(self, found: Deviations) -> Floats:
        return self.whole(found)

    def persistent(self, found: Deviations) -> Floats:
        return self.lasting(found)

    def effect(self, found: Deviations) -> Floats:
        return self.lasting(found)

    def units(self, ecdf_table: EcdfTable) -> Floats:
        return np.ones(ecdf_table.sizes.size)

    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        return np.zeros(ecdf_table.sizes.size)

    def direction(self, found: Deviations, i: int) -> None:  # noqa: ARG002 - a gap has none
        return None

    def floor(self, least: float) -> float:
        return least

    def exceeds_min_effect(self, effect: float, noise_of_gaps: float, least: float) -> bool:  # noqa: ARG002
        return True  # what persists is the effect, and was held against its floor

    def window_units(
        self,
        units: Floats,
        ecdf_table: EcdfTable,  # noqa: ARG002 - they are those of any window
        found: Deviations,  # noqa: ARG002
    ) -> Floats:
        return units

    def upper_bound_exceeds(
        self,
        noise: Floats,
        most: Deviations,
        ecdf_table: EcdfTable,  # noqa: ARG002 - the bounds are close
        parts: Sequence[Counts],  # noqa: ARG002
    ) -> bool:
        return bool((self.value(most) > noise).any())


@dataclass(frozen=True, slots=True)
class RankTest(DistributionTest):
    """Of the ranks of the rows."""

    rank: int  # which of ``EcdfTable.scores``
    least_rows: int  # of a fixed sample whose places are exact enough
    directions: tuple[str, str]  # what a negative one says, and a positive one

    @classmethod
    def of(cls, name: str, least_rows: int, directions: tuple[str, str]) -> RankTest:
        rank = RANK_TESTS.index(name)
        shared = SHARED_BY_NORMAL
        return cls(name, normal_quantile, 1.0, shared, OF_MEANS, 1.0, rank, least_rows, directions)

    def value(self, found: Deviations) -> Floats:
        return np.asarray(np.abs(found.ranks[self.rank]))

    def persistent(self, found: Deviations) -> Floats:
        return np.asarray(np.abs(found.persistent_ranks[self.rank]))

    def effect(self, found: Deviations) -> Floats:
        return found.persistent_ks

    def units(self, ecdf_table: EcdfTable) -> Floats:
        return np.where(ecdf_table.sizes >= self.least_rows, ecdf_table.scores[self.rank].unit, 0.0)

    def skewness(self, ecdf_table: EcdfTable) -> Floats:
        return ecdf_table.scores[self.rank].skewness

    def upper_bound_exceeds(
        self, noise: Floats, most: Deviations, ecdf_table: EcdfTable, parts: Sequence[Counts]
    ) -> bool:
        """The bounds are wide, and a look is cheap."""
        scores, beyond = ecdf_table.scores[self.rank], np.flatnonzero(self.value(most) > noise)
        return any(
            abs(mean_score(ecdf_table, scores, parts, i)) > noise[i] - ROUNDING
            for i in beyond.tolist()
        )

    def floor(self, least: float) -> float:  # noqa: ARG002 - it is told as a gap
        return 0.0

    def exceeds_min_effect(self, effect: float, noise_of_gaps: float, least: float) -> bool:
        return not least or effect - noise_of_gaps / 2 > least

    def direction(self, found: Deviations, i: int) -> str:
        return self.directions[int(found.ranks[self.rank][i] > 0)]

    def window_units(self, units: Floats, ecdf_table: EcdfTable, found: Deviations) -> Floats:
        return pooled(units, found.squares[self.rank], found.rows, ecdf_table.sizes)


KS = EdfTest.of("ks", kolmogorov_quantile, (np.pi**2 / 12, 0.53))
KUIPER = EdfTest.of("kuiper", kuiper_quantile, (np.pi**2 / 6, 0.93))
WILCOXON = RankTest.of("wilcoxon", least_rows=1, directions=("lower", "higher"))
MOOD = RankTest.of("mood", least_rows=100, directions=("narrower", "wider"))
DISTRIBUTION_TESTS: dict[str, DistributionTest] = {
    each.name: each for each in (KS, KUIPER, WILCOXON, MOOD)
}


@lru_cache(maxsize=1024)
def _quantiles(statistic: DistributionTest, levels: tuple[float, ...]) -> Floats:
    return np.array([statistic.quantile(level) for level in levels])
