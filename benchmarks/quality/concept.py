"""Concept drift: labels are inverted for some rows, which changes the errors and no feature.

There are two features, and a model that knows how the label depends on them. Labels are known at
once. From a random pane on, the labels of the tenth of the rows with the largest first feature are
inverted. The product's own detection decides, including labels and performance.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from benchmarks.quality.detector import plan
from benchmarks.quality.runs import BUDGET, HISTORY, PANES
from benchmarks.quality.streams import PANE_ROWS
from consumers.batch.findings import findings_of
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.decisions.incidents import Change
from monitor.plan import HOUR
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator

FLIP = "flip-of-a-tenth"
REFERENCE_PANES, AFTER = 20, 40  # panes
FLIPPED_FROM = 1.2816  # of a standard normal feature: its 90th percentile
SHARPNESS = 4.0  # of the model: nine predictions in ten are right


def delay(seed: int) -> float | None:
    """Rows from the change to the end of the window that alarms. None without one in 40 panes."""
    rng = np.random.default_rng(30_000 + seed)
    reference = _rows(rng, REFERENCE_PANES)
    profile = build_profile("flip", "1", reference, pane_ms=HOUR, threshold=0.5, task=BINARY)
    at_ms = int(rng.integers(*HISTORY)) * HOUR
    live = _rows(rng, at_ms // HOUR + AFTER, at_ms)
    found = findings_of(Evaluator.of(plan(BUDGET, PANES), profile), live)[1]
    ends_ms = [t.end_ms for t in found.transitions if t.change is Change.OPENED]
    after = [end_ms for end_ms in ends_ms if end_ms > at_ms]
    return (min(after) - at_ms) / HOUR * PANE_ROWS if after else None


def _rows(
    rng: np.random.Generator, panes: int, flipped_from_ms: int | None = None
) -> ReferenceRows:
    n = panes * PANE_ROWS
    time_ms = np.repeat(np.arange(panes, dtype=np.int64) * HOUR, PANE_ROWS)
    x0, x1 = rng.standard_normal((2, n))
    score = expit(SHARPNESS * (x1 + 0.5 * x0))
    label = (rng.random(n) < score).astype(np.int64)
    if flipped_from_ms is not None:
        inverted = (time_ms >= flipped_from_ms) & (x0 > FLIPPED_FROM)
        label = np.where(inverted, 1 - label, label)
    ids = [str(i) for i in range(n)]
    features = {"x0": x0, "x1": x1}
    predictions = Predictions(ids, time_ms, score, (score >= 0.5).astype(np.int64), features)
    return ReferenceRows(predictions, label, time_ms)
