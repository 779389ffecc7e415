"""Requests and responses of an inference server as records of their own, through a real Kafka."""

from __future__ import annotations

import json
import random
import time
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer

from tests.integration.deployment import ROLES, Deployment, Sent
from tests.integration.faulty_workers import FaultyWorkers
from tests.integration.test_arrow_equals_json import LAST_END, SETTINGS, of_model
from tests.integration.test_sources import COLUMNS, create
from tests.integration.test_user_stories import loans

pytestmark = pytest.mark.kafka

KINDS = {f"org.kubeflow.serving.inference.{side}": side for side in ("request", "response")}
FAULTS = ("after-commit:2",)  # before the store is written


class Event(NamedTuple):
    """A CloudEvent in binary mode, as the loggers of KServe send them."""

    value: dict[str, Any]
    headers: dict[str, str]


def test_requests_and_responses_give_the_windows_of_the_same_rows(kafka, prefix, tmp_path):
    """In any partitions, while ``ingest`` and ``pair`` end between a commit and their files."""
    logged = f"{prefix}-inference"
    settings = SETTINGS | {
        "DRIFTLINE_SOURCES": json.dumps([source(logged)]),
        "DRIFTLINE_TIME__IDLE_AFTER": "2s",  # the last rows do not reach every partition
    }
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        loans(1, 20, "2013-03-01").to_csv(tmp_path / "reference.csv", index=False)
        loans(2, 4, "2013-03-26").to_csv(tmp_path / "live.csv", index=False)
        for model in ("direct", "paired"):
            reference = ["--reference", str(tmp_path / "reference.csv"), "--model", model]
            deployment.cli("register", *reference, *COLUMNS)
        deployment.start(*ROLES)
        options = ["--label-delay", "3h", "--finish", "--model", "direct"]
        deployment.cli("replay", str(tmp_path / "live.csv"), *COLUMNS, *options)
        deployment.await_final(LAST_END, model="direct")

        create(kafka, logged)
        rows = [json.loads(value or b"") for _, _, value, _ in deployment.read("predictions")]
        rows.sort(key=lambda row: row["time"])
        workers = FaultyWorkers(deployment, dict.fromkeys(("ingest", "pair"), FAULTS))
        log(deployment, logged, rows[:-8])
        deployment.until(lambda: not workers.restart(), "all faults")
        log(deployment, logged, rows[-8:])
        deployment.send(list(map(of_paired, deployment.read("labels"))))
        deployment.await_final(LAST_END, model="paired")

        windows = deployment.windows()
        for found in (windows.last, windows.final):
            direct, paired = (of_model(found, model) for model in ("direct", "paired"))
            assert len(direct) >= 4
            assert paired == direct
        assert list(deployment.read("dead-letters")) == []


def source(topic: str) -> dict[str, Any]:
    kind = {"header": "ce_type", "values": KINDS}
    return {
        **{"topic": topic, "envelope": "kserve-v2", "id": {"header": "ce_id"}},
        **{"time": {"header": "ce_time"}, "model": {"header": "ce_inferenceservicename"}},
        **{"features": "@.inputs", "score": "@.outputs.p_default"},
        "pair": {"id": {"header": "ce_id"}, "kind": kind},
    }


def events(row: dict[str, Any]) -> list[Event]:
    """The request and the response of a row."""
    inputs = [tensor(name, value) for name, value in row["features"].items()]
    bodies = {
        "request": {"inputs": inputs},
        "response": {"outputs": [tensor("p_default", row["score"])]},
    }
    found = []
    for kind, side in KINDS.items():
        headers = {"ce_specversion": "1.0", "ce_id": row["id"], "ce_type": kind}
        headers |= {"ce_time": row["time"], "ce_inferenceservicename": "paired"}
        found.append(Event(bodies[side], headers))
    return found


def tensor(name: str, value: Any) -> dict[str, Any]:
    kind = "BYTES" if isinstance(value, str) else "FP64"
    return {"name": name, "datatype": kind, "shape": [1], "data": [value]}


def log(deployment: Deployment, topic: str, rows: list[dict[str, Any]]) -> None:
    """A row each ten milliseconds until now; sometimes the response is logged first."""
    rng, producer = random.Random(1), Producer({"bootstrap.servers": deployment.servers})
    start_ms = int(time.time() * 1000) - 10 * len(rows)
    for i, row in enumerate(rows):
        both = events(row)
        for j, event in enumerate(both if rng.random() < 0.8 else both[::-1]):
            producer.produce(
                topic,
                json.dumps(event.value).encode(),
                partition=rng.randrange(4),
                headers=dict(event.headers),
                timestamp=start_ms + 10 * i + j,
            )
    assert producer.flush(60) == 0


def of_paired(label: tuple[int, Any, bytes | None, Any]) -> Sent:
    partition, _, value, _ = label
    row = {**json.loads(value or b""), "model": "paired"}
    return Sent("labels", partition, None, json.dumps(row).encode())
