"""Times of files and options, converted to milliseconds since 1970 UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from driftline.errors import BadInput
from producers.contract.records import END_MS, EPOCH, MILLISECOND

EXAMPLE = "2013-04-01T09:15:00Z"
_SECONDS_END = 100_000_000_000  # as milliseconds this is 1973, as seconds the year 5138
EARLIEST_OF_UNITS_MS, LATEST_OF_UNITS_MS = 946_684_800_000, 4_102_444_800_000  # 2000 to 2100
_OFFSET = r"(?:Z|z|[+-]\d\d:?\d\d)$"


class InvalidTime(BadInput):
    """A value that is not a time, or is ambiguous. The message says what was expected."""


def parse_time_ms(text: str) -> int:
    """From a date or an RFC 3339 time; without an offset it is UTC. Raises ``InvalidTime``."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTime(
            f"{text!r} is not a time: expected 2013-04-01 or {EXAMPLE} (UTC if it has no offset)"
        ) from None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


@dataclass(frozen=True, slots=True, eq=False)
class LocalTimes:
    """Times of a column, and how many of them a clock change made ambiguous."""

    ms: NDArray[np.int64]  # shape (n,)
    doubled: int = 0  # in an hour that occurs twice: the first of the two was taken
    skipped: int = 0  # in an hour that does not occur: the clock before the change was taken


def times_ms(column: pd.Series[Any], timezone: str | None) -> NDArray[np.int64]:
    """Shape (n,). See ``read_times``."""
    return read_times(column, timezone).ms


def read_times(column: pd.Series[Any], timezone: str | None) -> LocalTimes:
    """``column`` has strings, timestamps, or integers (milliseconds since 1970).

    Times without an offset are in ``timezone``. Without a ``timezone`` they are refused, because
    windows would be shifted by hours if they were not in UTC. When clocks are set back, a time that
    occurs twice is the first of the two; when they are set forward, a time that does not occur is
    read as if they had not been set yet. Raises ``InvalidTime``.
    """
    if column.empty:
        return LocalTimes(np.empty(0, dtype=np.int64))
    if column.isna().any():
        at = int(np.flatnonzero(column.isna())[0]) + 1
        raise InvalidTime(f"column {column.name!r} has no time in row {at}")
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        times = LocalTimes(_whole(column))
    else:
        times = _localized(_timestamps(column), timezone)
    ms = times.ms
    if ms.size and not (ms.min() >= 0 and ms.max() < END_MS):
        value = column.iloc[int(np.flatnonzero((ms < 0) | (ms >= END_MS))[0])]
        raise InvalidTime(
            f"column {column.name!r} has a time outside the years 1970 to 9998{_unit_hint(value)}"
        )
    return times


def _unit_hint(value: Any) -> str:
    """The unit that an integer seems to have, if it is not milliseconds."""
    if isinstance(value, int | float | np.number):
        for unit, per_ms in (("seconds", 1e-3), ("microseconds", 1e3), ("nanoseconds", 1e6)):
            ms = float(value) / per_ms
            if EARLIEST_OF_UNITS_MS < ms < LATEST_OF_UNITS_MS:
                return (
                    f": {float(value):.0f} seems to be in {unit}, which is {_utc(ms)};"
                    " expected milliseconds"
                )
    return ""


def _utc(ms: float) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _whole(column: pd.Series[Any]) -> NDArray[np.int64]:
    numbers = column.to_numpy(dtype=np.float64)
    if (numbers != np.floor(numbers)).any() or (len(numbers) and numbers.max() < _SECONDS_END):
        value = column.iloc[0]
        raise InvalidTime(
            f"column {column.name!r} has the value {value!s}: expected whole milliseconds"
            f" since 1970, or times such as {EXAMPLE}{_unit_hint(value)}"
        )
    castable = np.clip(numbers, -1, END_MS)  # both ends are outside of the years
    return np.asarray(castable, dtype=np.int64)


def _timestamps(column: pd.Series[Any]) -> pd.Series[Any]:
    """With or without a time zone, as the column has it."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    texts = column.map(str)
    offset = texts.str.contains(_OFFSET, regex=True)
    parsed = pd.to_datetime(texts, utc=bool(offset.any()), format="ISO8601", errors="coerce")
    if parsed.isna().any():
        unread = texts[parsed.isna()].iloc[0]
        raise InvalidTime(
            f"column {column.name!r} has {unread!r}, which is not a time: expected RFC 3339, such"
            f" as {EXAMPLE}, or whole milliseconds since 1970"
        )
    if offset.any() and not offset.all():
        one, other = texts[offset].iloc[0], texts[~offset].iloc[0]
        raise InvalidTime(
            f"column {column.name!r} has times with and without an offset: {one!r} and {other!r}"
        )
    return pd.Series(parsed)


def _localized(times: pd.Series[Any], timezone: str | None) -> LocalTimes:
    if times.dt.tz is not None:
        return LocalTimes(_since_epoch(times))
    if timezone is None:
        raise InvalidTime(
            f"the times of column {times.name!r} have no UTC offset, such as {times.iloc[0]}: give"
            " their time zone, for example --timezone UTC"
        )
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidTime(
            f"column {times.name!r} as times of {timezone!r}: there is no such time zone; expected"
            " a name such as UTC or Europe/Paris"
        ) from error
    localized = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    changed = np.flatnonzero(localized.isna())
    ms = _since_epoch(localized)
    skipped = 0
    for row in changed.tolist():
        local = times.iloc[row].to_pydatetime(warn=False)
        utc = local.replace(tzinfo=zone, fold=0).astimezone(UTC)  # the rule is that of PEP 495
        skipped += utc.astimezone(zone).replace(tzinfo=None) != local
        ms[row] = (utc - EPOCH) // MILLISECOND
    return LocalTimes(ms, changed.size - skipped, skipped)


def _since_epoch(times: pd.Series[Any]) -> NDArray[np.int64]:
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return np.asarray(utc.astype("datetime64[ms]").astype(np.int64))
