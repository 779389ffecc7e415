"""User stories on a real Kafka, through the command line and the API only."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.integration.deployment import Deployment

pytestmark = pytest.mark.kafka

DISTURBED_FROM = "2013-04-04T00:00:00Z"  # the start of a window
FIRST_DISTURBED_END = "2013-04-05T00:00:00Z"


def test_a_growth_of_distances_by_a_fifth_opens_an_incident_within_the_day(
    kafka, prefix, tmp_path, trained
):
    scenario = f"scale:feature=distance,by=1.2,from={DISTURBED_FROM}"
    with Deployment(kafka, prefix, tmp_path) as deployment:
        deployment.publish(trained.profile)
        deployment.start()
        simulate = ("simulate", "--until", "2013-04-06", "--scenario", scenario, "--finish")
        deployment.cli(*simulate)
        deployment.await_final("2013-04-06T00:00:00Z")
        told = [event for event in deployment.alerts() if event["data"]["kind"] == "data"]
        # the records of `--finish`, sixty days on, are news of their own
        told = [event for event in told if event["time"] < FIRST_DISTURBED_END]
        assert {event["subject"] for event in told} == {"data/distance"}
        assert told[0]["type"].endswith(".opened")
        assert all(event["time"] > DISTURBED_FROM for event in told)
        evidence = told[0]["data"]["evidence"]
        assert evidence["value"] > evidence["threshold"]
        assert told[-1]["data"]["severity"] == "critical"
        with served(deployment) as api:
            alerts = api("/alerts")["items"]
            assert "data/distance" in {alert["subject"] for alert in alerts}
            health = api("/health")
            assert {role["role"] for role in health["roles"]} >= {"aggregate", "join", "detect"}


def test_another_model_is_registered_replayed_and_monitored_without_code(kafka, prefix, tmp_path):
    reference, live = loans(seed=1, days=20), loans(seed=2, days=6, start="2025-02-01", shift=2_000)
    reference.to_csv(tmp_path / "reference.csv", index=False)
    live.to_parquet(tmp_path / "live.parquet")
    columns = ["--model", "loans", "--version", "7", "--time", "asked_at", "--score", "p_default"]
    columns += ["--label", "outcome", "--positive", "defaulted", "--id", "application"]
    with Deployment(kafka, prefix, tmp_path) as deployment:
        said = deployment.cli("register", "--reference", str(tmp_path / "reference.csv"), *columns)
        assert "loans" in said
        deployment.start()
        replay = ("--label-delay", "3h", "--finish")
        deployment.cli("replay", str(tmp_path / "live.parquet"), *columns, *replay)
        deployment.await_final("2025-02-07T00:00:00Z")
        with served(deployment) as api:
            assert [(m["model"], m["version"]) for m in api("/models")["items"]] == [("loans", "7")]
            drift = api("/drift/data?start=2025-02-02T00:00:00Z&end=2025-02-03T00:00:00Z")
            verdicts = {f["name"]: f["verdict"] for f in drift["features"]}
            assert verdicts == {"income": "drift", "age": "ok", "region": "ok"}
            history = api("/metrics/history?limit=500")["items"]
            judged = [item for item in history if item["labels"]]
            assert len(judged) == 6
            assert all(0.5 < item["metrics"]["roc_auc"]["value"] < 1 for item in judged)
            open_now = {alert["subject"] for alert in api("/alerts")["items"]}
            assert "data/income" in open_now


def loans(seed: int, days: int, start: str = "2025-01-01", shift: float = 0.0) -> pd.DataFrame:
    """Another model than the flights: other columns, class names, and times as text."""
    rng = np.random.default_rng(seed)
    n = 400 * days
    income = rng.lognormal(10, 0.4, n)
    p = 1 / (1 + np.exp((income - 22_000) / 6_000))
    defaulted = rng.random(n) < p
    seconds = np.sort(rng.integers(0, days * 86_400, n))
    times = pd.Timestamp(start, tz="UTC") + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame(
        {
            "application": [f"A{seed}-{i}" for i in range(n)],
            "asked_at": times.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "income": income + shift,
            "age": rng.integers(18, 80, n),
            "region": rng.choice(["north", "south", "west"], n),
            "p_default": p,
            "outcome": np.where(defaulted, "defaulted", "repaid"),
        }
    )


@contextmanager
def served(deployment: Deployment) -> Iterator[Any]:
    """The API as a process. Returns a function from a path to the answer."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "driftline", "api", "--port", str(port)]
    with (deployment.directory / "api.log").open("wb") as log:
        process = subprocess.Popen(command, env=deployment.environment, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            wait_for(client, process)

            def get(path: str) -> Any:
                answer = client.get(path)
                assert answer.status_code == 200, answer.text
                return answer.json()

            yield get
    finally:
        process.terminate()
        process.wait(15)


def wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 60
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "the API ended"
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the API did not answer within a minute")
