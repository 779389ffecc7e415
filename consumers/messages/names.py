"""Types of fields that several messages have."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from monitor.identity import MAX_SEGMENT
from producers.contract.names import is_name

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,100}\Z")]  # of a model or version
# See ``monitor.identity``; the empty text is the whole.
Segment = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.~%=&-]*\Z", max_length=MAX_SEGMENT)]
Enumerated = str  # a value of an enumeration; as text, because readers accept unknown ones
Count = Annotated[int, Meta(ge=0, le=2**53)]


def require_name(text: str) -> str:
    """The name of a model or version, as it was given. Raises ``ValueError`` for another text."""
    if not is_name(text):
        raise ValueError(f"{text[:100]!r} is not the name of a model or version")
    return text
