"""Times as Driftline reads and writes them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime

Time = datetime | date | str  # a text is ISO 8601; a day begins at midnight in UTC


def rfc3339(time: Time) -> str:
    """In UTC, with `Z`. Raises ``ValueError`` if ``time`` is none, or has no time zone."""
    at = _datetime(time)
    if at.tzinfo is None:
        raise ValueError(f"{time!r} has no time zone: write +00:00 or Z for UTC, or only the day")
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parsed(text: str) -> datetime:
    """The inverse of ``rfc3339``."""
    return datetime.fromisoformat(text)


def _datetime(time: Time) -> datetime:
    if isinstance(time, datetime):
        return time
    if isinstance(time, date):
        return datetime(time.year, time.month, time.day, tzinfo=UTC)
    try:
        return _datetime(date.fromisoformat(time))
    except ValueError:
        return datetime.fromisoformat(time)
