"""Decisions about retraining."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from api.answers.fields import Found, Life, PassThrough, VersionScope


class Reason(PassThrough):
    """One condition of the retraining policy."""

    condition: str
    required: Any = Field(None, description="The value that the policy requires.")
    actual: Any = Field(None, description="The actual value.")
    met: bool


class Retraining(VersionScope):
    """The newest decision about retraining.

    `window` is null if the decision does not refer to a single window.
    """

    status: Found = Field(description="`no_data` before the first decision.")
    decision: str = Field(
        "none",
        description="`none` before the first decision.",
        json_schema_extra={"enum": ["retrain", "wait", "none"]},
    )
    reasons: list[Reason] = Field([])
    life: Life | None = Field(None, description="Null before the first decision.")
    decided_at: datetime | None = Field(
        None, description="Event time of the decision; null before the first one."
    )
