"""Base classes and fields that several answers share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

# Enumerations are texts: a client of an older release reads values that it does not know.
Severity = Annotated[str, Field(json_schema_extra={"enum": ["warning", "critical"]})]
Verdict = Annotated[
    str,
    Field(json_schema_extra={"enum": ["ok", "drift", "insufficient_data", "cannot_judge"]}),
]
Segment = Annotated[
    str,
    Field(
        description="Sorted, percent-encoded `name=value` joined by `&`. Empty: the whole, all rows"
        " of the version."
    ),
]
Life = Annotated[
    int,
    Field(
        ge=0,
        description="How often the version had begun afresh, by a reset or a restoration. Answers"
        " without `start` and `end` hold windows of its current life only.",
    ),
]
Found = Annotated[str, Field(json_schema_extra={"enum": ["ok", "no_data"]})]
Kind = Annotated[str, Field(json_schema_extra={"enum": ["numeric", "categorical"]})]


class Answer(BaseModel):
    """An object that the API composes itself."""


class PassThrough(BaseModel):
    """An object that comes from a message. Fields that a later release adds are passed through."""

    model_config = ConfigDict(extra="allow")


class Page(Answer, Generic[T]):
    """One page of a list."""

    items: list[T]
    next: str | None = Field(
        description="Pass it as `cursor` to get the next page; null on the last page."
    )


class Window(Answer):
    """A window of event time, `[start, end)`."""

    start: datetime
    end: datetime = Field(description="Exclusive.")
    revision: int = Field(
        ge=0,
        description="Increases each time this part of the window is amended; the largest one is"
        " current.",
    )
    status: str = Field(
        description="Of data: `closed` (tested), `incomplete` (starts before the first row; not"
        " tested) or `no_data`. Of performance: `provisional` (more labels may arrive) or `final`."
        " Of a baseline: `reference`."
    )


class WindowKey(PassThrough):
    """Which window of which model version or segment."""

    model: str
    version: str
    segment: Segment = ""
    life: Life = 0
    window: Window


class VersionScope(PassThrough):
    """Which model version, and which window; null where there is none yet."""

    model: str | None = Field(description="Null if no model is registered.")
    version: str | None = Field(description="Null if no model is registered.")
    window: Window | None = Field(description="Null if there is no such window yet.")
    status: Found = Field(description="`no_data` if `window` is null.")


class WindowScope(VersionScope):
    """Which window of which model version or segment; null where there is none yet."""

    segment: Segment = ""
