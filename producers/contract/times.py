"""Times of files and options, converted to milliseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from driftline.errors import BadInput
from producers.contract.records import END_MS

EXAMPLE = "2013-04-01T09:15:00Z"
_SECONDS_END = 100_000_000_000  # as milliseconds this is 1973, as seconds the year 5138
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


def times_ms(column: pd.Series[Any], timezone: str | None) -> NDArray[np.int64]:
    """Shape (n,). ``column`` has strings, timestamps, or integers (milliseconds since 1970).

    Times without an offset are in ``timezone``. Without a ``timezone`` they are refused, because
    windows would be shifted by hours if they were not in UTC. Raises ``InvalidTime``.
    """
    if column.isna().any():
        at = int(np.flatnonzero(column.isna())[0]) + 1
        raise InvalidTime(f"column {column.name!r} has no time in row {at}")
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        ms = _whole(column)
    else:
        ms = _since_epoch(_localized(_timestamps(column), timezone))
    if ms.size and not (ms.min() >= 0 and ms.max() < END_MS):
        raise InvalidTime(f"column {column.name!r} has a time outside the years 1970 to 9998")
    return ms


def _whole(column: pd.Series[Any]) -> NDArray[np.int64]:
    numbers = column.to_numpy(dtype=np.float64)
    if (numbers != np.floor(numbers)).any() or (len(numbers) and numbers.max() < _SECONDS_END):
        raise InvalidTime(
            f"column {column.name!r} has the value {column.iloc[0]!s}: expected whole milliseconds"
            f" since 1970, or times such as {EXAMPLE}"
        )
    castable = np.clip(numbers, -1, END_MS)  # both ends are outside of the years
    return np.asarray(castable, dtype=np.int64)


def _timestamps(column: pd.Series[Any]) -> pd.Series[Any]:
    """With or without a time zone, as the column has it."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    texts = column.astype(str)
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


def _localized(times: pd.Series[Any], timezone: str | None) -> pd.Series[Any]:
    if times.dt.tz is not None:
        return times
    if timezone is None:
        raise InvalidTime(
            f"the times of column {times.name!r} have no UTC offset, such as {times.iloc[0]}: give"
            " their time zone, for example --timezone UTC"
        )
    try:
        return pd.Series(times.dt.tz_localize(timezone))
    except (
        KeyError,
        ValueError,
    ) as error:  # no such zone; an hour that summer time skips or has twice
        raise InvalidTime(f"column {times.name!r} as times of {timezone!r}: {error}") from error


def _since_epoch(times: pd.Series[Any]) -> NDArray[np.int64]:
    utc = times.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    return np.asarray(utc.astype("datetime64[ms]").astype(np.int64))
