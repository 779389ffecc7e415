"""Query parameters. Unknown parameters are rejected, as unknown settings are."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.json_schema import SkipJsonSchema

from api.table import Format
from api.times import Instant
from monitor.identity import MAX_SEGMENT
from monitor.plan import DAY

# A query string has no null: a parameter may be omitted, but never null.
Omittable = SkipJsonSchema[None]
MAX_RANGE_DAYS = 3_660  # ten years
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class QueryParameters(BaseModel):
    """Base of all query parameters, and the parameters of a route that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelQuery(QueryParameters):
    model: _Text | Omittable = Field(
        None, description="Model. Required if more than one model is registered."
    )
    version: _Text | Omittable = Field(
        None,
        description="Version of the model. Default: the live one, or else the one registered last"
        " that is not retired.",
    )


class SegmentQuery(ModelQuery):
    segment: str = Field(
        "",
        max_length=MAX_SEGMENT,
        description="Segment of the version: sorted, percent-encoded `name=value` joined by `&`."
        " Default: the whole, all rows of the version.",
    )


def _within_limit(end: int | None, info: ValidationInfo) -> int | None:
    start = info.data.get("start")
    days = 0 if start is None or end is None else math.ceil((end - start) / DAY)
    if days > MAX_RANGE_DAYS:
        raise ValueError(
            f"the range from start to end has {days:,} days, and at most {MAX_RANGE_DAYS:,} are"
            " allowed: ask for parts of it, or omit start or end"
        )
    return end


class RangeQuery(SegmentQuery):
    """A half-open range of event time."""

    start: Instant | Omittable = Field(
        None, description="Only windows that start at or after this event time."
    )
    end: Instant | Omittable = Field(
        None,
        description="Only windows that end at or before this event time, at most"
        f" {MAX_RANGE_DAYS:,} days after `start`.",
    )

    _within_limit = field_validator("end")(_within_limit)


class PageQuery(QueryParameters):
    limit: int = Field(100, ge=1, le=500, description="Maximum number of items.")
    cursor: Annotated[str, Field(max_length=1_000)] | Omittable = Field(
        None, description="`next` of the previous page. Default: the first page."
    )


class HistoryQuery(PageQuery, RangeQuery):
    """Windows of a model version or segment, newest first."""


class TableQuery(HistoryQuery):
    """The same, also as a table."""

    format: Format = Field(
        "json",
        description="`csv` or `arrow` (an IPC stream): a table with a row for each item, whose"
        " next page is in the header `Link`.",
    )


class WindowsQuery(HistoryQuery):
    distributions: bool = Field(
        True,
        description="Whether features include `distribution`, which makes up most of the answer.",
    )


class FeatureHistoryQuery(TableQuery):
    """One feature of a model version or segment, newest first."""

    feature: _Text = Field(description="Name of the feature.")


class AlertsQuery(PageQuery, SegmentQuery):
    """Incidents, newest first."""

    start: Instant | Omittable = Field(
        None, description="Only incidents that were open at or after this event time."
    )
    end: Instant | Omittable = Field(
        None,
        description="Only incidents that opened before this event time, at most"
        f" {MAX_RANGE_DAYS:,} days after `start`.",
    )
    state: Literal["open", "resolved"] | Omittable = Field(
        None, description="Only incidents in this state."
    )
    severity: Literal["warning", "critical"] | Omittable = Field(
        None, description="Only incidents of this severity."
    )
    kind: _Text | Omittable = Field(
        None,
        description="Only incidents of this kind: `data`, `prediction`, `performance`, …",
    )
    subject: _Text | Omittable = Field(
        None, description="Only incidents about this subject, such as `data/temp`."
    )

    _within_limit = field_validator("end")(_within_limit)


class IncidentsQuery(AlertsQuery):
    version: _Text | Omittable = Field(
        None, description="Version of the model. Default: all versions."
    )


class EventsQuery(QueryParameters):
    model: _Text | Omittable = Field(
        None, description="Only events of this model. Default: all models."
    )
