"""Times in requests: RFC 3339 with an offset."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

from consumers.messages.times import milliseconds

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_EXPECTED = "an RFC 3339 time with an offset, like 2013-04-01T00:00:00Z"


def parse_instant(text: object) -> int:
    """Milliseconds since 1970 of an RFC 3339 time. Raises ``ValueError``."""
    if not isinstance(text, str) or _RFC3339.fullmatch(text) is None:
        raise ValueError(f"expected {_EXPECTED} (write %2B for a + in an address)")
    try:
        return milliseconds(text.upper())
    except ValueError as error:
        raise ValueError(f"expected {_EXPECTED}: {error}") from error


Instant = Annotated[
    int, BeforeValidator(parse_instant), WithJsonSchema({"type": "string", "format": "date-time"})
]
