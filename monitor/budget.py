"""The budget of false alarms, spent over everything that can open an incident.

The user states how many false alarms a model may raise in a stretch of event time. Every test gets
its part, and the parts add up: whatever the dependence between the tests, the expected number of
alarming tests is at most the sum of their levels (the union bound, Bonferroni 1936).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.performance import METRICS
from monitor.plan import Budget, Plan
from monitor.schema import Schema

# What a model does not have goes to its features.
SHARES: Mapping[str, float] = {"prediction": 0.10, "performance": 0.15}


@dataclass(frozen=True, slots=True)
class Levels:
    """The level of one test of one window: the chance of a false alarm it may take."""

    warning: float
    critical: float


def levels(plan: Plan, schema: Schema) -> dict[str, Levels]:
    """The levels of each family of tests: ``data``, ``prediction``, ``performance``."""
    tests = {"prediction": 1}
    if schema.errors is not None:
        tests["performance"] = len(METRICS)
    share = {family: SHARES[family] for family in tests}
    tests["data"] = max(1, sum(1 for _ in schema.numeric))
    share["data"] = 1 - sum(share.values())
    return {
        family: Levels(
            _level(plan, plan.drift.warning, share[family] / tests[family]),
            _level(plan, plan.drift.critical, share[family] / tests[family]),
        )
        for family in tests
    }


def _level(plan: Plan, budget: Budget, share: float) -> float:
    return min(share * budget.per(plan.windows.slide_ms), 0.5)
