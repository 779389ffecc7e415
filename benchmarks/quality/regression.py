"""Incidents of a regression if nothing has changed, and the delay of a bias and a wider spread.

    python -m benchmarks.quality.regression [--runs 200] [--changes 40]

prints a table and writes ``benchmarks/results/regression.json``. A run draws a reference of 14 days
and a live stream of 14 days, ten rows an hour, with residuals that are

* heteroscedastic: their spread grows with the prediction, and so with the feature;
* heavy-tailed: Student's t with three degrees of freedom;
* autocorrelated: AR(1) over the rows, with a correlation of 0.9 from row to row.

The whole pipeline of the product counts, joins and judges the rows: features, predictions, errors,
performance, quality, coverage and traffic. Its budget is 0.05 incidents in the live stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import beta

from consumers.batch.findings import findings_of
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.decisions.incidents import Change
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Time, Windows
from monitor.tasks.regression import REGRESSION
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import Findings

RESULTS = Path(__file__).parents[1] / "results" / "regression.json"
DAYS, ROWS_AN_HOUR, BUDGET = 14, 10, 0.05
CHANGE_MS = 4 * DAY  # from the begin of the live stream

Floats = NDArray[np.float64]


def heteroscedastic(rng: Generator, x: Floats) -> Floats:
    return rng.normal(size=x.size) * (1 + np.abs(x)) / np.sqrt(1 + 2 * np.sqrt(2 / np.pi) + 1)


def heavy_tailed(rng: Generator, x: Floats) -> Floats:
    return rng.standard_t(3, x.size) / np.sqrt(3)


def autocorrelated(rng: Generator, x: Floats) -> Floats:
    noise = rng.normal(size=x.size + 200) * np.sqrt(1 - 0.9**2)
    return np.asarray(lfilter([1.0], [1.0, -0.9], noise)[200:])


NULLS: Mapping[str, Callable[[Generator, Floats], Floats]] = {
    "heteroscedastic": heteroscedastic,
    "heavy-tailed": heavy_tailed,
    "autocorrelated": autocorrelated,
}
CHANGES: Mapping[str, Callable[[Floats], Floats]] = {
    "bias of 0.25 sigma": lambda residuals: residuals + 0.25,
    "variance x 1.3": lambda residuals: residuals * np.sqrt(1.3),
}


@click.command()
@click.option("--runs", default=200, show_default=True)
@click.option("--changes", default=40, show_default=True, help="Runs of each change.")
def main(runs: int, changes: int) -> None:
    """Measure, print the table and write the results."""
    found: dict[str, Any] = {}
    for name in NULLS:
        found[name] = _null(name, runs)
        print(f"{name:18}", _shown(found[name]), flush=True)
    for change in CHANGES if changes else ():
        for name in NULLS:
            key = f"{change}, {name}"
            found[key] = _delays(name, change, changes)
            print(f"{key:34}", _shown(found[key]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _shown(figures: Mapping[str, Any]) -> str:
    return "  ".join(
        f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()
    )


def _null(name: str, runs: int) -> dict[str, Any]:
    """The share of runs with any incident, with the limits of Clopper and Pearson (95%)."""
    opened = [_opened(_findings(name, seed)) for seed in range(runs)]
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


def _delays(name: str, change: str, runs: int) -> dict[str, Any]:
    """Days from the change to the end of the first window that opens an incident after it."""
    days = []
    for seed in range(runs):
        opened = [
            ms for _, ms in _opened(_findings(name, 10_000 + seed, change)) if ms > _changed()
        ]
        days.append((min(opened) - _changed()) / DAY if opened else np.inf)
    ranked = np.sort(days)
    return {
        "runs": runs,
        "missed": float(np.mean(np.isinf(ranked))),
        "median days": float(ranked[len(ranked) // 2]),
        "p90 days": float(ranked[int(0.9 * len(ranked))]),
    }


def _changed() -> int:
    return DAYS * DAY + CHANGE_MS


def _findings(name: str, seed: int, change: str | None = None) -> Findings:
    rng = np.random.default_rng(seed)
    rows = _drawn(rng, name, change)
    half = rows.predictions.time_ms.size // 2
    reference, live = _part(rows, slice(0, half)), _part(rows, slice(half, None))
    profile = build_profile("m", "1", reference, pane_ms=HOUR, threshold=0.5, task=REGRESSION)
    budget = Budget(BUDGET, DAYS * DAY)
    plan = Plan(
        Windows(),
        Time(lateness_ms=0),
        Drift(warning=budget, critical=Budget(BUDGET, 4 * DAYS * DAY)),
    )
    return findings_of(Evaluator.of(plan, profile), live)[1]


def _drawn(rng: Generator, name: str, change: str | None) -> ReferenceRows:
    n = 2 * DAYS * 24 * ROWS_AN_HOUR
    x = rng.normal(size=n)
    residuals, time_ms = NULLS[name](rng, x), np.arange(n) * (HOUR // ROWS_AN_HOUR)
    if change is not None:
        residuals = np.where(time_ms >= _changed(), CHANGES[change](residuals), residuals)
    prediction = 20 + 5 * x
    ids = [str(i) for i in range(n)]
    predictions = Predictions(ids, time_ms, prediction, np.zeros(n, dtype=np.int64), {"x": x})
    return ReferenceRows(predictions, prediction - residuals, time_ms + HOUR)


def _part(rows: ReferenceRows, chosen: slice) -> ReferenceRows:
    p = rows.predictions
    assert rows.label is not None
    assert rows.label_time_ms is not None
    features = {name: np.asarray(values)[chosen] for name, values in p.features.items()}
    part = Predictions(
        p.ids[chosen], p.time_ms[chosen], p.score[chosen], p.predicted[chosen], features
    )
    return ReferenceRows(part, rows.label[chosen], rows.label_time_ms[chosen])


def _opened(found: Findings) -> list[tuple[str, int]]:
    """Subject and end of the window of each incident that opened."""
    return [
        (one.incident.subject, one.end_ms)
        for one in found.transitions
        if one.change is Change.OPENED
    ]


if __name__ == "__main__":
    main()
