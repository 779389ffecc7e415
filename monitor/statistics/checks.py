"""What is tested one feature at a time: the shares of its categories, and of its flawed values.

A check answers the question of ``monitor.statistics.drift_rule`` with tests of its own: an exact
one in place of ``D > z / sqrt(en)``, and the same second condition on what both halves of a window
share. Rows come in clusters (one lost record of the weather leaves a dozen flights of an hour
without it), and few of them are an exact proof of nothing but that; so unlike distances, shares
have to stray in both halves of a window, and none opens an incident by a single pane; flaws, not
by fewer than four. Flawed are values that are missing or of a wrong type: those that no
distribution tells of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from monitor.budget import Length, Levels
from monitor.counts.counts import Counts
from monitor.counts.summary import Quality
from monitor.plan import Drift
from monitor.statistics import categories
from monitor.statistics import proportions as shares
from monitor.statistics.categories import Categories
from monitor.statistics.drift_rule import Comparison, Severity
from monitor.statistics.ecdf_table import CellIndex
from monitor.statistics.natural_variation import (
    OF_SHARES,
    SHARED_BY_NORMAL,
    Blocks,
    NaturalVariation,
    block_starts,
    learnable,
)
from monitor.statistics.proportions import Proportion

Ints = NDArray[np.int64]
FLAWS = (Quality.MISSING, Quality.WRONG_TYPE)
NOISE_OFF = 0.75  # of the noise, which categories have to persist beyond: their rows cluster
LEAST_PANES = 4  # in a window whose flaws are tested: a short spell is no change of the feature
LEAST_FLAWED = 0.005  # share of flawed values, beyond half the noise, that is worth an incident
LEAST_FALL = 0.05  # of the label coverage: the slowest labels come after all, but late
SHARED_OF_DISTANCE = 0.64  # the same of a distance, over that of the whole; simulated


class Check(Protocol):
    """Judges windows, in the index space of a scanner."""

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        """For each name with rows in the window its test if it drifted, or None."""
        ...

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        """The test of each name that has rows in the window."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """At which level windows of each length are tested, and how the reference strays."""

    levels: Mapping[Length, Levels]
    variation: NaturalVariation
    drift: Drift

    def allowance(self, length: Length, rows: int) -> float:
        return max(self.variation.allowance(length.panes, rows), self.drift.min_effect)

    def severity(
        self, length: Length, effect: float, exceeds: Callable[[float], bool]
    ) -> Severity | None:
        levels = self.levels[length]
        if effect >= self.drift.critical_effect and exceeds(levels.critical):
            return Severity.CRITICAL
        return Severity.WARNING if exceeds(levels.warning) else None


@dataclass(frozen=True, slots=True, eq=False)
class CategoryCheck:
    """The shares of a feature's categories."""

    cells: str
    cell_index: CellIndex
    reference: Categories
    names: Sequence[str]
    rule: Rule

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        halves = self._halves(parts)
        if not (halves[0].any() and halves[1].any()):
            return {self.cells: None} if halves[0].any() or halves[1].any() else {}
        found = categories.test(self.reference, halves[0] + halves[1])
        if found.p_value > self.rule.levels[length].warning:
            return {self.cells: None}
        tested = self._tested(halves, found, length)
        return {self.cells: tested if tested.severity is not None else None}

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        halves = self._halves(parts)
        if not (halves[0].any() or halves[1].any()):
            return {}
        found = categories.test(self.reference, halves[0] + halves[1])
        return {self.cells: self._tested(halves, found, length)}

    def _halves(self, parts: Sequence[Counts]) -> tuple[Ints, Ints]:
        dense = [self.cell_index.dense(part, self.cells) for part in parts]
        return (np.zeros_like(dense[0]), dense[0]) if len(dense) == 1 else (dense[0], dense[1])

    def _tested(
        self, halves: tuple[Ints, Ints], found: categories.CategoryResult, length: Length
    ) -> Comparison:
        fixed, live = self.reference.counts, halves[0] + halves[1]
        rows = int(live.sum())
        allowance = self.rule.allowance(length, rows)
        persistent = categories.persistent(*halves, fixed)

        def exceeds(alpha: float) -> bool:
            return (
                bool(halves[0].any() and halves[1].any())
                and found.p_value <= alpha
                and categories.excess((live, np.zeros_like(live)), fixed, alpha) > 0
                and categories.excess(halves, fixed, alpha, part=NOISE_OFF) > allowance
            )

        warning = self.rule.levels[length].warning
        return Comparison(
            "categories",
            rows,
            float(np.abs(live / rows - fixed / fixed.sum()).max()),
            persistent,
            float(categories.noise(live, fixed, warning).max()),
            allowance,
            self.rule.severity(length, persistent, exceeds),
            found.p_value,
            self._detail(found),
            NOISE_OFF,
        )

    def _detail(self, found: categories.CategoryResult) -> str | None:
        if found.worst is None:
            return None
        named = found.worst < len(self.names)
        name = repr(self.names[found.worst]) if named else "all others"
        return f"{name}: {found.before:.2%} before, {found.now:.2%} now"


