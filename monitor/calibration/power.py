"""How the budget is divided, and the power it buys: levels, critical values, detectable shifts.

Theory of operation
-------------------
A window of ``n`` rows against a sample of ``m`` rows drifts if its distance exceeds ``threshold``
and the persistent part of it exceeds the natural variation plus half of the threshold. With
``en = n m / (n + m)``, the empirical distance of two samples whose distributions are ``D`` apart
has, at the point where they are farthest apart, a standard deviation of at most
``1 / (2 sqrt(en))``. So with a power of 80%, a distance of::

    D = max(threshold, allowance + threshold / 2) + 0.84 / (2 sqrt(en))

is detected. For a normal feature shifted by ``shift`` standard deviations, ``D = 2 Φ(shift / 2) -
1``. A mean score has the standard deviation ``unit / sqrt(en)`` instead
(``monitor.statistics.ranks``), and Wilcoxon's of a normal feature is ``2 Φ(shift / sqrt(2)) - 1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from monitor.budget import Family, Length, Levels
from monitor.counts.profile import SEGMENTS_SHARE
from monitor.counts.subjects import cells_of
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS
from monitor.statistics.scanner import Scanner
from monitor.windows.evaluator import Evaluator


@dataclass(frozen=True, slots=True)
class PowerOfTest:
    """One test, and what it can detect at the traffic of the reference; None if unknown."""

    family: str
    subject: str
    statistic: str
    length: Length
    share: float  # of the whole budget
    levels: Levels
    rows: float  # in a window, at the traffic of the reference
    critical_value: float | None = None  # of the distance, at the level of a warning
    allowance: float | None = None  # for natural variation, beyond half of the critical value
    distance: float | None = None  # detected with a power of 80%
    shift: float | None = None  # the same for a normal feature, in its standard deviations


def budget_table(evaluator: Evaluator) -> Iterator[PowerOfTest]:
    """Every test of the evaluator, family by family; their shares add up to 1."""
    for family in evaluator.families.values():
        for subject, statistic in family.tests:
            for length in family.lengths:
                yield _power(evaluator, family, subject, statistic, length)


def _power(
    evaluator: Evaluator, family: Family, subject: str, statistic: str, length: Length
) -> PowerOfTest:
    share = family.share / len(family.tests) / len(family.lengths)
    rows = evaluator.rows_per_pane * length.panes
    levels = family.level(evaluator.plan, length)
    unknown = PowerOfTest(family.name, subject, statistic, length, share, levels, rows)
    scanner = evaluator.errors if family.name == "errors" else evaluator.data
    if statistic not in DISTRIBUTION_TESTS or scanner is None:
        return unknown
    i = scanner.ecdf_table.names.index(cells_of(subject))
    detectable = scanner.detectable(DISTRIBUTION_TESTS[statistic], i, length, max(round(rows), 1))
    if detectable is None:
        return unknown
    shift = SHIFTS[statistic](detectable.distance) if statistic in SHIFTS else None
    if statistic == "wilcoxon" and (min_effect := evaluator.plan.drift.min_effect):
        least = shift_of_ks(_beyond_min_effect(scanner, i, length, round(rows), min_effect))
        shift = None if shift is None or least is None else max(shift, least)
    return replace(
        unknown,
        critical_value=min(detectable.threshold, 1.0),
        allowance=detectable.allowance,
        distance=detectable.distance if detectable.distance < 1 else None,
        shift=shift,
    )


def _beyond_min_effect(
    scanner: Scanner, i: int, length: Length, rows: int, min_effect: float
) -> float:
    """The KS distance that, less half of the noise, exceeds ``min_effect`` with a power of 80%."""
    detectable = scanner.detectable(DISTRIBUTION_TESTS["ks"], i, length, max(rows, 1))
    assert detectable is not None
    return min_effect + detectable.threshold / 2 + detectable.margin


def shift_of_ks(distance: float) -> float | None:
    """The shift of a normal distribution with a KS distance, in standard deviations.

    None if there is none.
    """
    return 2 * float(norm.ppf((1 + distance) / 2)) if distance < 1 else None


def shift_of_cliffs_delta(delta: float) -> float | None:
    """The shift of a normal distribution with a Cliff's delta, in standard deviations.

    None if there is none.
    """
    return float(np.sqrt(2) * norm.ppf((1 + delta) / 2)) if delta < 1 else None


SHIFTS = {"ks": shift_of_ks, "wilcoxon": shift_of_cliffs_delta}


@dataclass(frozen=True, slots=True)
class CostOfChange:
    """What a change of the number of tests does to every test of the features of a model."""

    change: str
    level: float  # the new level over the old one
    critical_value: float  # the new critical value over the old one


def costs_of_changes(evaluator: Evaluator) -> list[CostOfChange]:
    """The cost of one more numeric feature, and of segments.

    Of a version without segments: what any number of them would cost the whole. Otherwise: what
    they cost the whole, and what one more would cost the others.
    """
    family = evaluator.families.get("data")
    if family is None:
        return []
    tests = len(family.tests)
    feature = tests / (tests + len(DISTRIBUTION_TESTS))
    more = _cost(evaluator, family, "one more numeric feature", feature)
    return [more, *_of_segments(evaluator, family)]


def _of_segments(evaluator: Evaluator, family: Family) -> Iterator[CostOfChange]:
    count, whole = len(evaluator.profile.segments), 1 - SEGMENTS_SHARE
    if evaluator.profile.schema.segment:
        return
    if not count:
        yield _cost(evaluator, family, "segments, however many, to the whole", whole)
        return
    yield _cost(evaluator, family, f"its {count:,} segments to the whole", whole, 1 / whole)
    of_one = SEGMENTS_SHARE / count / whole
    yield _cost(evaluator, family, "one more segment to each of them", count / (count + 1), of_one)


def _cost(
    evaluator: Evaluator, family: Family, change: str, level: float, of: float = 1.0
) -> CostOfChange:
    """Of ``level`` times the level before, which was ``of`` times that of the evaluator."""
    quantile, length = DISTRIBUTION_TESTS["ks"].quantile, family.lengths[0]
    before = of * family.level(evaluator.plan, length).warning
    return CostOfChange(change, level, quantile(before * level) / quantile(before))
