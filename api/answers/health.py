"""Health of the workers, and counts of all records."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from api.answers.fields import Answer

WorkerState = Annotated[
    str, Field(json_schema_extra={"enum": ["ok", "problem", "silent", "replaced"]})
]
HealthStatus = Annotated[str, Field(json_schema_extra={"enum": ["ok", "degraded", "no_data"]})]


class Worker(Answer):
    """One worker of a role."""

    role: str
    slot: int = Field(description="Number of the worker within its role.")
    status: WorkerState = Field(
        description="`problem`: it reports a problem. `silent`: no heartbeat for 30 s. `replaced`:"
        " silent, but other workers of its role have taken over all of its partitions."
    )
    problem: str | None = Field(
        description="The problem that the worker reports, or that its settings differ from those of"
        " others."
    )
    heartbeat_at: datetime = Field(
        description="When the role `store` received its newest heartbeat."
    )
    heartbeat_age_s: float = Field(description="Seconds since `heartbeat_at`.")
    progress_at: datetime | None = Field(
        description="Time of its newest commit; null if it has not committed anything yet."
    )
    progress_age_s: float | None = Field(description="Seconds since `progress_at`.")
    lag: int = Field(description="Records of its partitions that it has not read yet.")
    watermark: datetime | None = Field(
        description="The smallest watermark of its partitions, event time."
    )
    foreign: int = Field(
        0,
        description="Messages in its partitions that it skipped since its start, because Driftline"
        " did not write them.",
    )
    plan: str | None = Field(
        None, description="Hash of the settings by which it judges models: equal for all workers."
    )
    partitions: dict[str, Any] = Field(
        description="Status by `topic/partition`, as in the heartbeat."
    )


class RecordCounts(Answer):
    """Records of a topic: `received` = `counted` + `too_late` + `retired` + the sum of `dead`."""

    received: int = Field(description="Records read.")
    counted: int = Field(description="Records included in the statistics, late ones too.")
    late: int = Field(
        description="Counted records that were behind the watermark of their partition."
    )
    too_late: int = Field(description="Records later than `accept_late`; not counted.")
    retired: int = Field(0, description="Records of retired model versions; not counted.")
    lost: int = Field(
        0,
        description="Records that retention deleted before they were read; not in `received`.",
    )
    dead: dict[str, int] = Field(
        description="Records that were written to `dead-letters`, by reason."
    )


class LabelCounts(Answer):
    """Counted labels: `labels` is the sum of the five fields that follow it."""

    labels: int = Field(description="Labels received by the role `join`.")
    matched: int = Field(description="Labels joined to their prediction.")
    waiting: int = Field(description="Labels whose prediction may still arrive.")
    expired: int = Field(description="Labels whose prediction did not arrive in time.")
    duplicates: int = Field(description="Labels that repeat an earlier label.")
    superseded: int = Field(description="Labels replaced by a later label.")
    predictions: int = Field(description="Counted predictions received by the role `join`.")
    repeated_predictions: int = Field(
        description="Predictions whose id was already known; the earliest by event time counts."
    )


class Collecting(Answer):
    """A version that is `collecting`: its reference is built from its next rows."""

    model: str
    version: str
    rows: int = Field(description="Rows of the reference that have come.")
    needed: int | None = Field(description="Rows that are needed; null if the end is a time.")
    start: datetime | None = Field(description="Event time of the first row.")
    end: datetime | None = Field(
        description="End of the reference, event time; null until it is known."
    )
    labels: int | None = Field(
        description="Rows whose label has come; null if no labels are expected."
    )
    refused: int = Field(
        description="Records that could not be mapped, and rows that violate the contract."
    )
    progress: str = Field(description="How far it is, as a sentence.")


class Health(Answer):
    """Health of all workers, and counts of all records."""

    status: HealthStatus = Field(
        description="`degraded`: a worker has a problem or is silent, or a required role has never"
        " sent a heartbeat. `no_data`: no role has ever sent one. The HTTP status is 200 in all"
        " three cases, and 503 if the database cannot be read."
    )
    checked_at: datetime
    missing: list[str] = Field(description="Required roles that have never sent a heartbeat.")
    roles: list[Worker]
    predictions: RecordCounts
    labels: RecordCounts
    joins: LabelCounts
    collecting: list[Collecting] = Field(
        default_factory=list,
        description="Versions whose reference is built from their next rows"
        " (`attach --next`). They are registered when these are there.",
    )
    warnings: list[str] = Field(
        default_factory=list,
        description="What is probably not meant, with the setting to change. They do not change"
        " `status`.",
    )
