"""Times in messages: RFC 3339 in UTC outside, whole milliseconds since 1970 inside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def rfc3339(time_ms: int) -> str:
    """``2013-04-01T09:15:00Z``; with milliseconds only if there are any."""
    precision = "milliseconds" if time_ms % 1000 else "seconds"
    return utc_datetime(time_ms).isoformat(timespec=precision).replace("+00:00", "Z")


def optional_rfc3339(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)


def milliseconds(text: str) -> int:
    """Exact; fractions of a millisecond are cut off.

    Raises ``ValueError`` for a text that is not a time, or a time without an offset.
    """
    return milliseconds_of(datetime.fromisoformat(text))


def milliseconds_of(time: datetime) -> int:
    """Exact; fractions of a millisecond are cut off. Raises ``ValueError`` without an offset."""
    if time.tzinfo is None:
        raise ValueError(
            f"{time.isoformat()} has no offset: expected a time such as {EPOCH:%FT%TZ}"
        )
    return (time - EPOCH) // MILLISECOND


def utc_datetime(time_ms: int) -> datetime:
    return EPOCH + time_ms * MILLISECOND
