"""Changes that last, and end: how often an incident opens for one change, and when it resolves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.quality.detector import counted, evaluator, plan
from benchmarks.quality.figures import delays
from benchmarks.quality.streams import NORMAL, PANE_ROWS, Draw, autoregressive
from monitor.calibration.backtest import RecentPanes
from monitor.decisions.incidents import Change

FEATURES = 5
HEALTHY, CHANGED, AFTER = 20, 200, 150  # panes
BUDGET = 0.05
REFERENCES: dict[str, tuple[Draw, int]] = {
    "independent": (NORMAL, 20),
    "ar-0.9": (autoregressive(0.9), 20),
    "ar-0.99": (autoregressive(0.99), 80),
}
SIGMAS = (0.5, 0.25, 0.1)
CASES = [(name, sigmas) for name in REFERENCES for sigmas in SIGMAS]


@dataclass(frozen=True, slots=True)
class Lasting:
    """What became of one change of one feature."""

    changes: Counter[str]  # events of the feature, from the change on
    panes: int  # in the windows that showed that it was over; 0: none
    resolved: int | None  # panes from the end of the change to its last resolution


def run(case: tuple[str, float], seed: int) -> Lasting:
    """The first feature is shifted for ``CHANGED`` panes, and then is as before."""
    (name, sigmas), rng = case, np.random.default_rng(60_000 + seed)
    draw, reference_panes = REFERENCES[name]
    reference = next(draw(rng, [reference_panes * PANE_ROWS], FEATURES))
    panes = HEALTHY + CHANGED + AFTER
    by = evaluator(
        plan(BUDGET, panes, watch_traffic=False), np.array_split(reference, reference_panes)
    )
    live = list(draw(rng, [PANE_ROWS] * panes, FEATURES))
    for rows in live[HEALTHY : HEALTHY + CHANGED]:
        rows[:, 0] += sigmas
    recent, found = RecentPanes(by, []), list[tuple[int, str, int]]()
    for number, counts in enumerate(counted(by, live)):
        recent.append(counts)
        for event in recent.step(number)[1]:
            if event.incident.subject == "data/x0" and number >= HEALTHY:
                length = event.incident.clear_length_ms // by.plan.windows.pane_ms
                found.append((number + 1 - HEALTHY - CHANGED, event.change, length))
    ends = [(at, length) for at, change, length in found if change == Change.RESOLVED and at > 0]
    at, length = ends[0] if ends else (None, 0)
    return Lasting(Counter(change for _, change, _ in found), length, at)


def figures(found: Sequence[Lasting]) -> dict[str, Any]:
    """Means of the events of one change, and panes until it is resolved after its end."""
    with_one = [one for one in found if one.changes]
    means = {
        change: float(np.mean([one.changes[change] for one in found]))
        for change in (Change.OPENED, Change.REOPENED, Change.REPEATED)
    }
    within = [one.resolved is not None and one.resolved <= 2 * one.panes for one in with_one]
    return {
        **means,
        **delays([one.resolved for one in with_one]),
        "within two windows": float(np.mean(within)) if within else None,
    }
