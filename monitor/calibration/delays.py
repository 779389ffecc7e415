"""The delay from a simulated shift to the first window that opens an incident about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from monitor.calibration.backtest import Alarm, Backtest, incidents_of, signals
from monitor.calibration.shifted_feature import ShiftedFeature

SHIFTS = (0.25, 0.5, 1.0)  # standard deviations of the feature
HEALTHY, LATEST = 0.2, 0.5  # of the live stream, before a shift begins


@dataclass(frozen=True, slots=True)
class Delay:
    """From a shift to the end of the first window that opened an incident about it."""

    panes: int | None  # None: missed, or early
    window: int | None = None  # panes in the window that found it
    early: bool = False  # an incident of the feature was open when the shift began: no delay


def delays(
    backtest: Backtest, feature: str, rng: np.random.Generator, shifts: Sequence[float] = SHIFTS
) -> dict[float, Delay]:
    """Delays of one numeric feature, by shift in its standard deviations.

    The shift begins at a random pane between a fifth and a half of the live stream. Only the
    counts of the feature change, and only its own tests are made.
    """
    shifted = ShiftedFeature.of(backtest, feature)
    evaluator, panes = shifted.evaluator, len(backtest.panes)
    at = int(rng.integers(int(HEALTHY * panes), max(int(LATEST * panes), int(HEALTHY * panes) + 1)))
    before = shifted.panes()[:at]
    healthy = list(signals(evaluator, before))
    found: dict[float, Delay] = {}
    for shift in shifts:
        after = shifted.panes(shift)[at:]
        by_pane = chain(healthy, signals(evaluator, [*before, *after], at))
        found[shift] = _first(incidents_of(evaluator, [*before, *after], by_pane), at)
    return found


def _first(alarms: Iterable[Alarm], at: int) -> Delay:
    open_before = set[str]()
    for alarm in alarms:
        if alarm.pane < at:
            open_before.add(alarm.incident)
        elif alarm.incident in open_before:
            return Delay(None, early=True)
        else:
            return Delay(alarm.pane + 1 - at, alarm.longest)
    return Delay(None)


@dataclass(frozen=True, slots=True)
class Delays:
    """Quantiles over all splits in milliseconds of event time; a miss is infinite (None)."""

    median_ms: int | None
    p90_ms: int | None
    missed: float  # proportion of the runs
    runs: int  # without early ones
    early: int
    windows: dict[int, int]  # panes of the window that found it -> how often


def summarize_delays(found: Sequence[Delay], pane_ms: int) -> Delays:
    runs = [delay for delay in found if not delay.early]
    panes = sorted(np.inf if delay.panes is None else delay.panes for delay in runs)
    windows = Counter(delay.window for delay in runs if delay.window is not None)
    return Delays(
        _quantile_ms(panes, 0.5, pane_ms),
        _quantile_ms(panes, 0.9, pane_ms),
        sum(delay.panes is None for delay in runs) / len(runs) if runs else 0.0,
        len(runs),
        len(found) - len(runs),
        dict(sorted(windows.items())),
    )


def _quantile_ms(panes: Sequence[float], quantile: float, pane_ms: int) -> int | None:
    if not panes:
        return None
    value = panes[max(int(np.ceil(quantile * len(panes))) - 1, 0)]
    return None if np.isinf(value) else int(value) * pane_ms
