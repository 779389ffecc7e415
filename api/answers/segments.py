"""The segments of a model version, and which of them have incidents."""

from __future__ import annotations

from pydantic import Field

from api.answers.fields import Answer, Severity, Window


class SegmentItem(Answer):
    """A segment of a model version, with its open incidents."""

    segment: str = Field(description="The value of `segment` in other requests.")
    window: Window | None = Field(description="Its newest window; null if there is none yet.")
    severity: Severity | None = Field(description="Of its open incidents, null without any.")
    critical: int = Field(description="Number of open critical incidents.")
    warning: int = Field(description="Number of open warnings.")
    subjects: list[str] = Field(description="What its open incidents are about.")


class Segments(Answer):
    model: str | None = Field(description="Null if no model is registered.")
    version: str | None = Field(description="Null if no model is registered.")
    items: list[SegmentItem] = Field(
        description="Most critical incidents first, then most warnings, then in the order of the"
        " profile: by segmentation, the segment with most rows first."
    )
