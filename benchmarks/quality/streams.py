"""Synthetic streams, healthy and changed, for every detector alike. Needs numpy alone.

A scenario draws a healthy reference and a live stream, pane by pane; the change begins with the
first row of pane ``change_at``::

    pane      0 ... change_at - 1 | change_at ...
    rows      as the reference    | altered, ever after

What alters the rows has a generator of its own, so that one seed gives the same healthy rows
whatever the change and whether it comes or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Rows = NDArray[np.float64]  # shape (rows, features)
Draw = Callable[[Generator, Iterable[int], int], Iterator[Rows]]  # of so many rows each
Alter = Callable[[Generator, Rows, int], None]  # in place, so many panes after the change

PANE_ROWS = 500
CATEGORIES = (0.30, 0.20, 0.15, 0.10, 0.10, 0.06, 0.05, 0.04)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Where rows come from, and what becomes of them."""

    name: str
    draw: Draw
    alter: Alter | None = None
    features: int = 20
    categorical: int = 0  # so many of the features, from the first on, hold numbers of categories
    reference_rows: int = 10_000
    pane_rows: tuple[int, int] = (PANE_ROWS, PANE_ROWS)  # from, to; between them on a log scale
    delay: float = 0.0  # of rows on their way, in panes; the mean of an exponential distribution

    def reference(self, rng: Generator) -> Rows:
        """Healthy rows in time order, shape (reference_rows, features)."""
        return next(self.draw(rng, [self.reference_rows], self.features))

    def live(self, rng: Generator, panes: int, change_at: int | None = None) -> Iterator[Rows]:
        """So many panes, drawn as they are asked for; without ``change_at`` all are healthy."""
        altering, sizing = rng.spawn(2)
        sizes = _sizes(sizing, self.pane_rows)
        drawn = self.draw(rng, sizes, self.features)
        for pane, rows in zip(range(panes), drawn, strict=False):
            if change_at is not None and pane >= change_at and self.alter is not None:
                self.alter(altering, rows, pane - change_at)
            yield rows


def _sizes(rng: Generator, pane_rows: tuple[int, int]) -> Iterator[int]:
    low, high = pane_rows
    if low == high:
        yield from repeat(low)
    while True:
        yield round(low * (high / low) ** rng.random())


def independent(sample: Callable[[Generator, tuple[int, int]], Rows]) -> Draw:
    """Panes that know nothing of each other."""

    def draw(rng: Generator, sizes: Iterable[int], features: int) -> Iterator[Rows]:
        for rows in sizes:
            yield sample(rng, (rows, features))

    return draw


def autoregressive(phi: float) -> Draw:
    """AR(1) with unit variance in each feature; the memory reaches over the edges of panes."""

    def draw(rng: Generator, sizes: Iterable[int], features: int) -> Iterator[Rows]:
        last = rng.standard_normal(features)
        for size in sizes:
            rows = np.sqrt(1 - phi**2) * rng.standard_normal((size, features))
            for row in rows:
                row += phi * last
                last = row
            yield rows

    return draw


def _normal(rng: Generator, shape: tuple[int, int]) -> Rows:
    return rng.standard_normal(shape)


def _correlated(rng: Generator, shape: tuple[int, int]) -> Rows:
    """Any two features correlate by 0.9."""
    common = rng.standard_normal((shape[0], 1))
    return np.sqrt(0.9) * common + np.sqrt(0.1) * rng.standard_normal(shape)


def _discrete(rng: Generator, shape: tuple[int, int]) -> Rows:
    """Counts, and a last feature that is always 1."""
    rows = rng.poisson(3, shape).astype(np.float64)
    rows[:, -1] = 1.0
    return rows


def _gaps(rng: Generator, shape: tuple[int, int]) -> Rows:
    """One value in a hundred of the first feature is missing."""
    rows = rng.standard_normal(shape)
    rows[rng.random(shape[0]) < 0.01, 0] = np.nan
    return rows


def _kinds(rng: Generator, shape: tuple[int, int]) -> Rows:
    """The first feature is one of eight categories."""
    rows = rng.standard_normal(shape)
    rows[:, 0] = rng.choice(len(CATEGORIES), shape[0], p=CATEGORIES)
    return rows


