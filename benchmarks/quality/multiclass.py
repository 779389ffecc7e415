"""Incidents of a classifier of several classes if nothing has changed, and delays of changes.

    python -m benchmarks.quality.multiclass [--runs 200] [--changes 40]

prints a table and writes ``benchmarks/results/multiclass.json``. A run draws a reference of 14 days
and a live stream of 14 days, twenty rows an hour, of two features. The probabilities of the classes
are those of a multinomial logistic model, and the labels are drawn from them:

* 3 classes, the last one of about 1% of the rows;
* 20 classes, likewise;
* 20 classes without probabilities: only predictions and labels.

From the fifth day on, a class takes five percentage points more of the rows than before, among
labels and predictions.

The whole pipeline of the product counts, joins and judges the rows, in panes of four hours and
windows of a day. Its budget is 0.05 incidents in the live stream.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import softmax

from benchmarks.quality.task_runs import delays, judged, null, shown
from monitor.counts.classes import class_numbers
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.counts.values import Coded
from monitor.plan import DAY, HOUR, Windows
from monitor.tasks.multiclass import Multiclass
from monitor.windows.findings import Findings

RESULTS = Path(__file__).parents[1] / "results" / "multiclass.json"
DAYS, ROWS_AN_HOUR = 14, 20
WINDOWS = Windows(4 * HOUR, DAY, DAY)
CHANGED_MS = (DAYS + 4) * DAY
MORE = 0.05  # of the rows
RARE = 0.01

Floats = NDArray[np.float64]


class Stream(NamedTuple):
    classes: int
    scored: bool


STREAMS: Mapping[str, Stream] = {
    "3 classes": Stream(3, True),
    "20 classes": Stream(20, True),
    "20 classes, no probabilities": Stream(20, False),
}


@click.command()
@click.option("--runs", default=200, show_default=True)
@click.option("--changes", default=40, show_default=True, help="Runs of each change.")
@click.option("--only", type=click.Choice(list(STREAMS)), multiple=True)
def main(runs: int, changes: int, only: tuple[str, ...]) -> None:
    """Measure, print the table and write the results; those of other streams stay."""
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in only or STREAMS:
        found[name] = null(partial(_findings, name), runs)
        print(f"{name:28}", shown(found[name]), flush=True)
        key = f"a class takes 5% more, {name}"
        found[key] = delays(partial(_findings, name, changed=True), changes, CHANGED_MS)
        print(f"{key:52}", shown(found[key]), flush=True)
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _findings(name: str, seed: int, changed: bool = False) -> Findings:
    stream, rng = STREAMS[name], np.random.default_rng(seed)
    n = 2 * DAYS * 24 * ROWS_AN_HOUR
    time_ms, x = np.arange(n) * (HOUR // ROWS_AN_HOUR), rng.normal(size=(n, 2))
    probability = _probabilities(stream.classes, x)
    if changed:
        after = time_ms >= CHANGED_MS
        probability[after] = _with_more(probability)[after]
    label = (probability.cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    return judged(_rows(stream, time_ms, x, probability, label), DAYS, _task(stream), WINDOWS)


def _probabilities(classes: int, x: Floats) -> Floats:
    """Directions around a circle; the last class is rare."""
    angle = 2 * np.pi * np.arange(classes) / classes
    logits = 2.5 * x @ np.stack([np.cos(angle), np.sin(angle)])
    rare = brentq(lambda b: _share(logits, b) - RARE, -20.0, 5.0)
    return _softmax(logits, rare, -1)


def _with_more(probability: Floats) -> Floats:
    """With a first class that takes ``MORE`` of the rows from the others."""
    logits, share = np.log(probability), float(probability[:, 0].mean()) + MORE
    more = brentq(lambda b: _softmax(logits, b, 0)[:, 0].mean() - share, -5.0, 20.0)
    return _softmax(logits, more, 0)


def _share(logits: Floats, bias: float) -> float:
    return float(_softmax(logits, bias, -1)[:, -1].mean())


def _softmax(logits: Floats, bias: float, of: int) -> Floats:
    moved = logits.copy()
    moved[:, of] += bias
    return np.asarray(softmax(moved, axis=1))


def _task(stream: Stream) -> Multiclass:
    return Multiclass(tuple(f"c{i}" for i in range(stream.classes)), stream.scored)


def _rows(
    stream: Stream,
    time_ms: NDArray[np.int64],
    x: Floats,
    probability: Floats,
    label: NDArray[np.int64],
) -> ReferenceRows:
    names = _task(stream).classes
    predicted = probability.argmax(axis=1)
    score = probability if stream.scored else np.full(time_ms.size, np.nan)
    predictions = Predictions(
        [str(i) for i in range(time_ms.size)],
        time_ms,
        score,
        predicted,
        {"x": x[:, 0], "y": x[:, 1]},
        Coded(names, predicted),
    )
    return ReferenceRows(predictions, class_numbers(names)[label], time_ms + HOUR)


if __name__ == "__main__":
    main()
