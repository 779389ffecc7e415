"""One run each: a fresh reference, a stream, and what Driftline raises in it. All are seeded."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from benchmarks.quality import flights
from benchmarks.quality.detector import Rows, counted, plan, watch
from benchmarks.quality.streams import PANE_ROWS, SCENARIOS
from monitor.rehearsal import Raised, raised
from monitor.watch import Watch

BUDGET, PANES = 0.05, 100
HISTORY = (20, 41)  # healthy panes before a change
STORM = flights.PANES_PER_DAY  # incidents that no longer window raises are told apart


def healthy(name: str, seed: int) -> int:
    """How many incidents open in 100 healthy panes."""
    scenario, rng = SCENARIOS[name], np.random.default_rng(seed)
    by = _watch(scenario.reference(rng), scenario.categorical)
    heard = raised(by, counted(by, scenario.live(rng, PANES)))
    return sum(one.opened for one in heard)


def delay(name: str, seed: int) -> float | str | None:
    """Rows from the change to the end of the window that alarms; None if 100 panes show nothing.

    ``"early"`` if an incident opened before.
    """
    scenario, rng = SCENARIOS[name], np.random.default_rng(10_000 + seed)
    by = _watch(scenario.reference(rng), scenario.categorical)
    at = int(rng.integers(*HISTORY))
    live = scenario.live(rng, at + PANES, at)
    pane = _first(raised(by, counted(by, live)), at)
    return pane if pane is None or isinstance(pane, str) else (pane + 1 - at) * float(PANE_ROWS)


def _first(heard: Iterable[Raised], at: int) -> int | str | None:
    opened = next((one for one in heard if one.opened), None)
    if opened is None:
        return None
    return opened.pane if opened.pane >= at else "early"


def _watch(reference: Rows, categorical: int) -> Watch:
    panes = max(1, len(reference) // PANE_ROWS)
    return watch(plan(BUDGET, PANES), np.array_split(reference, panes), categorical)


def healthy_flights(quarter: int, seed: int | None) -> tuple[int, int, int]:
    """Incidents of distributions in 45 healthy days, and how many were storms of less than a day.

    The third are those of missing values: the weather service was silent for hours, now and then.

    Without a seed: the first 45 days of the quarter as reference, then the next.
    """
    found = flights.load_quarter(quarter)
    if seed is None:
        reference, live = np.arange(flights.LIVE_DAYS), np.arange(flights.LIVE_DAYS, 90)
    else:
        reference, live = found.days(np.random.default_rng(seed))
    panes = found.panes(live)
    by = watch(plan(BUDGET, len(panes)), found.panes(reference))
    longest: dict[str, int] = {}
    missing: set[str] = set()
    for one in raised(by, counted(by, panes)):
        if one.subject.startswith("quality/"):
            missing.add(one.incident)
        else:
            longest[one.incident] = max(longest.get(one.incident, 0), one.longest)
    return len(longest), sum(panes <= STORM for panes in longest.values()), len(missing)


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
    by = watch(plan(BUDGET, len(panes)), found.panes(reference))
    column = flights.FEATURES.index(flights.CHANGES[change][0])
    return _days_until(raised(by, counted(by, panes)), f"data/x{column}", at)


def _days_until(heard: Iterable[Raised], subject: str, at: int) -> float | None:
    for one in heard:
        if one.subject == subject and one.pane >= at:
            return (one.pane + 1 - at) / flights.PANES_PER_DAY
    return None
