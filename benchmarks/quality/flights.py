"""Healthy flights against healthy flights: days of one quarter of 2013, and changes put into them.

Half of a quarter's 90 days, drawn at random, are the reference; the other 45 are watched in their
order, side by side, in panes of three hours. Nothing has changed between them but the weather.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.plan import DAY, HOUR
from producers.flights import NUMERIC, load_flights

Rows = NDArray[np.float64]  # shape (rows, features): the ten numeric features

DAYS, PANE_MS = 90, 3 * HOUR
PANES_A_DAY = DAY // PANE_MS

CHANGES: Mapping[str, tuple[str, Callable[[Rows], Rows]]] = {
    "dep_delay + 5": ("dep_delay", lambda values: values + 5),
    "dep_delay + 2": ("dep_delay", lambda values: values + 2),
    "distance x 1.2": ("distance", lambda values: values * 1.2),
    "wind_speed x 1.5": ("wind_speed", lambda values: values * 1.5),
    "visib 10 -> 9": ("visib", lambda values: np.where(values == 10, 9.0, values)),
}


@dataclass(frozen=True, slots=True)
class Split:
    """Two halves of a quarter, pane by pane."""

    reference: list[Rows]
    live: list[Rows]


@lru_cache(maxsize=4)
def _days(quarter: int) -> tuple[tuple[Rows, ...], ...]:
    """The panes of each of the first 90 days of a quarter, counted from 0."""
    start_ms = int(datetime(2013, 1 + 3 * quarter, 1, tzinfo=UTC).timestamp()) * 1000
    flights = load_flights().between(start_ms, start_ms + DAYS * DAY)
    rows = np.stack([np.asarray(flights.features[name], float) for name in NUMERIC], axis=1)
    pane = (flights.time_ms - start_ms) // PANE_MS
    cuts = np.searchsorted(pane, np.arange(DAYS * PANES_A_DAY + 1))
    panes = [rows[a:b] for a, b in pairwise(cuts.tolist())]
    return tuple(tuple(panes[d * PANES_A_DAY : (d + 1) * PANES_A_DAY]) for d in range(DAYS))


def random_split(quarter: int, rng: np.random.Generator) -> Split:
    """45 days at random, and the other 45."""
    chosen = np.zeros(DAYS, dtype=bool)
    chosen[rng.choice(DAYS, DAYS // 2, replace=False)] = True
    return _split(quarter, chosen)


def forward_split(quarter: int) -> Split:
    """The first 45 days, then the next: the season moves on."""
    return _split(quarter, np.arange(DAYS) < DAYS // 2)


def _split(quarter: int, chosen: NDArray[np.bool_]) -> Split:
    days = _days(quarter)
    halves: tuple[list[Rows], list[Rows]] = [], []
    for is_reference, panes in zip(chosen.tolist(), days, strict=True):
        halves[0 if is_reference else 1].extend(panes)
    return Split(*halves)


def changed(live: list[Rows], name: str, at: int) -> list[Rows]:
    """``live`` with a change from pane ``at`` on."""
    feature, alter = CHANGES[name]
    column = NUMERIC.index(feature)
    found = list(live[:at])
    for rows in live[at:]:
        altered = rows.copy()
        altered[:, column] = alter(altered[:, column])
        found.append(altered)
    return found
