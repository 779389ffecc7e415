"""The test of the number of rows: false alarms in 30 healthy days, and delays of changes."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from benchmarks.quality.flights import LIVE_DAYS, PANES_PER_DAY, load_quarter
from monitor.budget import SHARES, Length, Levels
from monitor.plan import DAY, Budget
from monitor.statistics.traffic import TrafficCheck

Counts = NDArray[np.int64]  # rows of consecutive panes

HOURS, DAYS = 24, 30
WARNING, CRITICAL = Budget(1, 7 * DAY), Budget(1, 30 * DAY)
HEALTHY = ("poisson 3", "poisson 100", "day and night", "busy days")
CHANGES = {"no rows": 0.0, "a third": 1 / 3, "half": 0.5, "two thirds": 2 / 3, "twice": 2.0}


def false_alarms(name: str, seed: int) -> int:
    """Windows with too few or too many rows in 30 healthy days; the reference is as long."""
    rng = np.random.default_rng(40_000 + seed)
    rates = _rates(name, rng)
    rows = rng.poisson(rates)
    return len(_found(_check(rows[: DAYS * HOURS], HOURS), rows[DAYS * HOURS :]))


def flights(quarter: int, seed: int) -> int:
    """The same for 45 days of flights, drawn at random, with the other days as the reference."""
    found = load_quarter(quarter)
    rows = np.bincount(found.pane, minlength=(int(found.pane[-1]) // PANES_PER_DAY + 1) * 8)
    by_day = rows.reshape(-1, PANES_PER_DAY)
    reference, live = found.days(np.random.default_rng(seed))
    check = _check(by_day[reference].ravel(), PANES_PER_DAY)
    return len(_found(check, by_day[live][:LIVE_DAYS].ravel()))


def delay(change: str, seed: int) -> float | None:
    """Hours until the first alarm after a change of the rate of rows, which has day and night."""
    rng = np.random.default_rng(50_000 + seed)
    rates = _rates("day and night", rng)
    at = int(rng.integers(0, HOURS))
    rates[DAYS * HOURS + at :] *= CHANGES[change]
    rows = rng.poisson(rates)
    ends = _found(_check(rows[: DAYS * HOURS], HOURS), rows[DAYS * HOURS :])
    after = [end - at for end in ends if end > at]
    return float(min(after)) if after else None


def _rates(name: str, rng: Generator) -> NDArray[np.float64]:
    """Rows to expect in each hour of 60 days."""
    hours = np.arange(2 * DAYS * HOURS)
    if name.startswith("poisson"):
        return np.full(hours.size, float(name.removeprefix("poisson ")))
    rates = 100 * (1 + 0.8 * np.sin(2 * np.pi * hours / HOURS))
    days = rng.normal(0, 0.2 if name == "busy days" else 0.05, 2 * DAYS)
    return rates * np.exp(np.repeat(days, HOURS))


def _check(reference: Counts, per_day: int) -> TrafficCheck:
    scales = [Length.of_scale(2**k) for k in range((14 * per_day).bit_length())]
    lengths, pane_ms = sorted({*scales, Length(per_day, per_day)}), DAY // per_day
    share = SHARES["traffic"] / len(lengths)
    levels = {
        one: Levels(
            share * WARNING.per(one.slide * pane_ms), share * CRITICAL.per(one.slide * pane_ms)
        )
        for one in lengths
    }
    return TrafficCheck.of(reference.tolist(), levels)


def _found(check: TrafficCheck, live: Counts) -> list[int]:
    """The ends of the windows that alarm, in panes."""
    sums = np.concatenate([[0], np.cumsum(live)])
    ends = []
    for length in check.blocks:
        for start in range(0, live.size - length.panes + 1, length.slide):
            end = start + length.panes
            judged = check.judge(int(sums[end] - sums[start]), length)
            if judged is not None and judged.severity is not None:
                ends.append(end)
    return ends
