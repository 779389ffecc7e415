"""The check of label coverage: the proportion of predictions that got a label in time."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.budget import Length
from monitor.statistics import proportions
from monitor.statistics.drift_rule import Comparison
from monitor.statistics.proportions import Proportion
from monitor.statistics.rule import Rule, proportion_conditions

MIN_FALL = 0.05  # smallest fall to report: the slowest labels do come, but late


@dataclass(frozen=True, slots=True, eq=False)
class CoverageCheck:
    """Compares the rows without a label, when performance became final, with the reference."""

    reference: Proportion  # without a label
    rule: Rule

    def judge(self, first: Proportion, second: Proportion, length: Length) -> Comparison | None:
        """For the two halves of a window; None without rows. Only a fall can be drift."""
        live = first + second
        if not live.rows:
            return None
        p_value = proportions.p_value(live, self.reference)
        allowance = max(self.rule.allowance(length, live.rows), MIN_FALL)
        persistent = max(proportions.persistent(first, second, self.reference), 0.0)
        both = proportion_conditions(live, self.reference, persistent, p_value, allowance)
        warning = self.rule.levels[length].warning
        return Comparison(
            test="coverage",
            rows=live.rows,
            value=abs(live.value - self.reference.value),
            persistent=persistent,
            threshold=proportions.noise(live, self.reference, warning),
            allowance=allowance,
            severity=self.rule.severity(length, persistent, both),
            p_value=p_value,
            detail=f"{1 - self.reference.value:.2%} labelled before, {1 - live.value:.2%} now",
        )
