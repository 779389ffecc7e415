"""The parameter ``window`` in the address of a page: ``<start>/<end>`` in RFC 3339, UTC.

A window is either one of the model's own windows or that of an incident, which may have another
length. ``own_window`` finds the own window that belongs to the second kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from api.answers import Window, WindowItem
from dashboard import formats


class Period(NamedTuple):
    """``[start, end)`` of event time, both with a time zone."""

    start: datetime
    end: datetime


def to_parameter(window: Window | Period) -> str:
    return f"{rfc3339(window.start)}/{rfc3339(window.end)}"


def parse(parameter: str | None) -> Period | None:
    """None for a text that is not a window with time zones."""
    start, _, end = (parameter or "").partition("/")
    try:
        period = Period(datetime.fromisoformat(start), datetime.fromisoformat(end))
    except ValueError:
        return None
    if any(at.tzinfo is None for at in period):
        return None
    return Period(*(at.astimezone(UTC) for at in period))


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def describe(parameter: str) -> str:
    """The window as people read it. Raises ``ValueError`` if it is none."""
    period = parse(parameter)
    if period is None:
        raise ValueError(f"not a window: {parameter!r}")
    return formats.period(*period)


def same(window: Window, period: Period) -> bool:
    return (window.start, window.end) == period


def own_window(period: Period, windows: Sequence[WindowItem]) -> Window | None:
    """The first of ``windows`` that contains ``period``, else the newest that overlaps it.

    The first one to end, so that a link keeps its window while newer ones close.
    """
    candidates = [item.window for item in windows]
    containing = [w for w in candidates if w.start <= period.start and period.end <= w.end]
    if containing:
        return min(containing, key=lambda w: w.end)
    overlapping = [w for w in candidates if w.start < period.end and period.start < w.end]
    return max(overlapping, key=lambda w: w.end, default=None)


def search_range(period: Period, windows: Sequence[WindowItem]) -> Period:
    """The range in which every window as long as ``windows`` lies that overlaps ``period``."""
    lengths = [item.window.end - item.window.start for item in windows]
    margin = max(lengths, default=timedelta())
    return Period(period.start - margin, period.end + margin)
