"""The times of a file: whether they are plausible, and what was decided about clock changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from producers.contract.times import InvalidTime, LocalTimes, read_times
from producers.registration.columns import Columns

_INTEGER = r"\s*[+-]?\d+(?:\.0*)?\s*"


@dataclass(frozen=True, slots=True, eq=False)
class FileTimes:
    ms: NDArray[np.int64]  # shape (n,)
    notes: list[str]  # what the user should know


def time_column(name: str, column: pa.ChunkedArray, columns: Columns) -> FileTimes:
    """Raises ``InvalidTime``, also for a time that is not plausible."""
    values = column.to_pandas().rename(name)
    found = read_times(_integers(values), columns.timezone)
    _require_plausible(name, values, found.ms, columns)
    return FileTimes(found.ms, _notes(name, found, columns.timezone))


def _integers(values: pd.Series[Any]) -> pd.Series[Any]:
    """Texts of nothing but integers, which a CSV file has, as integers."""
    is_text = values.map(lambda value: isinstance(value, str))
    if not (len(values) and is_text.all() and values.str.fullmatch(_INTEGER).all()):
        return values
    return values.astype(np.float64)


def _require_plausible(
    name: str, values: pd.Series[Any], ms: NDArray[np.int64], columns: Columns
) -> None:
    for row in np.flatnonzero(ms < columns.earliest_ms)[:1]:
        raise InvalidTime(
            f"column {name!r} has the time {values.iloc[row]!s} in row {row + 1}, which is"
            f" {_utc(ms[row])}: times before {_utc(columns.earliest_ms)} (time.earliest) are not"
            " plausible; a time in seconds or a clock that was not set looks like this. Correct or"
            " remove the row, or set time.earliest"
        )
    if columns.latest_ms is None:
        return
    for row in np.flatnonzero(ms > columns.latest_ms)[:1]:
        raise InvalidTime(
            f"column {name!r} has the time {values.iloc[row]!s} in row {row + 1}, which is"
            f" {_utc(ms[row])}, in the future: correct or remove the row, or set"
            " time.max_clock_skew"
        )


def _notes(name: str, times: LocalTimes, timezone: str | None) -> list[str]:
    notes = []
    if times.doubled:
        notes.append(
            f"{times.doubled:,} times in {name!r} are in an hour that occurs twice in {timezone}:"
            " they are taken as the first of the two"
        )
    if times.skipped:
        notes.append(
            f"{times.skipped:,} times in {name!r} are in an hour that {timezone} skips: they are"
            " read as if the clocks had not been set forward yet"
        )
    return notes


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(int(ms) / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