def _cauchy(rng: Generator, shape: tuple[int, int]) -> Rows:
    return rng.standard_cauchy(shape)


def shift(sigmas: float, features: int = 1) -> Alter:
    def alter(_: Generator, rows: Rows, __: int) -> None:
        rows[:, :features] += sigmas

    return alter


def ramp(sigmas: float, panes: int) -> Alter:
    """Climbs row by row, from the first row of the change on, and then stays."""

    def alter(_: Generator, rows: Rows, pane: int) -> None:
        passed = (pane + np.arange(1, len(rows) + 1) / len(rows)) / panes
        rows[:, 0] += sigmas * np.minimum(passed, 1.0)

    return alter


def counts(mean: float) -> Alter:
    """Poisson."""

    def alter(rng: Generator, rows: Rows, _: int) -> None:
        rows[:, 0] = rng.poisson(mean, len(rows))

    return alter


def more_of(category: int, share: float) -> Alter:
    """It takes so much more of all rows, from every other one alike."""

    def alter(rng: Generator, rows: Rows, _: int) -> None:
        taken = share / (1 - CATEGORIES[category])
        rows[rng.random(len(rows)) < taken, 0] = category

    return alter


def missing(share: float) -> Alter:
    """So many of the values that were there are not any more."""

    def alter(rng: Generator, rows: Rows, _: int) -> None:
        rows[rng.random(len(rows)) < share, 0] = np.nan

    return alter


def spread(variance: float) -> Alter:
    def alter(_: Generator, rows: Rows, __: int) -> None:
        rows[:, 0] *= np.sqrt(variance)

    return alter


def tails(freedom: float) -> Alter:
    """Student's t, scaled to unit variance."""

    def alter(rng: Generator, rows: Rows, _: int) -> None:
        rows[:, 0] = rng.standard_t(freedom, len(rows)) * np.sqrt((freedom - 2) / freedom)

    return alter


NORMAL = independent(_normal)
NONE = Scenario("none", NORMAL)
CHANGES = (
    Scenario("shift-0.5", NORMAL, shift(0.5)),
    Scenario("shift-0.25", NORMAL, shift(0.25)),
    Scenario("shift-0.1", NORMAL, shift(0.1)),
    Scenario("variance-1.3", NORMAL, spread(1.3)),
    Scenario("tails-t5", NORMAL, tails(5)),
    Scenario("five-shift-0.2", NORMAL, shift(0.2, features=5)),
    Scenario("gradual-0.5", NORMAL, ramp(0.5, panes=20)),
)
NULLS = (
    NONE,
    Scenario("correlated-0.9", independent(_correlated)),
    Scenario("discrete", independent(_discrete)),
    Scenario("cauchy", independent(_cauchy)),
    Scenario("reference-500", NORMAL, reference_rows=500),
    Scenario("features-200", NORMAL, features=200),
    Scenario("unequal-panes", NORMAL, pane_rows=(50, 2_000)),
    Scenario("late-rows", NORMAL, delay=0.2),
)
WITH_MEMORY = tuple(
    Scenario(f"ar-{phi}-reference-{panes}", autoregressive(phi), reference_rows=panes * PANE_ROWS)
    for phi in (0.9, 0.99)
    for panes in (20, 80, 160)
)
# Of other kinds of feature, and of references, than most peers can be compared on.
OTHER_CHANGES = (
    Scenario("category-10%-to-15%", independent(_kinds), more_of(3, 0.05), categorical=1),
    Scenario("missing-1%-to-3%", independent(_gaps), missing(2 / 99)),
    Scenario("discrete-0.25", independent(_discrete), counts(3 + 0.25 * 3**0.5)),
    Scenario("reference-500-shift-0.5", NORMAL, shift(0.5), reference_rows=500),
    Scenario("reference-500-shift-0.25", NORMAL, shift(0.25), reference_rows=500),
)
SCENARIOS = {each.name: each for each in (*NULLS, *CHANGES, *OTHER_CHANGES, *WITH_MEMORY)}
