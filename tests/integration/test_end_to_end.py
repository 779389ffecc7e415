"""From Kafka to findings on the flights of April: exact for any order, workers and crashes.

One run, ``april``, is the yardstick: simulator, one worker of each role, no trouble. It is compared
with the raw records by scipy and scikit-learn, and every other run is compared with it.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from scipy.stats import ks_2samp
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from monitor.counts.profile import Profile
from producers.example.examples import Trained
from tests.integration.deployment import TIMEOUT_S, Deployment, Sent, Windows
from tests.integration.faulty_workers import FaultyWorkers

pytestmark = pytest.mark.kafka

FIRST, LAST = "2013-04-01", "2013-04-16"  # half of April, for half the time
LAST_END = "2013-04-16T00:00:00Z"
HOUR_MS = 3_600_000
LATENESS_MS = 5 * 60_000
WAIT = {"DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off"}  # the far-ahead records lie in 2013 all the same


@dataclass(frozen=True)
class April:
    """The reference run: what was sent, and its results."""

    records: list[Sent]
    windows: Windows
    alerts: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]
    profile: Profile


@pytest.fixture(scope="module")
def april(
    kafka: str, tmp_path_factory: pytest.TempPathFactory, trained: Trained
) -> Iterator[April]:
    directory = tmp_path_factory.mktemp("april")
    with Deployment(kafka, f"april-{time.time_ns():x}", directory, WAIT) as deployment:
        deployment.publish(trained.profile)
        deployment.cli("simulate", "--from", FIRST, "--until", LAST, "--finish")
        records = [
            Sent(topic, partition, key, value)
            for topic in ("predictions", "labels")
            for partition, key, value, _ in deployment.read(topic)
        ]
        deployment.start()
        deployment.await_final(LAST_END)
        deployment.stop()
        yield April(
            records,
            deployment.windows(),
            deployment.alerts(),
            deployment.decisions(),
            totals(deployment),
            trained.profile,
        )


def test_every_statistic_equals_the_one_of_scipy_on_the_raw_rows(april):
    checked = 0
    for window, found in april.windows.first.items():
        rows = [json.loads(r.value or b"") for r in april.records if r.topic == "predictions"]
        inside = rows_of(rows, window)
        for feature in found["data"]["features"]:
            if feature["kind"] != "numeric" or feature["statistic"] is None:
                continue
            live = [r["features"].get(feature["name"]) for r in inside]
            sample = april.profile.schema.features[feature["name"]].sample
            fixed = np.repeat(sample.values, sample.weights)
            expected = ks_2samp([v for v in live if v is not None], fixed, method="asymp")
            assert feature["statistic"] == pytest.approx(expected.statistic, abs=1e-12)
            assert feature["missing"] == sum(v is None for v in live)
            checked += 1
    assert checked >= 10 * 14


def test_every_metric_equals_the_one_of_scikit_learn(april):
    wait_ms = april.profile.label_wait_ms(None, 7 * 24 * HOUR_MS)
    predictions, labels = by_id(april, "predictions"), by_id(april, "labels")
    checked = 0
    for window, found in april.windows.final.items():
        judged = [
            (row, labels[row["id"]]["label"])
            for row in rows_of(predictions.values(), window)
            if row["id"] in labels and in_time(row, labels[row["id"]], wait_ms)
        ]
        assert found["labels"] == len(judged)
        if len({label for _, label in judged}) == 2:
            equals_scikit_learn(found["metrics"], judged)
            checked += 1
    assert checked >= 14


def by_id(april: April, topic: str) -> dict[str, dict[str, Any]]:
    rows = (json.loads(r.value or b"") for r in april.records if r.topic == topic)
    return {row["id"]: row for row in rows}


def equals_scikit_learn(metrics: dict[str, Any], judged: list[tuple[dict[str, Any], int]]) -> None:
    truth = [label for _, label in judged]
    score = [row["score"] for row, _ in judged]
    predicted = [row.get("prediction", int(row["score"] >= 0.5)) for row, _ in judged]
    for name, expected in {
        "accuracy": accuracy_score(truth, predicted),
        "precision": precision_score(truth, predicted),
        "recall": recall_score(truth, predicted),
        "f1": f1_score(truth, predicted),
    }.items():
        assert metrics[name]["value"] == pytest.approx(expected, abs=1e-12), name
    auc = metrics["roc_auc"]
    assert abs(auc["value"] - roc_auc_score(truth, score)) <= auc["resolution"] + 1e-12
    assert auc["resolution"] < 0.001


def test_every_row_that_was_sent_is_counted(april):
    sent = {
        topic: sum(r.topic == topic for r in april.records) for topic in ("predictions", "labels")
    }
    predictions, labels, joined = (april.counts[t] for t in ("predictions", "labels", "joins"))
    assert predictions["received"] == sent["predictions"] == predictions["counted"]
    assert labels["received"] == sent["labels"] == labels["counted"]
    assert joined["labels"] == sent["labels"]
    assert label_outcomes(joined) == sent["labels"]
    rows = sum(found["data"]["rows"] for found in april.windows.first.values())
    assert rows == sent["predictions"] - 4  # the far-ahead ones close windows and lie in none


def test_results_do_not_depend_on_order_polls_keys_and_workers(april, kafka, tmp_path, prefix):
    """Shuffled within the lateness, other partitions of labels, other polls, two workers a role."""
    rng = random.Random(20_130_401)
    labels = [repartitioned(r, rng) for r in april.records if r.topic == "labels"]
    predictions = [r for r in april.records if r.topic == "predictions"]
    settings = {**WAIT, "DRIFTLINE_KAFKA__COMMIT_INTERVAL": "170ms"}
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        deployment.publish(april.profile)
        deployment.start(slot=0)
        deployment.start(slot=1)
        deployment.send(shuffled(predictions, rng) + shuffled(by_time(labels), rng))
        deployment.await_final(LAST_END)
        deployment.stop()
        agree(deployment, april)


def test_results_do_not_depend_on_roles_that_end_at_every_fault_point(
    april, kafka, tmp_path, prefix
):
    """Every role is ended at each point of its transactions in turn, while records arrive."""
    records = by_time(april.records)
    with Deployment(kafka, prefix, tmp_path, WAIT) as deployment:
        deployment.publish(april.profile)
        workers = FaultyWorkers(deployment)
        deadline_s = time.monotonic() + 2 * TIMEOUT_S
        while workers.restart():
            assert time.monotonic() < deadline_s, f"not reached: {workers.faults}"
            some = len(records) // 200 + 1  # fewer and fewer, so that they last for all faults
            deployment.send(records[:some])
            del records[:some]
            time.sleep(0.4)
        deployment.send(records)
        deployment.await_final(LAST_END)
        deployment.stop()
        agree(deployment, april)
        stored_as_published(deployment)


def test_one_malformed_record_in_a_hundred_becomes_a_dead_letter_and_the_others_count(
    april, kafka, tmp_path, prefix
):
    rng = random.Random(7)
    good = by_time(april.records)
    bad = [
        malformed(kind, rng)
        for kind in MALFORMED
        for _ in range(len(good) // 100 // len(MALFORMED))
    ]
    mixed = list(good)
    for record in bad:
        mixed.insert(rng.randrange(len(mixed)), record)
    with Deployment(kafka, prefix, tmp_path, WAIT) as deployment:
        deployment.publish(april.profile)
        deployment.start()
        deployment.send(mixed)
        deployment.await_final(LAST_END)
        deployment.stop()
        agree(deployment, april, dead=len(bad))
        letters = list(deployment.read("dead-letters"))
        assert len(letters) == len(bad)
        assert sorted(value or b"" for _, _, value, _ in letters) == sorted(
            record.value or b"" for record in bad
        )
        reasons = {headers["driftline.reason"].decode() for *_, headers in letters}
        assert reasons == {"undecodable", "contract", "unknown_model"}
        assert all(headers["driftline.error"] for *_, headers in letters)
        dead = {k: n for k, n in deployment.total("predictions").items() if k.startswith("dead:")}
        assert sum(dead.values()) == len(bad)


# -- helpers -----------------------------------------------------------------------------------

GOOD = {
    "schema": 1,
    "id": "x",
    "time": "2013-04-05T00:00:00Z",
    "model": "flight-delay",
    "version": "1",
    "features": {"temp": 1.0},
    "score": 0.5,
}
MALFORMED = {
    "broken JSON": b'{"schema": 1, "id": "x", ',
    "a mistyped score": json.dumps({**GOOD, "score": "0.5"}).encode(),
    "a nested feature": json.dumps({**GOOD, "features": {"temp": {"value": 1}}}).encode(),
    "an unknown model": json.dumps({**GOOD, "model": "nobody"}).encode(),
    "a missing id": json.dumps({k: v for k, v in GOOD.items() if k != "id"}).encode(),
    "NaN": json.dumps({**GOOD, "score": float("nan")}).encode(),
    "just under the message limit": json.dumps({**GOOD, "score": "x" * 1_048_000}).encode(),
    "a tombstone": None,
}


def malformed(kind: str, rng: random.Random) -> Sent:
    return Sent("predictions", rng.randrange(4), b"bad", MALFORMED[kind])


def totals(deployment: Deployment) -> dict[str, dict[str, int]]:
    return {topic: deployment.total(topic) for topic in ("predictions", "labels", "joins")}


def agree(deployment: Deployment, april: April, dead: int = 0) -> None:
    found = deployment.windows()
    assert found.first == april.windows.first
    assert found.final == april.windows.final
    assert found.last == april.windows.last
    assert [e["id"] for e in deployment.alerts()] == [e["id"] for e in april.alerts]
    assert deployment.decisions() == april.decisions
    counts = totals(deployment)
    assert counts["predictions"]["received"] == april.counts["predictions"]["received"] + dead
    assert counts["predictions"]["counted"] == april.counts["predictions"]["counted"]
    assert counts["labels"] == april.counts["labels"]
    assert counts["joins"] == april.counts["joins"]


def stored_as_published(deployment: Deployment) -> None:
    published = {k: d["revision"] for k, d in newest_documents(deployment).items()}
    stored = deployment._query("select sum(revision) from windows")
    assert stored == sum(published.values())


def newest_documents(deployment: Deployment) -> dict[str, dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for _, key, value, _ in deployment.read("windows"):
        document = json.loads(value or b"")
        name = (key or b"").decode()
        if document["revision"] >= newest.get(name, {"revision": -1})["revision"]:
            newest[name] = document
    return newest


def label_outcomes(joined: dict[str, int]) -> int:
    names = ("matched", "waiting", "expired", "duplicates", "superseded")
    return sum(joined.get(name, 0) for name in names)


def ms(time_text: str) -> int:
    return round(datetime.fromisoformat(time_text).timestamp() * 1000)


def rows_of(rows: Any, window: str) -> list[dict[str, Any]]:
    _, _, start, end = window.split("/")
    return [row for row in rows if ms(start) <= ms(row["time"]) < ms(end)]


def in_time(row: dict[str, Any], label: dict[str, Any], wait_ms: int) -> bool:
    at_ms = ms(row["time"])
    pane_end_ms = at_ms - at_ms % HOUR_MS + HOUR_MS
    return ms(label["time"]) < pane_end_ms + wait_ms


def event_ms(record: Sent) -> int:
    return ms(json.loads(record.value or b"")["time"])


def by_time(records: list[Sent]) -> list[Sent]:
    """Ordered by event time; each partition keeps its order."""
    return sorted(records, key=event_ms)


def shuffled(records: list[Sent], rng: random.Random) -> list[Sent]:
    """Each record up to the lateness after its time: out of order, but on time."""
    return sorted(records, key=lambda record: event_ms(record) + rng.random() * LATENESS_MS)


def repartitioned(label: Sent, rng: random.Random) -> Sent:
    """As sent with other keys; the records that end the stream stay, one in each partition."""
    if json.loads(label.value or b"")["id"].startswith("finish/"):
        return label
    return label._replace(partition=rng.randrange(4))
