"""Single runs of the benchmark: a reference, a stream, and the incidents in it. All are seeded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from benchmarks.quality import flights
from benchmarks.quality.detector import Rows, counted, evaluator, plan
from benchmarks.quality.streams import PANE_ROWS, SCENARIOS
from monitor.calibration.backtest import Alarm, alarms
from monitor.events.event_time import Arrival, classify_arrivals, newest_before
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator

BUDGET, PANES = 0.05, 100
HISTORY = (20, 41)  # healthy panes before a change
STORM = flights.PANES_PER_DAY


def healthy(name: str, seed: int) -> int:
    """The number of incidents that open in 100 healthy panes."""
    scenario, rng = SCENARIOS[name], np.random.default_rng(seed)
    by = _evaluator(scenario.reference(rng), scenario.categorical)
    live = scenario.live(rng, PANES)
    if scenario.delay:
        live = on_time(rng, list(live), scenario.delay, by.plan)
    return sum(one.opened for one in alarms(by, counted(by, live)))


def on_time(rng: Generator, panes: Sequence[Rows], delay: float, of: Plan) -> Iterator[Rows]:
    """The rows that are on time in their single partition, by which windows are tested.

    Rows lie anywhere in their panes, and arrive after an exponential ``delay``, in panes.
    """
    pane_ms = of.windows.pane_ms
    pane = np.repeat(np.arange(len(panes)), [len(rows) for rows in panes])
    time_ms = pane * pane_ms + rng.integers(0, pane_ms, pane.size)
    order = np.argsort(time_ms + rng.exponential(delay * pane_ms, pane.size))
    found = classify_arrivals(
        newest_before(None, time_ms[order]),
        (pane[order] + 1) * pane_ms,
        np.full(pane.size, of.time.lateness_ms),
        np.full(pane.size, of.time.accept_late_ms),
    )
    kept = np.empty(pane.size, dtype=bool)
    kept[order] = found == Arrival.ON_TIME
    for number, rows in enumerate(panes):
        yield rows[kept[pane == number]]


def delay(name: str, seed: int) -> float | str | None:
    """Rows from the change to the end of the window that alarms. None without one in 100 panes.

    ``"early"`` if an incident opened before the change.
    """
    scenario, rng = SCENARIOS[name], np.random.default_rng(10_000 + seed)
    by = _evaluator(scenario.reference(rng), scenario.categorical)
    at = int(rng.integers(*HISTORY))
    live = scenario.live(rng, at + PANES, at)
    pane = _first(alarms(by, counted(by, live)), at)
    return pane if pane is None or isinstance(pane, str) else (pane + 1 - at) * float(PANE_ROWS)


def _first(alarms_found: Iterable[Alarm], at: int) -> int | str | None:
    opened = next((one for one in alarms_found if one.opened), None)
    if opened is None:
        return None
    return opened.pane if opened.pane >= at else "early"


def _evaluator(reference: Rows, categorical: int) -> Evaluator:
    panes = max(1, len(reference) // PANE_ROWS)
    return evaluator(plan(BUDGET, PANES), np.array_split(reference, panes), categorical)


@dataclass(frozen=True, slots=True)
class Healthy:
    """Incidents that opened in 45 healthy days of flights.

    Storms are incidents that were raised by windows of up to a day only, and resolved before the
    last day: from weather, or from gaps of some hours in the weather data.
    """

    distributions: int  # other than storms
    storms: int
    missing: int  # of missing values, other than storms
    missing_storms: int


def healthy_flights(quarter: int, seed: int | None) -> Healthy:
    """Without a seed, the first 45 days of the quarter are the reference of the next 45."""
    found = flights.load_quarter(quarter)
    if seed is None:
        reference, live = np.arange(flights.LIVE_DAYS), np.arange(flights.LIVE_DAYS, 90)
    else:
        reference, live = found.days(np.random.default_rng(seed))
    panes = found.panes(live)
    by = evaluator(plan(BUDGET, len(panes)), found.panes(reference))
    alarms_found = list(alarms(by, counted(by, panes)))
    last_day = len(panes) - STORM
    opened = {one.incident for one in alarms_found}
    lasting = {one.incident for one in alarms_found if one.longest > STORM or one.pane >= last_day}
    missing = {one.incident for one in alarms_found if one.primary.startswith("quality/")}
    storms, moved = opened - lasting, opened - missing
    return Healthy(
        len(moved - storms), len(moved & storms), len(missing - storms), len(missing & storms)
    )


def flights_delay(change: str, seed: int) -> float | None:
    """Days from a change in the first quarter to the end of the window that says so.

    It begins at a random pane after 5 to 15 healthy days; only incidents of the changed feature
    that open after it count.
    """
    rng, found = np.random.default_rng(20_000 + seed), flights.load_quarter(1)
    reference, live = found.days(rng)
    at = int(rng.integers(5 * flights.PANES_PER_DAY, 15 * flights.PANES_PER_DAY + 1))
    panes = found.panes(live)
    flights.change(panes, change, at)
    by = evaluator(plan(BUDGET, len(panes)), found.panes(reference))
    column = flights.FEATURES.index(flights.CHANGES[change][0])
    return _days_until(alarms(by, counted(by, panes)), f"data/x{column}", at)


def _days_until(alarms_found: Iterable[Alarm], subject: str, at: int) -> float | None:
    for one in alarms_found:
        if one.subject == subject and one.pane >= at:
            return (one.pane + 1 - at) / flights.PANES_PER_DAY
    return None
