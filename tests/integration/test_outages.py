"""Kafka stops and returns: nothing is lost, and nobody ends who has patience."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from tests.conftest import REMEDY, lacking
from tests.consumers.in_memory import T0
from tests.integration.broker import BrokerUnavailable, LocalKafka
from tests.integration.deployment import ROLES, Deployment, Sent, Windows
from tests.integration.test_end_to_end import stored_as_published
from tests.integration.test_event_times import PUBLISHED, SETTINGS, registrations, rows

PARTITIONS = 3
ROWS = 6_000
MODEL = ("online", "1")
OUTAGE_S = 13.0  # longer than a transaction and a session may last

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalKafka]:
    """A Kafka of its own, which a test may stop."""
    try:
        local = LocalKafka()
    except BrokerUnavailable as error:
        lacking("kafka", f"{error} ({REMEDY})")
    with local:
        yield local


def keys(broker: LocalKafka, topic: str) -> list[list[str]]:
    """The keys of the records of a topic, by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": "test",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    found = []
    for number in sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions):
        consumer.assign([TopicPartition(topic, number, 0)])
        of_partition = []
        while (message := consumer.poll(10)) is not None and message.error() is None:
            of_partition.append(message.key().decode())
        found.append(of_partition)
    consumer.close()
    return found


def newest_count(broker: LocalKafka, topic: str) -> int:
    """The records of a topic; 0 as long as a new partition has no leader."""
    consumer = Consumer({"bootstrap.servers": broker.bootstrap_servers, "group.id": "test"})
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    try:
        ends = [consumer.get_watermark_offsets(one, timeout=10) for one in partitions]
    except KafkaException:
        return 0
    finally:
        consumer.close()
    return sum(high for _, high in ends)


def test_a_replay_stops_at_the_first_record_that_was_not_taken_and_goes_on_there(
    broker, prefix, tmp_path: Path
):
    """All records before it were taken, once and in order; both runs together have all."""
    topic = f"{prefix}.predictions"
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    topics = [NewTopic(f"{prefix}.{name}", PARTITIONS, 1) for name in ("predictions", "labels")]
    for made in admin.create_topics(topics).values():
        made.result(30)
    file = tmp_path / "rows.csv"
    times = pd.date_range("2024-01-01", periods=ROWS, freq="min", tz="UTC").astype(str)
    ids = [f"{number:05}" for number in range(ROWS)]
    pd.DataFrame({"at": times, "p": np.linspace(0, 1, ROWS), "id": ids, "x": 1.0}).to_csv(file)
    replay = [sys.executable, "-m", "producers", "replay", str(file), "--model", "m"]
    replay += ["--version", "1", "--time", "at", "--score", "p", "--id", "id", "--rate", "1500"]
    replay += ["--anyway"]  # nothing reads the rows
    environment = {
        **os.environ,
        "DRIFTLINE_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
        "DRIFTLINE_KAFKA__PREFIX": prefix,
        "DRIFTLINE_KAFKA__OUTAGE_PATIENCE": "3s",
    }
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(replay, env=environment, **pipes)
    while newest_count(broker, topic) < 1_000:
        assert running.poll() is None, running.communicate()
        time.sleep(0.1)
    broker.kill()
    _, said = running.communicate(timeout=60)
    broker.start()

    assert running.returncode == 1
    assert "has confirmed nothing for" in said
    taken = int(re.search(r"repeat the command with --resume (\d+)", said)[1])
    assert 0 < taken < ROWS  # below what was written, if one partition confirms later than others
    before = keys(broker, topic)
    assert set(ids[:taken]) <= {key for of_partition in before for key in of_partition}
    assert all(of_partition == sorted(set(of_partition)) for of_partition in before)

    done = subprocess.run([*replay, "--resume", str(taken)], env=environment, **pipes, check=False)
    assert done.returncode == 0, done.stderr
    assert f"sent {ROWS - taken:,} predictions and 0 labels" in done.stdout
    assert {key for of_partition in keys(broker, topic) for key in of_partition} == set(ids)


# -- the roles ---------------------------------------------------------------------------------


Results = tuple[Windows, list[dict[str, Any]]]


def results(deployment: Deployment) -> Results:
    """The windows and the decisions about retraining, when the last window is final."""
    deployment.until(lambda: len(deployment.windows().final) >= PUBLISHED, "the final windows")
    time.sleep(3.0)  # for the last amendments, and for the database
    deployment.stop()
    stored_as_published(deployment)
    return deployment.windows(), deployment.decisions()


def stream() -> list[Sent]:
    return rows(MODEL, T0, every_ms=50)


@pytest.fixture(scope="module")
def undisturbed(broker: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Results:
    directory = tmp_path_factory.mktemp("undisturbed")
    with Deployment(broker.bootstrap_servers, "calm", directory, SETTINGS) as deployment:
        deployment.send(registrations([MODEL]))
        deployment.start()
        deployment.send(stream())
        return results(deployment)


def test_roles_wait_for_kafka_without_ending_and_change_no_result(
    broker, undisturbed, tmp_path, prefix
):
    records = stream()
    with Deployment(broker.bootstrap_servers, prefix, tmp_path, SETTINGS) as deployment:
        deployment.send(registrations([MODEL]))
        deployment.start(*ROLES, "retrain")
        deployment.send(records[:300])
        deployment.until(lambda: bool(deployment.windows().first), "a window")
        deployment.send(records[300:400])
        broker.kill()
        time.sleep(OUTAGE_S)
        broker.start()
        deployment.send(records[400:])
        assert results(deployment) == undisturbed
        for role in (*ROLES, "retrain"):
            lines = (tmp_path / f"{role}-0.log").read_text().splitlines()
            assert sum("is away, waiting for it" in line for line in lines) <= 1, lines
            assert sum("WARNING" in line and "is back" in line for line in lines) <= 1, lines
            assert not any("Traceback" in line for line in lines), lines
            assert 3 <= len(lines) < 15, lines
