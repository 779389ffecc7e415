"""Where the budget goes, and what each part of it buys: levels, critical values, shifts seen.

Theory of operation
-------------------
A window of ``n`` rows against a sample of ``m`` drifts if its deviation exceeds ``threshold`` and
what persists exceeds half of that and what the reference strays by. The empirical distance of two
samples that really lie ``D`` apart has, where they lie farthest apart, a standard deviation of at
most ``1 / (2 sqrt(en))``; so with probability 80% a distance of::

    D = max(threshold, allowed + threshold / 2) + 0.84 / (2 sqrt(en))

is seen. For a normal feature, ``D = 2 Φ(shift / 2) - 1`` says how many standard deviations that is.
A mean score has the standard deviation ``unit / sqrt(en)`` instead (``monitor.statistics.ranks``),
and Wilcoxon's of a normal feature is ``2 Φ(shift / sqrt(2)) - 1``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm

from monitor.budget import Family, Length, Levels
from monitor.statistics.distribution_tests import DISTRIBUTION_TESTS
from monitor.statistics.scanner import Scanner
from monitor.windows.evaluator import Evaluator, cells_of


@dataclass(frozen=True, slots=True)
class Spent:
    """One test, and what it can see at the reference's traffic; None where that is not known."""

    family: str
    subject: str
    statistic: str
    length: Length
    share: float  # of the whole budget
    levels: Levels
    rows: float  # in a window, at the reference's traffic
    critical_value: float | None = None  # of the distance, at the level of a warning
    allowance: float | None = None  # what the reference strays by, beyond half of that
    distance: float | None = None  # seen with 80% power
    shift: float | None = None  # of a normal feature, in its standard deviations, that is reported


def spent(evaluator: Evaluator) -> Iterator[Spent]:
    """Every test of the watch, family by family; their shares add up to 1."""
    for family in evaluator.families.values():
        for subject, statistic in family.tests:
            for length in family.lengths:
                yield _spent(evaluator, family, subject, statistic, length)


def _spent(
    evaluator: Evaluator, family: Family, subject: str, statistic: str, length: Length
) -> Spent:
    share = family.share / len(family.tests) / len(family.lengths)
    rows = evaluator.rows_per_pane * length.panes
    levels = family.level(evaluator.plan, length)
    plain = Spent(family.name, subject, statistic, length, share, levels, rows)
    scanner = evaluator.errors if family.name == "errors" else evaluator.data
    if statistic not in DISTRIBUTION_TESTS or scanner is None:
        return plain
    i = scanner.ecdf_table.names.index(cells_of(subject))
    seen = scanner.detectable(DISTRIBUTION_TESTS[statistic], i, length, max(round(rows), 1))
    if seen is None:
        return plain
    shift = SHIFTS[statistic](seen.distance) if statistic in SHIFTS else None
    if statistic == "wilcoxon" and (least := evaluator.plan.drift.min_effect):
        gap = of_gap(_large_enough(scanner, i, length, round(rows), least))
        shift = None if shift is None or gap is None else max(shift, gap)
    return replace(
        plain,
        critical_value=min(seen.threshold, 1.0),
        allowance=seen.allowance,
        distance=seen.distance if seen.distance < 1 else None,
        shift=shift,
    )


def _large_enough(scanner: Scanner, i: int, length: Length, rows: int, least: float) -> float:
    """The gap that, less half of what is noise, exceeds ``least`` with 80% probability."""
    seen = scanner.detectable(DISTRIBUTION_TESTS["ks"], i, length, max(rows, 1))
    assert seen is not None
    return least + seen.threshold / 2 + seen.margin


def of_gap(distance: float) -> float | None:
    """The shift of a normal distribution whose KS distance it is; None if none is."""
    return 2 * float(norm.ppf((1 + distance) / 2)) if distance < 1 else None


def of_ranks(delta: float) -> float | None:
    """The shift of a normal distribution whose Cliff's delta it is; None if none is."""
    return float(np.sqrt(2) * norm.ppf((1 + delta) / 2)) if delta < 1 else None


SHIFTS = {"ks": of_gap, "wilcoxon": of_ranks}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a change of the model's tests does to every test of its features."""

    what: str
    level: float  # the new level over the old one
    critical_value: float  # the new critical value over the old one


def costs(evaluator: Evaluator) -> list[Cost]:
    """Of one more numeric feature, and of a second segment (every test twice)."""
    family = evaluator.families.get("data")
    if family is None:
        return []
    tests = len(family.tests)
    return [
        _cost(
            evaluator, family, "one more numeric feature", tests / (tests + len(DISTRIBUTION_TESTS))
        ),
        _cost(evaluator, family, "a second segment", 0.5),
    ]


def _cost(evaluator: Evaluator, family: Family, what: str, level: float) -> Cost:
    quantile, length = DISTRIBUTION_TESTS["ks"].quantile, family.lengths[0]
    before = family.level(evaluator.plan, length).warning
    return Cost(what, level, quantile(before * level) / quantile(before))
