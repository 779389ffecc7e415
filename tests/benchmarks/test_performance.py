"""The degradation that the benchmark of performance adds to healthy rows."""

import numpy as np
import pytest

from benchmarks.quality.performance import _degraded, _delays
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows

N = 20_000


def rows() -> ReferenceRows:
    rng = np.random.default_rng(0)
    score = rng.random(N)
    label = (rng.random(N) < score).astype(np.int64)
    at, ids = np.arange(N, dtype=np.int64), [str(i) for i in range(N)]
    return ReferenceRows(Predictions(ids, at, score, (score >= 0.5).astype(np.int64), {}), label)


def recall(of: ReferenceRows, which) -> float:
    return float(of.predictions.predicted[(of.label == 1) & which].mean())


@pytest.mark.parametrize("lost", [0.1, 0.2])
def test_degradation_lowers_recall_from_the_change_on_and_nothing_else(lost):
    healthy = rows()
    fallen = _degraded(healthy, lost, N // 2, np.random.default_rng(1))
    before, after = np.arange(N) < N // 2, np.arange(N) >= N // 2
    assert recall(fallen, before) == recall(healthy, before)
    expected = recall(healthy, after) * (1 - lost)
    assert recall(fallen, after) == pytest.approx(expected, abs=0.01)
    negative = healthy.label == 0
    assert (fallen.predictions.score == healthy.predictions.score)[negative].all()


def test_rows_predicted_negative_have_a_score_below_the_threshold():
    of = _degraded(rows(), 0.2, 0, np.random.default_rng(1)).predictions
    assert ((of.score >= 0.5) == (of.predicted == 1)).all()


def test_delays_exclude_incidents_from_before_the_change():
    assert _delays([1.0, None, "early", 3.0]) == {
        "median": 3.0,
        "p90": None,
        "missed": pytest.approx(1 / 3),
        "runs": 3,
        "early": 0.25,
    }
