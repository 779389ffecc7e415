"""``driftline calibrate --topic``: the history of an unregistered model is in Kafka."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

import driftline.__main__
from producers.contract.records import PredictionRecord, encode_prediction

pytestmark = pytest.mark.kafka
DAY, DAYS, PER_DAY = 86_400_000, 10, 200


def test_calibrate_reads_the_predictions_of_an_unregistered_model(kafka, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    prefix = f"calibrate-{uuid4().hex[:8]}"
    monkeypatch.setenv("DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS", kafka)
    monkeypatch.setenv("DRIFTLINE_KAFKA__PREFIX", prefix)
    monkeypatch.setenv("DRIFTLINE_WINDOWS__PANE", "6h")
    assert _run("topics", "create").exit_code == 0
    _send(kafka, f"{prefix}.predictions")
    words = ("--topic", "--model", "loans", "--splits", "2", "--delay-splits", "1")
    done = _run("calibrate", *words)
    assert done.exit_code == 0, done.output
    found = json.loads(Path("calibration.json").read_text())
    assert found["history"]["rows"] == DAYS * PER_DAY
    assert found["history"]["source"] == f"the topic {prefix}.predictions"
    assert set(found["delays"]) == {"income"}
    unknown = _run("calibrate", "--topic", "--model", "cars")
    assert unknown.exit_code == 2
    assert "there are: loans/1 (2,000 rows)" in unknown.stderr


def _run(*words: str):
    return CliRunner().invoke(driftline.__main__.main, words)


def _send(kafka: str, topic: str) -> None:
    rng = np.random.default_rng(0)
    producer = Producer({"bootstrap.servers": kafka})
    for i, at in enumerate(rng.uniform(20_000, 20_000 + DAYS, DAYS * PER_DAY).tolist()):
        features = {"income": float(rng.lognormal(10, 1)), "branch": "north" if i % 3 else "south"}
        row = PredictionRecord(str(i), int(at * DAY), "loans", "1", features, float(rng.random()))
        producer.produce(topic, encode_prediction(row), row.id)
    producer.flush()
