"""The streams that peers are shown: twenty normal features, and the flights of a winter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np
from numpy.random import Generator

from benchmarks.peers.peer import Rows
from benchmarks.quality import flights
from benchmarks.quality.streams import CHANGES, NONE, PANE_ROWS, SCENARIOS

CHANGE_SEED = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """One run's rows."""

    reference: Rows
    panes: Iterable[Rows]
    change_at: int | None  # the pane; None: healthy to the end


@dataclass(frozen=True, slots=True)
class Stage:
    """``draw`` answers a generator, and the name of a change or None, with a stream."""

    about: str
    draw: Callable[[Generator, str | None], Stream]
    changes: tuple[str, ...]
    target: float  # the share of healthy runs that may alarm
    pane: float  # how much of a delay one pane is
    unit: str
    missing_values: bool = False

    def healthy(self, seed: int, number: int) -> Stream:
        return self.draw(np.random.default_rng([seed, number]), None)

    def changed(self, name: str, number: int) -> Stream:
        return self.draw(np.random.default_rng([CHANGE_SEED, number, crc32(name.encode())]), name)


def _normal(rng: Generator, name: str | None) -> Stream:
    scenario = NONE if name is None else SCENARIOS[name]
    change_at = None if name is None else int(rng.integers(20, 40, endpoint=True))
    reference = scenario.reference(rng)
    panes = 100 + (change_at or 0)
    return Stream(reference, scenario.live(rng, panes, change_at), change_at)


_winter = cache(flights.load_quarter)


def _flights(rng: Generator, name: str | None) -> Stream:
    reference, panes = _winter().split(rng)
    if name is None:
        return Stream(reference, panes, None)
    first, last = 5 * flights.PANES_PER_DAY, 15 * flights.PANES_PER_DAY
    change_at = int(rng.integers(first, last, endpoint=True))
    flights.change(panes, name, change_at)
    return Stream(reference, panes, change_at)


STAGES = {
    "normal": Stage(
        "20 independent normal features, reference of 10,000 rows, panes of 500 rows, 100 of them"
        " healthy, or 20 to 40 healthy and 100 changed",
        _normal,
        tuple(change.name for change in CHANGES),
        target=0.04,
        pane=PANE_ROWS,
        unit="rows",
    ),
    "flights": Stage(
        "10 features of January to March, reference of 45 random days, the other 45 live in panes"
        " of three hours; a change begins on live day 5 to 15",
        _flights,
        tuple(flights.CHANGES),
        target=0.5,
        pane=1 / flights.PANES_PER_DAY,
        unit="days",
        missing_values=True,
    ),
}
