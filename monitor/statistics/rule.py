"""Checks: tests of one feature at a time that do not compare distributions on a line.

A check applies the rule of ``monitor.statistics.drift_rule`` with a test of its own: an exact one
replaces ``D > z / sqrt(en)``; the second condition is the same. Rows come in clusters (one lost
weather record affects a dozen flights of an hour), so a few of them may be significant without any
lasting change. Therefore, unlike distances, proportions have to deviate in both halves of a window,
and no single pane opens an incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from monitor.budget import Length, Levels
from monitor.counts.counts import Counts
from monitor.plan import Drift
from monitor.statistics import proportions
from monitor.statistics.drift_rule import Comparison, Severity
from monitor.statistics.natural_variation import NaturalVariation
from monitor.statistics.proportions import Proportion


class Check(Protocol):
    """Tests windows, given as one part or as two halves in the index space of a scanner."""

    def scan(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison | None]:
        """By name, if the window has rows of it: the comparison if it is drift, else None."""
        ...

    def judge(self, parts: Sequence[Counts], length: Length) -> dict[str, Comparison]:
        """By name, if the window has rows of it: the comparison."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """The levels of each length of window, and the natural variation of the reference."""

    levels: Mapping[Length, Levels]
    variation: NaturalVariation
    drift: Drift

    def allowance(self, length: Length, rows: int) -> float:
        return max(self.variation.allowance(length.panes, rows), self.drift.min_effect)

    def severity(
        self, length: Length, effect: float, exceeds: Callable[[float], bool]
    ) -> Severity | None:
        """``exceeds`` tells whether both conditions hold at a level."""
        levels = self.levels[length]
        if effect >= self.drift.critical_effect and exceeds(levels.critical):
            return Severity.CRITICAL
        return Severity.WARNING if exceeds(levels.warning) else None


def proportion_conditions(
    live: Proportion, reference: Proportion, persistent: float, p_value: float, allowance: float
) -> Callable[[float], bool]:
    """Whether both conditions of the drift rule hold at a level, for a proportion."""

    def exceeds(alpha: float) -> bool:
        beyond_noise = persistent - proportions.noise(live, reference, alpha) / 2
        return p_value <= alpha and beyond_noise > allowance

    return exceeds
