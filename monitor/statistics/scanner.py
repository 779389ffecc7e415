"""Windows of many distributions at once, of any length, against their reference.

A scanner knows the samples of a group of distributions (the numeric features and the score; or the
errors), how each strays, and at which level each length of window is tested. What is no
distribution on a line, categories and flaws, it asks its checks (``monitor.statistics.checks``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.budget import Length, Levels
from monitor.counts.bins import Sample, effective_size, p_value
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics.checks import Check
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, KS, DistributionTest
from monitor.statistics.drift_rule import Comparison, severity_of
from monitor.statistics.ecdf_table import CellIndex, Deviations, EcdfTable, bound, compare
from monitor.statistics.natural_variation import Blocks, NaturalVariation, block_starts, learnable

Floats = NDArray[np.float64]

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Detectable:
    """What a test of a window with so many rows can see."""

    threshold: float  # of the value, at the level of a warning
    allowance: float  # what the reference strays by, beyond half of that
    beyond: float  # what is seen has to lie beyond both, for a probability of ``POWER``

    @property
    def distance(self) -> float:
        """Seen with that probability."""
        return max(self.threshold, self.allowance + self.threshold / 2) + self.beyond


@dataclass(frozen=True, slots=True, eq=False)
class Scanner:
    """Judges windows of the cells ``ecdf_table.names``."""

    cell_index: CellIndex
    ecdf_table: EcdfTable
    levels: Mapping[Length, Sequence[Levels]]  # one for each name
    variations: Mapping[str, Sequence[NaturalVariation]]  # by statistic, one for each name
    drift: Drift
    checks: Sequence[Check] = ()  # of what is no distribution on a line

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        """For each name with rows in the window the gravest test that drifted, or None."""
        if not any(parts):
            return {}
        found = self._distributions(parts, length)
        for check in self.checks:
            found.update(check.scan(parts, length))
        return found

    def _distributions(
        self, parts: Sequence[Counts], length: Length
    ) -> dict[str, Comparison | None]:
        whole = bound(self.ecdf_table, parts)
        found: dict[str, Comparison | None] = {
            name: None for name, rows in zip(self.ecdf_table.names, whole.rows, strict=True) if rows
        }
        noise = self._noises(whole, length)
        if any(
            each.upper_bound_exceeds(noise[each.name], whole, self.ecdf_table, parts)
            for each in DISTRIBUTION_TESTS.values()
        ):
            whole = compare(self.ecdf_table, parts)
            noise = self._noises(whole, length)
            tests: dict[int, list[Comparison]] = {}
            for each in DISTRIBUTION_TESTS.values():
                for i in np.flatnonzero(each.value(whole) > noise[each.name]).tolist():
                    tests.setdefault(i, []).append(self._test(each, whole, i, length, noise))
            for i, of in tests.items():
                most_severe = max(of, key=lambda tested: tested.severity_order)
                if most_severe.severity is not None:
                    found[self.ecdf_table.names[i]] = self._with_p_value(most_severe, i)
        return found

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, tuple[Comparison, ...]]:
        """All tests of each name that has rows in the window; of a constant there are no ranks."""
        found = compare(self.ecdf_table, parts)
        noise = self._noises(found, length)
        tests = {
            name: tuple(
                self._with_p_value(self._test(each, found, i, length, noise), i)
                for each in DISTRIBUTION_TESTS.values()
                if each.units(self.ecdf_table)[i]
            )
            for i, name in enumerate(self.ecdf_table.names)
            if found.rows[i]
        }
        for check in self.checks:
            tests.update((name, (of,)) for name, of in check.judge(parts, length).items())
        return tests

    def detectable(
        self, statistic: DistributionTest, i: int, length: Length, rows: int
    ) -> Detectable | None:
        """Of name ``i``; None where the statistic has nothing to say."""
        unit, every = float(statistic.units(self.ecdf_table)[i]), self.ecdf_table.sizes.size
        if not unit:
            return None
        window = Deviations.zero(np.full(every, rows))
        level = self.levels[length][i].warning
        (noise,) = statistic.noise(self.ecdf_table, window, [level], slice(i, i + 1)).tolist()
        allowance = self._allowance(statistic, i, length, rows)
        root = float(np.sqrt(effective_size(rows, int(self.ecdf_table.sizes[i]))))
        beyond = float(ndtri(POWER)) * statistic.deviation * unit / root
        return Detectable(noise, allowance, beyond)

    def _noises(self, found: Deviations, length: Length) -> dict[str, Floats]:
        """What each name's value of each statistic exceeds by chance, at the level of a warning."""
        levels = tuple(of.warning for of in self.levels[length])
        return {
            each.name: each.noise(self.ecdf_table, found, levels)
            for each in DISTRIBUTION_TESTS.values()
        }

    def _test(
        self,
        statistic: DistributionTest,
        found: Deviations,
        i: int,
        length: Length,
        noises: Mapping[str, Floats],
    ) -> Comparison:
        rows, levels = int(found.rows[i]), self.levels[length][i]
        threshold = float(noises[statistic.name][i])
        allowance = self._allowance(statistic, i, length, rows)
        value = float(statistic.value(found)[i])
        persistent = float(statistic.persistent(found)[i])
        effect = float(statistic.effect(found)[i])

        def noise(alpha: float) -> float:
            if alpha == levels.warning:
                return threshold
            return float(statistic.noise(self.ecdf_table, found, [alpha], slice(i, i + 1))[0])

        severity = severity_of(value, persistent, noise, allowance, levels, self.drift, effect)
        exceeds_min_effect = statistic.exceeds_min_effect(
            effect, float(noises[KS.name][i]), self.drift.min_effect
        )
        return Comparison(
            statistic.name,
            rows,
            value,
            persistent,
            threshold,
            allowance,
            severity if exceeds_min_effect else None,
            detail=statistic.direction(found, i),
        )

    def _allowance(self, statistic: DistributionTest, i: int, length: Length, rows: int) -> float:
        variation_factors = self.variations[statistic.name][i].allowance(length.panes, rows)
        return max(variation_factors, statistic.floor(self.drift.min_effect))

    def _with_p_value(self, tested: Comparison, i: int) -> Comparison:
        """It decides nothing and takes longer than all that does: only for what is shown."""
        if tested.test != KS.name:
            return tested
        size = int(self.ecdf_table.sizes[i])
        return replace(tested, p_value=p_value(tested.value, tested.rows, size))


