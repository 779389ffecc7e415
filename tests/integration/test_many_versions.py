"""A hundred registered model versions: every role starts within 15 s, and knows all of them."""

import sqlite3
import time
from dataclasses import replace

import pytest
from confluent_kafka import Consumer, TopicPartition

from monitor.plan import Plan
from producers.contract.profiles import encode_profile
from producers.kafka.profile_publication import derived_blobs
from tests.integration.deployment import ROLES, Deployment, Sent
from tests.producers.contract.test_profiles import profile

VERSIONS, WITHIN_S = 100, 15
DERIVED = derived_blobs(Plan(), profile())


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory):
    directory = tmp_path_factory.mktemp("versions")
    with Deployment(kafka, directory.name.replace("_", "-"), directory) as deployment:
        deployment.send(
            Sent("profiles", 0, key, value)
            for number in range(VERSIONS)
            for key, value in registration(f"v{number}")
        )
        yield deployment


def registration(version: str) -> list[tuple[bytes, bytes]]:
    original = profile()
    copy = replace(original, schema=replace(original.schema, version=version))
    return encode_profile(copy, derived=DERIVED)


@pytest.fixture(scope="module")
def heartbeats(deployment):
    """The keys of the heartbeats since the last call."""
    consumer = Consumer({"bootstrap.servers": deployment.servers, "group.id": deployment.prefix})
    consumer.assign([TopicPartition(f"{deployment.prefix}.heartbeats", 0, 0)])
    yield lambda: [message.key() for message in consumer.consume(100, timeout=0.1)]
    consumer.close()


def stored_versions(deployment: Deployment) -> int:
    with sqlite3.connect(deployment.directory / "driftline.db") as connection:
        return int(connection.execute("select count(*) from models").fetchone()[0])


@pytest.mark.parametrize("role", [*ROLES, "retrain"])
def test_a_role_starts_with_a_hundred_registered_versions(deployment, heartbeats, role):
    started_s = time.monotonic()
    deployment.start(role)
    name = f"{role}-0"
    deployment.until(lambda: name.encode() in heartbeats(), f"heartbeat of {name}", WITHIN_S)
    if role == "store":
        left_s = WITHIN_S - (time.monotonic() - started_s)
        deployment.until(
            lambda: stored_versions(deployment) == VERSIONS, "row for each version", left_s
        )
    deployment.stop(name)
