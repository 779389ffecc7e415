"""Topics in the form of another service: the same windows as rows in the form of Driftline."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from consumers.sources.stream_reference import ID, LABEL, LABEL_TIME, SCORE, TIME
from driftline.fault_points import TRANSACTION_POINTS
from tests.integration.deployment import ROLES, Deployment, Sent
from tests.integration.faulty_workers import FaultyWorkers
from tests.integration.test_arrow_equals_json import LAST_END, SETTINGS, of_model
from tests.integration.test_user_stories import loans

pytestmark = pytest.mark.kafka

COLUMNS = ["--version", "1", "--time", "asked_at", "--label", "outcome", "--score", "p_default"]
COLUMNS += ["--positive", "defaulted", "--id", "application"]


def test_a_mapped_topic_gives_the_same_windows(kafka, prefix, tmp_path):
    """Nested records with several rows, percents, seconds; ``ingest`` ends at each fault point."""
    scored, outcomes = f"{prefix}-bank.scored", f"{prefix}-bank.outcomes"
    settings = SETTINGS | {"DRIFTLINE_SOURCES": json.dumps(sources(scored, outcomes))}
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        loans(1, 20, "2013-03-01").to_csv(tmp_path / "reference.csv", index=False)
        live = loans(2, 4, "2013-03-26")
        live.to_csv(tmp_path / "live.csv", index=False)
        for model in ("direct", "mapped"):
            reference = ["--reference", str(tmp_path / "reference.csv"), "--model", model]
            deployment.cli("register", *reference, *COLUMNS)
        deployment.start(*ROLES)
        options = ["--label-delay", "3h", "--finish", "--model", "direct"]
        deployment.cli("replay", str(tmp_path / "live.csv"), *COLUMNS, *options)
        deployment.await_final(LAST_END, model="direct")

        create(kafka, scored, outcomes)
        workers = FaultyWorkers(deployment, {"ingest": [f"{at}:1" for at in TRANSACTION_POINTS]})
        rest = foreign(deployment, scored, outcomes)
        rest.insert(30, Sent(scored, 0, None, b"not JSON"))
        while workers.restart():
            produce(deployment, rest[:5])
            del rest[:5]
        produce(deployment, rest)
        deployment.await_final(LAST_END, model="mapped")

        windows = deployment.windows()
        for found in (windows.last, windows.final):
            direct, mapped = (of_model(found, model) for model in ("direct", "mapped"))
            assert len(direct) >= 4
            assert mapped == direct
        (letter,) = deployment.read("dead-letters")
        assert letter[3]["driftline.reason"] == b"undecodable"
        assert letter[3]["driftline.topic"] == f"topic:{scored}".encode()


def test_a_topic_is_attached_without_a_change_of_the_service(kafka, prefix, tmp_path):
    """From a topic that a stranger has written to the first incident."""
    scored, outcomes = f"{prefix}-applications", f"{prefix}-results"
    create(kafka, scored, outcomes)
    settings = {
        "DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off",
        "DRIFTLINE_TIME__IDLE_AFTER": "2s",  # the stranger writes to one partition of four
    }
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        produce(deployment, strangers(loans(1, 20, "2013-03-01"), scored, outcomes))
        file = tmp_path / "driftline.toml"
        file.write_text("# ours\n")
        config = ["--config", str(file)]
        names = ["--topic", scored, "--labels", outcomes, "--model", "bank"]
        printed = deployment.cli(*config, "attach", *names, "--positive", "defaulted", "--yes")
        assert "8,000 rows" in printed
        added = tomllib.loads(file.read_text())["sources"]
        assert [source["topic"] for source in added] == [scored, outcomes]
        assert added[0]["time"] == {"path": "$.meta.asked", "unit": "s"}
        assert "250 mapped" in deployment.cli(*config, "inspect", scored)

        settings["DRIFTLINE_SOURCES"] = json.dumps(added)
        deployment.start("ingest", *ROLES)
        shifted = loans(2, 4, "2013-03-21", shift=9_000.0)
        produce(deployment, strangers(shifted, scored, outcomes))
        deployment.until(lambda: bool(deployment.alerts()), "an alert")
        subjects = {alert["subject"] for alert in deployment.alerts()}
        assert any("data/income" in subject for subject in subjects)
        assert deployment.total("predictions")["counted"] == 4 * 400


def test_a_new_topic_is_collected_registered_and_watched(kafka, prefix, tmp_path):
    """The next rows become the reference, the worker that collects is killed, nothing is lost."""
    scored, outcomes = f"{prefix}-applications", f"{prefix}-results"
    create(kafka, scored, outcomes)
    settings = {
        "DRIFTLINE_TIME__MAX_CLOCK_SKEW": "off",
        "DRIFTLINE_TIME__IDLE_AFTER": "2s",  # the stranger writes to one partition of four
    }
    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        produce(deployment, strangers(loans(7, 1, "2013-02-27"), scored, outcomes))
        file = tmp_path / "driftline.toml"
        names = ["--topic", scored, "--labels", outcomes, "--model", "bank"]
        options = [*names, "--positive", "defaulted", "--next", "10d", "--yes"]
        printed = deployment.cli("--config", str(empty(file)), "attach", *options)
        assert "bank/1 is registered as soon as rows of 10d are there" in printed
        added = tomllib.loads(file.read_text())["sources"]
        assert [source.get("collect") for source in added] == ["10d", None]

        settings["DRIFTLINE_SOURCES"] = json.dumps(added)
        deployment.start("ingest", "retrain", *ROLES)
        reference = strangers(loans(1, 10, "2013-03-01"), scored, outcomes)
        bad = Sent(scored, 0, None, b"not JSON")
        produce(deployment, [*reference[:3_000], bad])
        seen = "1,500 rows; 1 were refused: not JSON"
        deployment.until(lambda: seen in deployment.cli("models", "list"), seen)
        deployment.kill("retrain-0")
        assert deployment.total("predictions").get("received", 0) == 0
        deployment.start("retrain")
        live = strangers(loans(2, 4, "2013-03-11", shift=9_000.0), scored, outcomes)
        produce(deployment, [*reference[3_000:], *live])

        deployment.until(lambda: bool(deployment.alerts()), "an alert")
        subjects = {alert["subject"] for alert in deployment.alerts()}
        assert any("data/income" in subject for subject in subjects)
        # As a file with the same rows would be registered.
        saved = str(tmp_path / "state" / "references" / "bank-1.parquet")
        columns = ["--time", TIME, "--id", ID, "--score", SCORE, "--label", LABEL]
        again = ["--model", "bank", "--version", "1", "--label-time", LABEL_TIME, *columns]
        assert "is already in" in deployment.cli("register", "--reference", saved, *again)
        reference_rows = pq.read_metadata(saved).num_rows
        assert reference_rows >= 4_000
        assert deployment.total("predictions") == {
            **dict.fromkeys(("received", "counted"), 5_600 - reference_rows),
        }


def empty(file: Path) -> Path:
    file.write_text("")
    return file


def strangers(rows: pd.DataFrame, scored: str, outcomes: str) -> list[Sent]:
    """Nested, with seconds and percents; all of it in one partition."""
    found = []
    for row in rows.itertuples():
        at_s = int(pd.Timestamp(row.asked_at).timestamp())
        inner = {"income": row.income, "person": {"age": row.age, "region": row.region}}
        meta = {"requestId": row.application, "asked": at_s}
        document = {"meta": meta, "input": inner, "risk_percent": 100 * row.p_default}
        label = {"ref": row.application, "result": row.outcome, "known_at": at_s + 3_600}
        found.append(Sent(scored, 0, None, json.dumps(document).encode()))
        found.append(Sent(outcomes, 0, None, json.dumps(label).encode()))
    return found


def sources(scored: str, outcomes: str) -> list[dict[str, Any]]:
    scores: dict[str, Any] = {
        **{"topic": scored, "rows": "$.applications", "id": "@.ref", "model": {"value": "mapped"}},
        **{"time": {"path": "@.at", "unit": "s"}, "features": "@.in", "exclude": ["note"]},
        "score": {"path": "@.percent", "scale": 0.01},
    }
    labels = {
        **{"topic": outcomes, "envelope": "cloudevents", "id": "$.subject", "time": "$.time"},
        "model": {"value": "mapped"},
        "label": {"path": "$.data.outcome", "values": {"defaulted": 1, "repaid": 0}},
    }
    return [scores, labels]


def create(kafka: str, *topics: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.create_topics([NewTopic(topic, 4, 1) for topic in topics]).values():
        future.result()


def foreign(deployment: Deployment, scored: str, outcomes: str) -> list[Sent]:
    """What was sent in the form of Driftline, as a bank would: three rows a record, in percents."""
    found, waiting = list[Sent](), dict[int, list[dict[str, Any]]]()
    for topic in ("predictions", "labels"):
        for partition, _, value, _ in deployment.read(topic):
            row = json.loads(value or b"")
            if topic == "labels":
                found.append(Sent(outcomes, partition, None, event(row)))
                continue
            rows = waiting.setdefault(partition, [])
            rows.append(application(row))
            if len(rows) == 3 or row["id"].startswith("finish/"):
                document = {"applications": rows}
                found.append(Sent(scored, partition, None, json.dumps(document).encode()))
                waiting[partition] = []
    assert not any(waiting.values())
    return found


def application(row: dict[str, Any]) -> dict[str, Any]:
    at_s = pd.Timestamp(row["time"]).timestamp()
    inner = {**row["features"], "note": "not a feature"}
    return {"ref": row["id"], "at": at_s, "in": inner, "percent": 100 * row["score"]}


def event(row: dict[str, Any]) -> bytes:
    outcome = "defaulted" if row["label"] else "repaid"
    attributes = {"specversion": "1.0", "id": "1", "source": "/bank", "type": "outcome"}
    data = {"outcome": outcome}
    return json.dumps(
        {**attributes, "subject": row["id"], "time": row["time"], "data": data}
    ).encode()


def produce(deployment: Deployment, records: list[Sent]) -> None:
    producer = Producer({"bootstrap.servers": deployment.servers})
    for record in records:
        producer.produce(record.topic, record.value, partition=record.partition)
    assert producer.flush(60) == 0
