"""Whether to retrain: a decision with its conditions. Nothing is executed here.

What cannot be known is no condition: nothing tells Driftline that a training runs, or has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from monitor.plan import Retraining


class Outcome(StrEnum):
    RETRAIN = "retrain"
    WAIT = "wait"  # a critical incident is open, and another condition is not met yet
    NONE = "none"  # no critical incident


@dataclass(frozen=True, slots=True)
class Facts:
    """The input of a decision. Times are event time."""

    now_ms: int
    critical_open_ms: Sequence[int]  # when each critical incident was last open; now, if it is
    fresh_labels: int  # labelled rows of the version


@dataclass(frozen=True, slots=True)
class Condition:
    """One requirement: the ``required`` and the ``actual`` value, both as text."""

    name: str
    required: str
    actual: str
    met: bool


@dataclass(frozen=True, slots=True)
class Decision:
    outcome: Outcome
    conditions: tuple[Condition, ...]
    decided_ms: int


def decide(plan: Retraining, facts: Facts) -> Decision:
    """Retrain if every condition is met; wait if only the condition on incidents is met."""
    conditions = (_critical(plan, facts), _labels(plan, facts))
    if not conditions[0].met:
        outcome = Outcome.NONE
    else:
        outcome = Outcome.RETRAIN if all(c.met for c in conditions) else Outcome.WAIT
    return Decision(outcome, conditions, facts.now_ms)


def _critical(plan: Retraining, facts: Facts) -> Condition:
    since_ms = facts.now_ms - plan.lookback_ms
    recent = sum(open_ms >= since_ms for open_ms in facts.critical_open_ms)
    return Condition(
        "critical_incidents",
        f"at least {plan.critical_alert_threshold} open within the last {_days(plan.lookback_ms)}",
        str(recent),
        recent >= plan.critical_alert_threshold,
    )


def _labels(plan: Retraining, facts: Facts) -> Condition:
    enough = facts.fresh_labels >= plan.min_labels
    return Condition("fresh_labels", f"at least {plan.min_labels}", str(facts.fresh_labels), enough)


def _days(span_ms: int) -> str:
    return f"{span_ms / 86_400_000:g} d"
