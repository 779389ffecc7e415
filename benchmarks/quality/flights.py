"""Real healthy data: half of the days of a quarter are the reference, the others are live.

Days are drawn at random, and live days keep their order. Nothing of Driftline is imported, so that
a detector with an environment of its own can read the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.random import Generator
from numpy.typing import NDArray

Rows = NDArray[np.float64]  # shape (rows, features), NaN where a value is missing

FILE = Path(__file__).parents[2] / "producers" / "example" / "data" / "flights.parquet"
FEATURES = (
    "dep_delay",
    "hour",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
)
DAY_MS = 86_400_000
PANES_PER_DAY = 8
LIVE_DAYS = 45
CHANGES: dict[str, tuple[str, Callable[[Rows], Rows]]] = {
    "dep_delay+5": ("dep_delay", lambda values: values + 5),
    "dep_delay+2": ("dep_delay", lambda values: values + 2),
    "distance*1.2": ("distance", lambda values: values * 1.2),
    "wind_speed*1.5": ("wind_speed", lambda values: values * 1.5),
    "visib-10-to-9": ("visib", lambda values: np.where(values == 10, 9.0, values)),
}


@dataclass(frozen=True, slots=True, eq=False)
class Quarter:
    """The rows of a quarter in order of time, with the number of their three-hour pane."""

    rows: Rows
    pane: NDArray[np.int64]  # shape (rows,)

    def days(self, rng: Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Days of the reference and ``LIVE_DAYS`` live days, drawn at random, both in order."""
        every = rng.permutation(int(self.pane[-1]) // PANES_PER_DAY + 1)
        return np.sort(every[LIVE_DAYS:]), np.sort(every[:LIVE_DAYS])

    def panes(self, days: NDArray[np.int64]) -> list[Rows]:
        """The consecutive panes of ``days``. Panes at night may be empty."""
        numbers = (days[:, None] * PANES_PER_DAY + np.arange(PANES_PER_DAY)).ravel()
        edges = self.pane.searchsorted([numbers, numbers + 1])
        return [self.rows[start:end].copy() for start, end in edges.T]

    def split(self, rng: Generator) -> tuple[Rows, list[Rows]]:
        """The rows of the reference, and the panes of the live days."""
        reference, live = self.days(rng)
        return self.rows[np.isin(self.pane // PANES_PER_DAY, reference)], self.panes(live)


@lru_cache(maxsize=4)
def load_quarter(number: int = 1) -> Quarter:
    """A quarter of 2013, 1 to 4, in UTC."""
    table = pq.read_table(FILE, columns=["time", *FEATURES])
    time_ms = table["time"].cast(pa.int64()).to_numpy()
    columns = [table[name].cast(pa.float64()).to_numpy() for name in FEATURES]
    start_ms, end_ms = _month_ms(3 * number - 2), _month_ms(3 * number + 1)
    within = (time_ms >= start_ms) & (time_ms < end_ms)
    pane = (time_ms[within] - start_ms) * PANES_PER_DAY // DAY_MS
    return Quarter(np.column_stack(columns)[within], pane)


def change(panes: list[Rows], name: str, change_at: int) -> None:
    """Change a feature in place, from pane ``change_at`` on."""
    feature, altered = CHANGES[name]
    column = FEATURES.index(feature)
    for rows in panes[change_at:]:
        rows[:, column] = altered(rows[:, column])


def _month_ms(month: int) -> int:
    """The start of a month of 2013. Month 13 is January 2014."""
    year, index = divmod(month - 1, 12)
    return int(datetime(2013 + year, index + 1, 1, tzinfo=UTC).timestamp()) * 1000
