"""Incidents and their history."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.answers.fields import Answer, Segment, Severity


class Incident(Answer):
    """An incident in its current state."""

    id: str
    model: str | None = Field(description="Null for an incident about Driftline itself.")
    version: str | None = Field(description="Null for an incident about Driftline itself.")
    segment: Segment = ""
    kind: str = Field(description="First part of `subject`: `data`, `concept`, …")
    subject: str = Field(
        description="What the incident is about, such as `data/temp` or `performance/recall`."
    )
    severity: Severity
    state: str = Field(json_schema_extra={"enum": ["open", "resolved"]})
    reason: str | None = Field(
        None,
        description="Why it is resolved: `recovered` if its subject was healthy for long enough,"
        " `stale` if no rows came, `retired` or `rebased` if its version was retired or reset. Null"
        " while the incident is open.",
        json_schema_extra={"enum": ["recovered", "retired", "stale", "rebased", None]},
    )
    caused_by: str | None = Field(
        None,
        description="If it is `stale`: the id of the incident `traffic/rows` that made it so. Null"
        " otherwise, and if there is no such incident.",
    )
    opened_at: datetime = Field(
        description="End of the window that opened the incident, event time."
    )
    updated_at: datetime = Field(
        description="End of the window that last changed the incident, event time."
    )
    resolved_at: datetime | None = Field(description="Null while the incident is open.")
    window: dict[str, Any] | None = Field(
        description="`start` and `end` of the window that last changed the incident."
    )
    evidence: dict[str, Any] = Field(
        description="`decided_by` (name of the test or metric), its `value`, `severity` and"
        " limits. Fields that do not apply to this kind of incident are absent. `grouped`: other"
        " subjects that this incident includes. `window`: that of the evidence, also when the"
        " incident is resolved. `distribution`: of this window and of the reference."
    )
    message: str = Field(description="The evidence in one sentence.")


class IncidentHistory(Incident):
    transitions: list[dict[str, Any]] = Field(
        description="All CloudEvents of the incident as on the topic `alerts`, oldest first."
    )
