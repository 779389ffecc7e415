"""Findings of the evaluator are what the API answers, by way of messages and database."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy.stats import ks_2samp

from consumers.batch.findings import findings_of
from consumers.messages.alert_message import alert_message
from consumers.messages.decisions import retraining_decision
from consumers.messages.window_message import window_message
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows, build_profile
from monitor.decisions.retraining import Facts, decide
from monitor.plan import HOUR, Plan, Windows
from monitor.tasks.binary import BINARY
from monitor.windows.evaluator import Evaluator
from tests.consumers.stored import APRIL, NOW, registered

N = 6_000
PLAN = Plan(windows=Windows(pane_ms=HOUR, length_ms=4 * HOUR, slide_ms=4 * HOUR))


def scored(start_ms: int, *, shift: float, seed: int) -> ReferenceRows:
    """Twelve hours of rows; scores that fit the labels only while nothing is shifted."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(size=N)
    positive = score if shift == 0 else 1 - score
    rows = Predictions(
        [str(i) for i in range(N)],
        start_ms + np.arange(N, dtype=np.int64) * (12 * HOUR // N),
        score,
        (score >= 0.5).astype(np.int64),
        {"temp": rng.normal(shift, 1, size=N), "carrier": rng.choice(["UA", "DL"], N).tolist()},
    )
    return ReferenceRows(
        rows, (rng.uniform(size=N) < positive).astype(np.int64), rows.time_ms + HOUR
    )


@pytest.fixture
def found(feed):
    reference = scored(APRIL - 30 * 24 * HOUR, shift=0, seed=1)
    profile = build_profile("m", "1", reference, pane_ms=HOUR, threshold=0.5, task=BINARY)
    _, findings = findings_of(Evaluator.of(PLAN, profile), scored(APRIL, shift=1, seed=2))
    decision = decide(PLAN.retraining, Facts(APRIL, critical_open_ms=[APRIL], fresh_labels=1))
    documents = [
        *(("windows", window_message(found, 0.05)) for found in findings.windows),
        *(("alerts", alert_message(transition)) for transition in findings.transitions),
        ("retraining", retraining_decision("m", "1", decision)),
    ]
    assert findings.windows
    assert findings.transitions
    feed.models(registered(profile, "hash", NOW))
    feed(*((topic, msgspec.json.decode(msgspec.json.encode(d))) for topic, d in documents))
    return findings


@pytest.mark.usefixtures("found")
def test_ks_distance_of_the_api_equals_that_of_the_raw_rows(client):
    query = {"start": "2013-04-01T04:00:00Z", "end": "2013-04-01T08:00:00Z"}
    temp, carrier = client.get("/drift/data", params=query).json()["features"]
    live = scored(APRIL, shift=1, seed=2).predictions.features["temp"][N // 3 : 2 * N // 3]
    reference = scored(0, shift=0, seed=1).predictions.features["temp"]
    assert temp["statistic"] == pytest.approx(
        ks_2samp(live, reference, method="asymp").statistic, abs=1e-12
    )
    assert temp["verdict"] == "drift"
    assert carrier["kind"] == "categorical"


def test_every_path_answers_with_the_findings(client, found):
    def get(path: str):
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert len(get("/windows")["items"]) == len({f.start_ms for f in found.windows})
    incidents = get("/alerts")["items"]
    assert {i["id"] for i in incidents} == {t.incident.id for t in found.transitions}
    assert {t["type"] for t in get(f"/incidents/{incidents[0]['id']}")["transitions"]}
    assert get("/metrics/latest")["metrics"]["accuracy"]["value"] < 0.5
    assert get("/metrics/baseline")["metrics"]["accuracy"]["value"] > 0.6
    assert len(get("/metrics/history")["items"]) == len(get("/windows")["items"])
    assert get("/drift/concept")["realised"]["accuracy"] < 0.5
    assert get("/retraining/status")["decision"] in ("retrain", "wait")
