"""Runs of a task through the whole pipeline: incidents if nothing has changed, and delays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import beta

from consumers.batch.findings import findings_of
from consumers.batch.inputs import between
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.counts.task import Task
from monitor.decisions.incidents import Change
from monitor.plan import DAY, Budget, Drift, Plan, Time, Windows
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings

BUDGET = 0.05  # incidents in a live stream

Run = Callable[[int], Findings]  # of a seed
Opened = list[tuple[str, int]]  # subject, end of the window


def judged(rows: ReferenceRows, days: int, task: Task, windows: Windows | None = None) -> Findings:
    """The first half of ``rows`` is the reference, the other one is live for ``days``."""
    windows = windows or Windows()
    middle_ms = days * DAY
    profile = build_profile(
        "m", "1", between(rows, None, middle_ms), pane_ms=windows.pane_ms, threshold=0.5, task=task
    )
    plan = Plan(
        windows,
        Time(lateness_ms=0),
        Drift(warning=Budget(BUDGET, middle_ms), critical=Budget(BUDGET, 4 * middle_ms)),
    )
    return findings_of(Evaluator.of(plan, profile), between(rows, middle_ms, None))[1]


def null(run: Run, runs: int) -> dict[str, Any]:
    """The share of runs with any incident, with the limits of Clopper and Pearson (95%)."""
    return share([opened_incidents(run(seed)) for seed in range(runs)])


def share(opened: Sequence[Opened]) -> dict[str, Any]:
    """Of runs, by the incidents that opened in each."""
    runs = len(opened)
    alarmed = sum(bool(one) for one in opened)
    subjects = sorted({subject for one in opened for subject, _ in one})
    low, high = beta.ppf(
        [0.025, 0.975], [alarmed, alarmed + 1], [runs - alarmed + 1, runs - alarmed]
    )
    return {
        "runs": runs,
        "with any incident": alarmed / runs,
        "low": 0.0 if np.isnan(low) else float(low),
        "high": float(high),
        "subjects": {s: sum(s in {x for x, _ in one} for one in opened) for s in subjects},
    }


def delays(run: Run, runs: int, changed_ms: int) -> dict[str, Any]:
    """Days from the change to the end of the first window that opens an incident after it."""
    return delay([opened_incidents(run(10_000 + seed)) for seed in range(runs)], changed_ms)


def delay(runs: Sequence[Opened], changed_ms: int) -> dict[str, Any]:
    """Of runs, by the incidents that opened in each."""
    days = []
    for one in runs:
        opened = [ms for _, ms in one if ms > changed_ms]
        days.append((min(opened) - changed_ms) / DAY if opened else np.inf)
    ranked = np.sort(days)
    return {
        "runs": len(runs),
        "missed": float(np.mean(np.isinf(ranked))),
        "median days": float(ranked[len(ranked) // 2]),
        "p90 days": float(ranked[int(0.9 * len(ranked))]),
    }


def shown(figures: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()
    )


def opened_incidents(found: Findings) -> Opened:
    """Subject and end of the window of each incident that opened."""
    return [
        (one.incident.subject, one.end_ms)
        for one in found.transitions
        if one.change is Change.OPENED
    ]