@dataclass(frozen=True, slots=True, eq=False)
class QualityCheck:
    """The shares of values that are missing or of a wrong type, of all features."""

    names: Sequence[str]  # of the cells: ``quality/temp``
    cell_index: CellIndex
    reference: Sequence[Proportion]  # one for each name
    rules: Sequence[Rule]  # one for each name

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        halves = [self._flawed(part) for part in parts]
        rows = sum(rows for _, rows in halves)
        if not rows:
            return {}
        found: dict[str, Comparison | None] = dict.fromkeys(self.names)
        if length.panes < LEAST_PANES or not all(rows for _, rows in halves):
            return found
        for i in self._suspects(np.sum([flaws for flaws, _ in halves], axis=0), rows, length):
            tested = self._tested(halves, i, length)
            if tested.severity is not None:
                found[self.names[i]] = tested
        return found

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        halves = [self._flawed(part) for part in parts]
        if not sum(rows for _, rows in halves):
            return {}
        return {name: self._tested(halves, i, length) for i, name in enumerate(self.names)}

    def _suspects(self, flaws: Ints, rows: int, length: Length) -> list[int]:
        """Which ones the exact test might find; most windows are calm, and calm is cheap."""
        return [
            i
            for i, (count, of, rule) in enumerate(
                zip(flaws.tolist(), self.reference, self.rules, strict=True)
            )
            if (count or of.count)
            and not shares.certainly_not_significant(
                Proportion(count, rows), of, rule.levels[length].warning
            )
        ]

    def _flawed(self, counts: Counts) -> tuple[Ints, int]:
        """How many values of each feature are flawed, shape (f,), and of how many rows."""
        starts = np.array([self.cell_index.offsets[name][0] for name in self.names], dtype=np.int64)
        cells = np.concatenate([starts + flaw for flaw in FLAWS])
        return (
            counts.many(cells).reshape(len(FLAWS), -1).sum(axis=0),
            counts.at(self.cell_index.offsets["rows"][0]),
        )

    def _tested(self, halves: Sequence[tuple[Ints, int]], i: int, length: Length) -> Comparison:
        parts = [Proportion(min(int(flaws[i]), rows), rows) for flaws, rows in halves]
        first, second = (Proportion(0, 0), parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        whole, fixed, rule = first + second, self.reference[i], self.rules[i]
        p_value = shares.p_value(whole, fixed)
        allowance = max(rule.allowance(length, whole.rows), LEAST_FLAWED)
        persistent = abs(shares.persistent(first, second, fixed))

        def exceeds(alpha: float) -> bool:
            both = length.panes >= LEAST_PANES and first.rows > 0 and second.rows > 0
            beyond = persistent - share_noise(whole, fixed, alpha) / 2
            return both and p_value <= alpha and beyond > allowance

        return Comparison(
            "missing",
            whole.rows,
            abs(whole.value - fixed.value),
            persistent,
            share_noise(whole, fixed, rule.levels[length].warning),
            allowance,
            rule.severity(length, persistent, exceeds),
            p_value,
            f"{fixed.value:.2%} before, {whole.value:.2%} now",
        )


@dataclass(frozen=True, slots=True, eq=False)
class CoverageCheck:
    """The share of predictions that had no label when their performance became final."""

    reference: Proportion  # without a label
    rule: Rule

    def judge(self, first: Proportion, second: Proportion, length: Length) -> Comparison | None:
        """Of the halves of a window; None while it has no rows. Only a fall is of interest."""
        whole = first + second
        if not whole.rows:
            return None
        p_value = shares.p_value(whole, self.reference)
        allowance = max(self.rule.allowance(length, whole.rows), LEAST_FALL)
        persistent = max(shares.persistent(first, second, self.reference), 0.0)

        def exceeds(alpha: float) -> bool:
            beyond = persistent - share_noise(whole, self.reference, alpha) / 2
            return p_value <= alpha and beyond > allowance

        return Comparison(
            "coverage",
            whole.rows,
            abs(whole.value - self.reference.value),
            persistent,
            share_noise(whole, self.reference, self.rule.levels[length].warning),
            allowance,
            self.rule.severity(length, persistent, exceeds),
            p_value,
            f"{1 - self.reference.value:.2%} labelled before, {1 - whole.value:.2%} now",
        )


def invalid_values(cell_index: CellIndex, counts: Counts, cells: str) -> Proportion:
    """Of ``quality/<feature>``: the rows that are of no use, of all rows."""
    start = cell_index.offsets[cells][0]
    rows = counts.at(cell_index.offsets["rows"][0])
    return Proportion(min(sum(counts.at(start + flaw) for flaw in FLAWS), rows), rows)


def share_noise(live: Proportion, fixed: Proportion, alpha: float) -> float:
    """What the deviation of a share exceeds by chance with probability ``alpha``; normal."""
    if not (live.rows and fixed.rows):
        return 1.0
    share = (live + fixed).value
    variance = share * (1 - share) * (1 / live.rows + 1 / fixed.rows)
    return min(-float(ndtri(alpha / 2)) * float(np.sqrt(variance)), 1.0)


def learn_categories(
    cell_index: CellIndex, cells: str, panes: Sequence[Counts], lengths: Sequence[int]
) -> NaturalVariation:
    """How the shares of categories stray in the reference, block against the rest of it."""
    held = [cell_index.dense(pane, cells) for pane in panes]
    whole = np.sum(held, axis=0, dtype=np.int64) if held else np.zeros(0, dtype=np.int64)

    def told(halves: tuple[Ints, Ints], blocks: int) -> tuple[int, float, float, float] | None:
        live = halves[0] + halves[1]
        rest = whole - live
        if not (live.any() and rest.any()):
            return None
        excess = categories.excess(halves, rest, 1 / blocks)
        persistent = categories.persistent(*halves, rest)
        usual = float(categories.noise(live, rest, 0.5).max())
        expected = SHARED_OF_DISTANCE * usual**2
        return int(live.sum()), persistent, max(persistent - excess, 0.0), expected

    empty = np.zeros_like(whole)
    return _learned(held, empty, lengths, told)


def learn_proportions(panes: Sequence[Proportion], lengths: Sequence[int]) -> NaturalVariation:
    """How a share strays in the reference, block against the rest of it."""
    held = [np.array([share.count, share.rows], dtype=np.int64) for share in panes]
    whole = np.sum(held, axis=0, dtype=np.int64) if held else np.zeros(2, dtype=np.int64)

    def told(halves: tuple[Ints, Ints], blocks: int) -> tuple[int, float, float, float] | None:
        first, second = (Proportion(*half.tolist()) for half in halves)
        live, rest = first + second, Proportion(*(whole - halves[0] - halves[1]).tolist())
        if not (live.rows and rest.rows):
            return None
        persistent = abs(shares.persistent(first, second, rest))
        variance = rest.value * (1 - rest.value)
        of_rows = SHARED_BY_NORMAL if first.rows else 1.0
        expected = variance * (of_rows / live.rows + 1 / rest.rows)
        return live.rows, persistent, share_noise(live, rest, 1 / blocks), expected

    return _learned(held, np.zeros(2, dtype=np.int64), lengths, told)


Told = Callable[[tuple[Ints, Ints], int], tuple[int, float, float, float] | None]


def _learned(
    held: Sequence[Ints], empty: Ints, lengths: Sequence[int], told: Told
) -> NaturalVariation:
    """``told`` gives of a block its rows, what persists, its noise, and the square to expect."""
    running = np.cumsum([empty, *held], axis=0)
    found = []
    for length in learnable(lengths, len(held)):
        starts = block_starts(length, len(held))
        blocks = [_block(running, start, length) for start in starts]
        each = [of for halves in blocks if (of := told(halves, len(blocks))) is not None]
        if each:
            rows, persistent, noise, expected = (
                np.array(column) for column in zip(*each, strict=True)
            )
            found.append(Blocks.of(length, rows, persistent, noise, expected, OF_SHARES))
    return NaturalVariation.of(found, OF_SHARES)


def _block(running: Ints, start: int, length: int) -> tuple[Ints, Ints]:
    middle, end = start + length // 2, start + length
    return running[middle] - running[start], running[end] - running[middle]