def learn(
    samples: Mapping[str, Sample], panes: Sequence[Counts], lengths: Sequence[int]
) -> dict[str, list[NaturalVariation]]:
    """How each of ``samples`` strays, by statistic: from the reference's panes in time order.

    ``panes`` are counts in the index space of ``CellIndex.of`` the samples' bins; empty ones
    included.
    """
    ecdf_table = _whole(samples, panes)
    found: dict[str, list[list[Blocks]]] = {
        statistic.name: [[] for _ in samples] for statistic in DISTRIBUTION_TESTS.values()
    }
    for length in learnable(lengths, len(panes)):
        blocks = [
            compare(ecdf_table, _parts(panes, start, length), within=True)
            for start in block_starts(length, len(panes))
        ]
        for statistic in DISTRIBUTION_TESTS.values():
            for i, into in enumerate(found[statistic.name]):
                into.append(_blocks(statistic, blocks, i, length, ecdf_table))
    return {
        name: [NaturalVariation.of(of, DISTRIBUTION_TESTS[name].variation_factors) for of in each]
        for name, each in found.items()
    }


def _whole(samples: Mapping[str, Sample], panes: Sequence[Counts]) -> EcdfTable:
    cell_index = CellIndex.of({name: sample.bins for name, sample in samples.items()})
    total = Counts.total(panes)
    held = {name: Counts.of_dense(cell_index.dense(total, name)) for name in samples}
    return EcdfTable.against(samples, held)


def _parts(panes: Sequence[Counts], start: int, length: int) -> list[Counts]:
    if length == 1:
        return [panes[start]]
    middle = start + length // 2
    return [Counts.total(panes[start:middle]), Counts.total(panes[middle : start + length])]


def _blocks(
    statistic: DistributionTest,
    found: Sequence[Deviations],
    i: int,
    length: int,
    ecdf_table: EcdfTable,
) -> Blocks:
    rows, size = np.array([of.rows[i] for of in found], dtype=np.int64), int(ecdf_table.sizes[i])
    persistent = np.array([statistic.persistent(of)[i] for of in found])
    met = (rows > 0) & (rows < size)
    n, parts = rows[met].astype(np.float64), 1 if length == 1 else 2
    return Blocks.of(
        length,
        rows[met],
        persistent[met],
        statistic.noise_within(ecdf_table, i, n, 1 / max(n.size, 1)),
        statistic.expected_within(ecdf_table, i, n, parts),
        statistic.variation_factors,
    )
