"""Numbers, times and names as text. Times are shown in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from api.answers import Model, Window

NO_VALUE = "—"


def number(value: float | None, digits: int = 3) -> str:
    return NO_VALUE if value is None else f"{value:.{digits}f}"


def probability(value: float | None) -> str:
    if value is None:
        return NO_VALUE
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def proportion(part: float | None, whole: float | None = 1.0) -> str:
    return NO_VALUE if part is None or not whole else f"{part / whole:.1%}"


def count(value: int | None) -> str:
    return NO_VALUE if value is None else f"{value:,}"


def quantity(number: int, singular: str, plural: str | None = None) -> str:
    """``1 row``, ``1,200 rows``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def interval(low: float | None, high: float | None) -> str:
    return NO_VALUE if low is None or high is None else f"{low:.3f} to {high:.3f}"


def instant(at: datetime) -> str:
    """The date, and the time of day unless it is midnight."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d}" if at.time() == at.min.time() else f"{at:%Y-%m-%d %H:%M}"


def period(start: datetime, end: datetime) -> str:
    """Start and end. A whole day is shown as its date."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    midnight = start.time() == start.min.time()
    if midnight and end - start == timedelta(days=1):
        return f"{start:%Y-%m-%d}"
    if end.date() == start.date():
        return f"{start:%Y-%m-%d %H:%M} to {end:%H:%M}"
    return f"{instant(start)} to {instant(end)}"


def window(window: Window) -> str:
    return period(window.start, window.end)


def age(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def model_version(model: Model) -> str:
    return f"{model.model} · version {model.version}"
