"""A message of one model that detect cannot read, on a real Kafka, beside another model."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from producers.contract.partitions import model_partition
from tests.consumers.in_memory import T0
from tests.integration.deployment import Deployment, Sent, Windows
from tests.integration.newer_release import UNKNOWN
from tests.integration.test_event_times import (
    ONLINE,
    PUBLISHED,
    SETTINGS,
    interleaved,
    of_version,
    registrations,
    row,
    rows,
)

pytestmark = pytest.mark.kafka

OTHER = ("other", "1")  # its rows make progress, which reaches all partitions
JSON = (("content-type", b"application/json"),)


def test_model_whose_message_cannot_be_read_waits_for_a_release_that_can(kafka, tmp_path, prefix):
    """Two models with the same rows, in one partition: the other one has its windows meanwhile."""
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        partition, waiting = beside_online(deployment)
        deployment.send(registrations([ONLINE, waiting, OTHER]))
        records = interleaved(rows(ONLINE, T0), rows(waiting, T0))
        half = len(records) // 2
        deployment.send(records[:half])
        deployment.start("aggregate", "join", "detect")
        deployment.until(lambda: finals(deployment, waiting) > 0, "the first windows of both")
        deployment.send([Sent("summaries", partition, waiting[0].encode(), UNKNOWN, JSON)])
        deployment.until(lambda: problem(deployment) is not None, "the problem in the heartbeat")
        deployment.send(records[half:])
        deployment.until(
            lambda: finals(deployment, ONLINE) == PUBLISHED, "the windows of the other"
        )
        assert (problem(deployment) or "").startswith(
            f"1 model is set aside with all versions: {waiting[0]}: topic summaries, partition"
            f" {partition}, offset "
        )
        assert finals(deployment, waiting) < PUBLISHED
        deployment.stop("detect-0")
        deployment.start("detect")
        deployment.until(lambda: times_set_aside(deployment) == 2, "the same release to find it")
        deployment.send(row(*OTHER, 0, T0))
        deployment.stop("detect-0")
        deployment.start("detect", module="tests.integration.newer_release")
        deployment.send(row(*OTHER, 1, T0))
        deployment.until(lambda: finals(deployment, waiting) == PUBLISHED, "the windows of both")
        deployment.until(lambda: problem(deployment) is None, "the end of the problem")
        windows = deployment.windows()
    assert renamed(windows, waiting) == renamed(windows, ONLINE)


def beside_online(deployment: Deployment) -> tuple[int, tuple[str, str]]:
    """The partition of ``summaries`` of the online model, and another model of that partition."""
    topic = f"{deployment.prefix}.summaries"
    admin = AdminClient({"bootstrap.servers": deployment.servers})
    total = len(admin.list_topics(topic, timeout=30).topics[topic].partitions)
    partition = model_partition(ONLINE[0], total)
    names = (f"waiting-{number}" for number in range(1_000))
    return partition, (next(n for n in names if model_partition(n, total) == partition), "1")


def finals(deployment: Deployment, key: tuple[str, str]) -> int:
    """How many windows of a version are final."""
    return len(of_version(deployment.windows(), key)[1])


def times_set_aside(deployment: Deployment) -> int:
    return (deployment.directory / "detect-0.log").read_text().count("is set aside")


def problem(deployment: Deployment) -> str | None:
    """What the newest heartbeat of detect reports."""
    beat = deployment.newest_heartbeats(["detect-0"]).get("detect-0")
    problem: str | None = None if beat is None else beat["problem"]
    return problem


def renamed(windows: Windows, key: tuple[str, str]) -> list[dict[str, Any]]:
    """The first, final and newest of each window, without the name of the model."""
    parts = of_version(windows, key)
    return [{window.split("/", 1)[1]: found for window, found in part.items()} for part in parts]
