"""What may be asked. A parameter that is not known is refused by name, as in the configuration."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from api.problems import Refused
from api.times import Instant

T = TypeVar("T")
_BIGGEST = 2**63 - 1  # of an integer column

# Left out, never null: a query has no null.
_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Left = SkipJsonSchema[None]


class Parameters(BaseModel):
    """None at all; the others add theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Which(Parameters):
    model: _Text | Left = Field(
        None, description="May be left out while exactly one model is registered."
    )
    version: _Text | Left = Field(None, description="By default the one registered last.")


class Span(Which):
    """Event time, half-open."""

    start: Instant | Left = Field(
        None, description="Only windows that start at or after this event time."
    )
    end: Instant | Left = Field(
        None, description="Only windows that end at or before this event time."
    )


class Paging(Parameters):
    limit: int = Field(100, ge=1, le=500, description="Most items in the answer.")
    cursor: Annotated[str, Field(max_length=1_000)] | Left = Field(
        None, description="`next` of the page before; left out: from the newest item on."
    )


class History(Paging, Span):
    """Windows of a model version, newest first."""


class Windows(History):
    distributions: bool = Field(
        True, description="Whether features come with what to draw of them, most of the answer."
    )


class Alerts(Paging, Which):
    """Incidents, newest first."""

    state: Literal["open", "resolved"] | Left = Field(None, description="Only these.")
    severity: Literal["warning", "critical"] | Left = Field(None, description="Only these.")
    kind: _Text | Left = Field(
        None, description="Only these: `data`, `prediction`, `performance`, …"
    )
    subject: _Text | Left = Field(None, description="Only about this, like `data/temp`.")


class Incidents(Alerts):
    version: _Text | Left = Field(None, description="By default of every version.")


class Following(Parameters):
    model: _Text | Left = Field(
        None, description="Only its transitions; by default of every model."
    )


def encode_cursor(*key: int | str) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *kinds: type) -> tuple[Any, ...] | None:
    """The key of the last item of the page before. Raises ``Refused``: a cursor names a page."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        key = None
    if not isinstance(key, list) or not _fits(key, kinds):
        raise Refused(404, "there is no such page: pass `next` of an answer on as it is")
    return tuple(key)


def _fits(key: Sequence[Any], kinds: Sequence[type]) -> bool:
    if [type(part) for part in key] != list(kinds):
        return False
    return all(
        abs(part) <= _BIGGEST if isinstance(part, int) else "\x00" not in part for part in key
    )


def page(
    rows: Sequence[T], limit: int, key: Callable[[T], tuple[int | str, ...]]
) -> tuple[Sequence[T], str | None]:
    """The items of this page and the cursor of the next; of ``rows``, one more was asked for."""
    items = rows[:limit]
    return items, encode_cursor(*key(items[-1])) if len(rows) > limit else None
