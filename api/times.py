"""RFC 3339 at the edge, milliseconds since 1970 inside."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SHAPE = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_EXPECTED = "a time as RFC 3339 has it, with an offset, like 2013-04-01T00:00:00Z"


def milliseconds(text: object) -> int:
    """Since 1970, of a time in RFC 3339; fractions of one are cut off. Raises ``ValueError``."""
    if not isinstance(text, str) or _SHAPE.fullmatch(text) is None:
        raise ValueError(f"expected {_EXPECTED} (write %2B for a + in an address)")
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // _MILLISECOND
    except ValueError as error:
        raise ValueError(f"expected {_EXPECTED}: {error}") from error


def moment(at_ms: int) -> datetime:
    return _EPOCH + at_ms * _MILLISECOND


Instant = Annotated[
    int, BeforeValidator(milliseconds), WithJsonSchema({"type": "string", "format": "date-time"})
]
