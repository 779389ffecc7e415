"""Rows of a regression, and the evaluator of a reference of such rows."""

from __future__ import annotations

import numpy as np

from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.plan import DAY, HOUR
from monitor.tasks.regression import REGRESSION

T0 = 365 * DAY


def rows(n: int = 4_000, *, seed: int = 0, bias: float = 0.0, spread: float = 1.0) -> ReferenceRows:
    """Ten an hour: labels around 100 that rise with ``x``, and errors that grow with it."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    prediction = 100 + 10 * x
    label = prediction + spread * rng.normal(size=n) * (1 + np.abs(x)) - bias
    time_ms = T0 + np.arange(n, dtype=np.int64) * (HOUR // 10)
    ids = [str(i) for i in range(n)]
    predictions = Predictions(ids, time_ms, prediction, np.zeros(n, dtype=np.int64), {"x": x})
    return ReferenceRows(predictions, label, time_ms + HOUR)


def profile(reference: ReferenceRows | None = None, pane_ms: int = HOUR) -> Profile:
    return build_profile(
        "m", "1", reference or rows(), pane_ms=pane_ms, threshold=0.5, task=REGRESSION
    )
