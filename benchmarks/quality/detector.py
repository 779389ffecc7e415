"""Driftline's own detection on arrays of rows, without Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from monitor.counts.columns import Predictions
from monitor.counts.counts import Counts
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.counts.summary import Quality
from monitor.counts.values import Column
from monitor.plan import HOUR, Budget, Drift, Plan, Traffic, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator

Rows = NDArray[np.float64]  # shape (rows, features)

ROWS_AT_ONCE = 12_500  # approximately; rows that are located in one call


def plan(budget: float, panes: int, *, watch_traffic: bool = True) -> Plan:
    """``budget`` false alarms in ``panes`` panes. Displayed windows are single panes."""
    allowance = Budget(budget, panes * HOUR)
    return Plan(
        Windows(HOUR, HOUR, HOUR, 10**6 * HOUR),
        drift=Drift(warning=allowance, critical=allowance, critical_effect=0.0),
        traffic=Traffic(watch=watch_traffic),
    )


def evaluator(of: Plan, reference: Sequence[Rows], categorical: int = 0) -> Evaluator:
    """``reference`` holds the rows of each pane in order of time, NaN if missing. Scores are noise.

    The first ``categorical`` columns hold numbers of categories.
    """
    rows = np.concatenate(reference)
    n = len(rows)
    pane = np.repeat(np.arange(len(reference)), [len(each) for each in reference])
    score = np.random.default_rng(0).random(n)
    predictions = Predictions(
        [str(i) for i in range(n)],
        pane.astype(np.int64) * HOUR,
        score,
        (score >= 0.5).astype(np.int64),
        {f"x{i}": _column(rows[:, i], i < categorical) for i in range(rows.shape[1])},
    )
    profile = build_profile(
        "stream",
        "1",
        ReferenceRows(predictions),
        pane_ms=HOUR,
        threshold=0.5,
        categorical=[f"x{i}" for i in range(categorical)],
        task=BINARY,
    )
    return Evaluator.of(of, profile)


def _column(values: NDArray[np.float64], categorical: bool) -> Column:
    return [f"c{value:.0f}" for value in values] if categorical else values


def counted(by: Evaluator, panes: Iterable[Rows]) -> Iterator[Counts]:
    """The counts of each pane, in the cells of the evaluator."""
    kinds = len(list(by.profile.schema.categorical))
    samples = [reference.sample for _, reference in by.profile.schema.numeric]
    places = list(
        zip(samples, by.data.ecdf_table.offsets.tolist(), strict=False)
    )  # the score is last
    for some in _together(panes):
        columns = np.ascontiguousarray(np.concatenate(some).T[kinds:])
        bins = np.full(columns.shape, -1)
        for (sample, start), column, into in zip(places, columns, bins, strict=True):
            there = ~np.isnan(column)
            into[there] = start + sample.locate(column[there])
        edges = np.cumsum([0, *map(len, some)]).tolist()
        for rows, (start, end) in zip(some, pairwise(edges), strict=True):
            met = bins[:, start:end]
            found = Counts.of(met[met >= 0])
            yield Counts.total([found, *_categories(by, rows), _quality(by, rows)])


def _together(panes: Iterable[Rows]) -> Iterator[list[Rows]]:
    some: list[Rows] = []
    for rows in panes:
        some.append(rows)
        if sum(map(len, some)) >= ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _categories(by: Evaluator, rows: Rows) -> Iterator[Counts]:
    group = np.zeros(len(rows), dtype=np.int64)
    for i, (name, reference) in enumerate(by.profile.schema.categorical):
        (found,) = reference.tally(_column(rows[:, i], True), group, 1).values
        yield Counts(found.index + by.data.cell_index.offsets[f"categories/{name}"][0], found.count)


def _quality(by: Evaluator, rows: Rows) -> Counts:
    """The number of rows, and of missing values of each feature."""
    offsets = by.data.cell_index.offsets
    starts = [offsets[f"quality/x{i}"][0] + Quality.MISSING for i in range(rows.shape[1])]
    missing = np.isnan(rows).sum(axis=0)
    return Counts.of([*starts, offsets["rows"][0]], [*missing.tolist(), len(rows)])
