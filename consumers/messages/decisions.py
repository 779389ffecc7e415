"""The message of the topic ``retraining``: a decision with every condition."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from consumers.messages.names import Count, Enumerated, Name
from consumers.messages.reading import SCHEMA, decode_json
from consumers.messages.records import Record
from consumers.messages.times import milliseconds, rfc3339
from monitor.decisions.retraining import Decision


class Reason(Struct, frozen=True, kw_only=True):
    """One condition of the policy."""

    condition: str
    required: str
    actual: str
    met: bool


class RetrainingDecision(Struct, frozen=True, kw_only=True):
    schema: Literal[1]
    model: Name
    version: Name
    decision: Enumerated  # Outcome
    reasons: list[Reason]
    decided_at: str  # event time
    life: Count = 0  # number of the life of the version, see ``versions``

    def __post_init__(self) -> None:
        milliseconds(self.decided_at)

    @property
    def decided_ms(self) -> int:
        return milliseconds(self.decided_at)


def retraining_decision(
    model: str, version: str, decision: Decision, life: int = 0
) -> RetrainingDecision:
    return RetrainingDecision(
        schema=SCHEMA,
        model=model,
        version=version,
        decision=decision.outcome,
        reasons=[
            Reason(
                condition=condition.name,
                required=condition.required,
                actual=condition.actual,
                met=condition.met,
            )
            for condition in decision.conditions
        ],
        decided_at=rfc3339(decision.decided_ms),
        life=life,
    )


def decode_decision(record: Record) -> RetrainingDecision:
    """Raises ``ForeignMessage`` or ``MalformedMessage``."""
    return decode_json(record.value, RetrainingDecision)
