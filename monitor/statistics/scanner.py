"""Compares windows of any length with their reference, for a group of distributions at once.

A scanner holds the reference samples of a group of distributions (the numeric features and the
score, or the errors), the natural variation of each, and the level at which each length of window
is tested. Categories and data quality are not distributions on a line. They have checks of their
own (``monitor.statistics.rule``), which the scanner calls.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.budget import Length, Levels
from monitor.counts.bins import effective_size, p_values
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics.all_tests import TESTS, AllTests, all_values
from monitor.statistics.cell_index import CellIndex
from monitor.statistics.deviation_bounds import upper_bounds_of_each
from monitor.statistics.deviations import Deviations
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS, KS, DistributionTest
from monitor.statistics.drift_rule import Comparison, is_clear, severity_of
from monitor.statistics.ecdf_table import EcdfTable
from monitor.statistics.exact_deviations import compare
from monitor.statistics.natural_variation import NaturalVariation
from monitor.statistics.rule import Check

Floats = NDArray[np.float64]
Window = tuple[Sequence[Counts], Length]  # in one part or in two halves

POWER = 0.8


@dataclass(frozen=True, slots=True)
class Detectable:
    """The deviation that a test of a window with so many rows can detect."""

    threshold: float  # sampling noise, at the level of a warning
    allowance: float  # natural variation, beyond half of the threshold
    margin: float  # beyond both limits, for a probability of detection of ``POWER``

    @property
    def distance(self) -> float:
        """The deviation that is detected with that probability."""
        return max(self.threshold, self.allowance + self.threshold / 2) + self.margin


@dataclass(frozen=True, slots=True, eq=False)
class _TestFigures:
    """The figures of one test of a window of a length, all of shape (f,)."""

    test: DistributionTest
    length: Length
    deviations: Deviations
    values: Floats
    persistent: Floats
    effects: Floats
    noises: Floats
    edf_noises: Floats  # those of Kolmogorov-Smirnov


@dataclass(frozen=True, slots=True, eq=False)
class Scanner:
    """Compares windows of the cells ``ecdf_table.names``, and of the checks' cells.

    A window is given as one part or as two halves, in the index space of ``cell_index``.
    """

    cell_index: CellIndex
    ecdf_table: EcdfTable
    levels: Mapping[Length, Sequence[Levels]]  # one for each name
    variations: Mapping[str, Sequence[NaturalVariation]]  # by test, one for each name
    drift: Drift
    checks: Sequence[Check] = ()
    _all_tests: AllTests = field(init=False, repr=False)
    _warnings: Mapping[Length, tuple[float, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        warnings = {
            one: tuple(level.warning for level in each) for one, each in self.levels.items()
        }
        object.__setattr__(self, "_all_tests", AllTests.of(self.ecdf_table))
        object.__setattr__(self, "_warnings", warnings)

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        """By name, if the window has rows of it: the most severe comparison if it is drift.

        Otherwise None. Most windows are decided by upper bounds alone.
        """
        return self.scan_each([(parts, length)])[0]

    def scan_each(self, windows: Sequence[Window]) -> list[dict[str, Comparison | None]]:
        """The same of several windows, which is cheaper than one after the other."""
        held = [window for window in windows if any(window[0])]
        found = iter(self._scan_distributions(held))
        return [
            self._scan_checks(next(found), *window) if any(window[0]) else {} for window in windows
        ]

    def _scan_checks(
        self, drifted: dict[str, Comparison | None], parts: Sequence[Counts], length: Length
    ) -> dict[str, Comparison | None]:
        for check in self.checks:
            drifted.update(check.scan(parts, length))
        return drifted

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, tuple[Comparison, ...]]:
        """By name, if the window has rows of it: the comparisons of all its tests.

        A constant has no ranks, and so no rank tests.
        """
        deviations = compare(self.ecdf_table, parts)
        present = np.flatnonzero(deviations.rows).tolist()
        by_test = [
            self._comparisons(figures, present) for figures in self._figures(deviations, length)
        ]
        comparisons = {
            self.ecdf_table.names[i]: tuple(found[i] for found in by_test if i in found)
            for i in present
        }
        for check in self.checks:
            checked = check.judge(parts, length)
            comparisons.update((name, (comparison,)) for name, comparison in checked.items())
        return comparisons

    def clear(
        self, parts: Sequence[Counts], length: Length, names: Collection[str]
    ) -> Iterator[tuple[str, bool]]:
        """Of those of ``names`` that the window has rows of: whether ``judge`` finds no trace."""
        deviations, rest = compare(self.ecdf_table, parts), set(names)
        figures = [
            (one, one.test.units(self.ecdf_table)) for one in self._figures(deviations, length)
        ]
        for i in np.flatnonzero(deviations.rows).tolist():
            if (name := self.ecdf_table.names[i]) in rest:
                rest.remove(name)
                yield name, is_clear(self._comparison(one, i) for one, units in figures if units[i])
        for check in self.checks if rest else ():
            for name, comparison in check.judge(parts, length).items():
                if name in rest:
                    yield name, is_clear([comparison])

    def detectable(
        self, test: DistributionTest, i: int, length: Length, rows: int
    ) -> Detectable | None:
        """Of name ``i`` in a window of ``rows``; None where the test is not defined."""
        unit, features = float(test.units(self.ecdf_table)[i]), self.ecdf_table.sizes.size
        if not unit:
            return None
        window = Deviations.zero(np.full(features, rows))
        level = self.levels[length][i].warning
        (noise,) = test.noise(self.ecdf_table, window, [level], slice(i, i + 1)).tolist()
        allowance = self._allowance(test, i, length, rows)
        root = float(np.sqrt(effective_size(rows, int(self.ecdf_table.sizes[i]))))
        margin = float(ndtri(POWER)) * test.power_deviation * unit / root
        return Detectable(noise, allowance, margin)

    def _scan_distributions(
        self, windows: Sequence[Window]
    ) -> Iterator[dict[str, Comparison | None]]:
        if not windows:
            return
        bounds = upper_bounds_of_each(self.ecdf_table, [parts for parts, _ in windows])
        noises = self._noises(bounds, [length for _, length in windows])
        exceeding = all_values(bounds) > noises
        for i, (parts, length) in enumerate(windows):
            rows = zip(self.ecdf_table.names, bounds.rows[i].tolist(), strict=True)
            drifted: dict[str, Comparison | None] = {name: None for name, n in rows if n}
            if self._may_drift(exceeding[:, i], noises[:, i], parts):
                drifted.update(
                    (self.ecdf_table.names[j], d) for j, d in self._most_severe(parts, length)
                )
            yield drifted

    def _may_drift(
        self, exceeding: NDArray[np.bool_], noises: Floats, parts: Sequence[Counts]
    ) -> bool:
        """Whether any test may exceed its noise; of one window, both arrays of shape (t, f)."""
        if not exceeding.any():
            return False
        return any(
            suspects.any()
            and test.may_exceed(noise, np.flatnonzero(suspects), self.ecdf_table, parts)
            for test, suspects, noise in zip(TESTS, exceeding, noises, strict=True)
        )

    def _comparisons(self, figures: _TestFigures, present: list[int]) -> dict[int, Comparison]:
        """The results of one test of the features ``present``, where it is defined."""
        units = figures.test.units(self.ecdf_table)
        found = [(i, self._comparison(figures, i)) for i in present if units[i]]
        return dict(self._with_p_values(figures.test, found))

    def _most_severe(
        self, parts: Sequence[Counts], length: Length
    ) -> Iterator[tuple[int, Comparison]]:
        """The most severe comparison of each feature with drift."""
        deviations = compare(self.ecdf_table, parts)
        comparisons: dict[int, list[Comparison]] = {}
        for figures in self._figures(deviations, length):
            for i in np.flatnonzero(figures.values > figures.noises).tolist():
                comparisons.setdefault(i, []).append(self._comparison(figures, i))
        for i, several in comparisons.items():
            most_severe = max(several, key=lambda comparison: comparison.severity_order)
            if most_severe.severity is not None:
                yield from self._with_p_values(
                    DISTRIBUTION_TESTS[most_severe.test], [(i, most_severe)]
                )

    def _noises(self, deviations: Deviations, lengths: Sequence[Length]) -> Floats:
        """The sampling noise at the level of a warning, of windows of ``lengths``.

        Shape (t, w, f): by test, window and feature.
        """
        return self._all_tests.noises(deviations, [self._warnings[one] for one in lengths])

    def _figures(self, deviations: Deviations, length: Length) -> Iterator[_TestFigures]:
        """One for each test."""
        noises = self._noises(deviations, [length])[:, 0]
        for test, noise in zip(TESTS, noises, strict=True):
            yield _TestFigures(
                test,
                length,
                deviations,
                test.value(deviations),
                test.persistent(deviations),
                test.effect(deviations),
                noise,
                noises[TESTS.index(KS)],
            )

    def _comparison(self, figures: _TestFigures, i: int) -> Comparison:
        """The result of one test of feature ``i``."""
        test, length = figures.test, figures.length
        rows, effect = int(figures.deviations.rows[i]), float(figures.effects[i])
        undecided = Comparison(
            test=test.name,
            rows=rows,
            value=float(figures.values[i]),
            persistent=float(figures.persistent[i]),
            threshold=float(figures.noises[i]),
            allowance=self._allowance(test, i, length, rows),
            detail=test.direction(figures.deviations, i),
        )
        if not test.exceeds_min_effect(effect, float(figures.edf_noises[i]), self.drift.min_effect):
            return undecided
        levels = self.levels[length][i]

        def noise(alpha: float) -> float:
            if alpha == levels.warning:
                return undecided.threshold
            at = slice(i, i + 1)
            return float(test.noise(self.ecdf_table, figures.deviations, [alpha], at)[0])

        return replace(
            undecided, severity=severity_of(undecided, noise, levels, self.drift, effect)
        )

    def _allowance(self, test: DistributionTest, i: int, length: Length, rows: int) -> float:
        variation = self.variations[test.name][i].allowance(length.panes, rows)
        return max(variation, test.min_persistent(self.drift.min_effect))

    def _with_p_values(
        self, test: DistributionTest, found: Sequence[tuple[int, Comparison]]
    ) -> Iterator[tuple[int, Comparison]]:
        """Only for comparisons that are shown: the p-value decides nothing and is slow."""
        if test is not KS:
            yield from found
            return
        values = p_values(
            [comparison.value for _, comparison in found],
            [comparison.rows for _, comparison in found],
            [int(self.ecdf_table.sizes[i]) for i, _ in found],
        )
        for (i, comparison), value in zip(found, values, strict=True):
            yield i, replace(comparison, p_value=value)
