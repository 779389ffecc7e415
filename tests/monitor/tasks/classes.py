"""Rows of a classifier of several classes, and a profile of such rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from monitor.counts.classes import class_numbers
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.values import Coded
from monitor.plan import DAY, HOUR
from monitor.tasks.multiclass import Multiclass

T0 = 365 * DAY
NAMES = ("on time", "late", "early")


def rows(
    n: int = 1_500, *, seed: int = 0, names: Sequence[str] = NAMES, scored: bool = True
) -> ReferenceRows:
    """Ten an hour; labels are drawn from the probabilities, the likeliest class is predicted."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    odds = np.exp(np.outer(x, np.linspace(-1.5, 1.5, len(names))) + np.linspace(1, 0, len(names)))
    probability = odds / odds.sum(axis=1, keepdims=True)
    label = (probability.cumsum(axis=1) > rng.random(n)[:, None]).argmax(axis=1)
    time_ms = T0 + np.arange(n, dtype=np.int64) * (HOUR // 10)
    predicted = probability.argmax(axis=1)
    predictions = Predictions(
        [str(i) for i in range(n)],
        time_ms,
        probability if scored else np.full(n, np.nan),
        predicted,
        {"x": x},
        Coded(tuple(names), predicted),
    )
    return ReferenceRows(predictions, class_numbers(names)[label], time_ms + HOUR)


def profile(
    reference: ReferenceRows | None = None,
    *,
    names: Sequence[str] = NAMES,
    scored: bool = True,
    pane_ms: int = HOUR,
) -> Profile:
    known = rows(names=names, scored=scored) if reference is None else reference
    task = Multiclass(tuple(names), scored)
    return build_profile("m", "1", known, pane_ms=pane_ms, threshold=0.5, task=task)
