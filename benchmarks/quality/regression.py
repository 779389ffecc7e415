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
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.quality.task_runs import delays, judged, null, shown
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.plan import DAY, HOUR
from monitor.tasks.regression import REGRESSION
from monitor.windows.findings import Findings

RESULTS = Path(__file__).parents[1] / "results" / "regression.json"
DAYS, ROWS_AN_HOUR = 14, 10
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
        found[name] = null(partial(_findings, name), runs)
        print(f"{name:18}", shown(found[name]), flush=True)
    for change in CHANGES if changes else ():
        for name in NULLS:
            key = f"{change}, {name}"
            found[key] = delays(partial(_findings, name, change=change), changes, _changed())
            print(f"{key:34}", shown(found[key]), flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _changed() -> int:
    return DAYS * DAY + CHANGE_MS


def _findings(name: str, seed: int, change: str | None = None) -> Findings:
    rng = np.random.default_rng(seed)
    rows = _drawn(rng, name, change)
    return judged(rows, DAYS, REGRESSION)


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


if __name__ == "__main__":
    main()
