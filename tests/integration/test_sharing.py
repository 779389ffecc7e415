"""Two workers of ``aggregate`` share the partitions of each topic, with both group protocols."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from driftline.fault_points import EXIT_CODE
from tests.consumers.in_memory import T0
from tests.integration.deployment import Deployment, Sent, Windows
from tests.integration.test_event_times import (
    PUBLISHED,
    SETTINGS,
    interleaved,
    key_of,
    registrations,
    rows,
)

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

KEYS = [("one", "1"), ("two", "1")]
GROUPS = {"predictions": "aggregate", "labels": "aggregate-labels"}
EVENLY = {0: {"predictions": 2, "labels": 2}, 1: {"predictions": 2, "labels": 2}}
ALONE = {0: {"predictions": 4, "labels": 4}}


@dataclass(frozen=True)
class Outcome:
    windows: Windows
    decisions: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]


def stream() -> list[Sent]:
    """Two models in all partitions of both topics, with a row that closes every window."""
    return interleaved(*(rows(key, T0) for key in KEYS))


def outcome(deployment: Deployment) -> Outcome:
    """The results when the last window of each model is final."""

    def all_are_final() -> bool:
        final = Counter(map(key_of, deployment.windows().final))
        return final >= Counter(dict.fromkeys(KEYS, PUBLISHED))

    deployment.until(all_are_final, "the final windows of both models")
    deployment.stop()
    counts = {topic: deployment.total(topic) for topic in ("predictions", "labels", "joins")}
    return Outcome(deployment.windows(), deployment.decisions(), counts)


class Groups:
    """The groups of ``aggregate``, as the broker describes them."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.admin = AdminClient({"bootstrap.servers": deployment.servers})

    def owned(self) -> Mapping[int, Mapping[str, int]]:
        """How many partitions of each topic each slot owns."""
        names = {topic: self.name(topic) for topic in GROUPS}
        described = self.admin.describe_consumer_groups(list(names.values()))
        found: dict[int, dict[str, int]] = {}
        for topic, group in names.items():
            for member in described[group].result().members:
                owned = member.assignment.topic_partitions
                assert {at.topic for at in owned} <= {f"{self._deployment.prefix}.{topic}"}
                if owned:
                    slot = int(member.group_instance_id.removeprefix("aggregate-"))
                    found.setdefault(slot, {})[topic] = len(owned)
        return found

    def name(self, topic: str) -> str:
        return f"{self._deployment.prefix}.{GROUPS[topic]}"

    def await_owned(self, expected: Mapping[int, Mapping[str, int]]) -> None:
        self._deployment.until(lambda: self.owned() == expected, f"the assignment {expected}", 60)


@pytest.fixture(scope="module")
def alone(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One worker of each role, undisturbed."""
    directory = tmp_path_factory.mktemp("alone")
    with Deployment(kafka, f"alone-{time.time_ns():x}", directory, SETTINGS) as deployment:
        deployment.send(registrations(KEYS))
        deployment.start("aggregate", "join", "detect")
        deployment.send(stream())
        return outcome(deployment)


@pytest.fixture
def deployment(kafka: str, tmp_path: Path, prefix: str, protocol: str) -> Iterator[Deployment]:
    settings = {**SETTINGS, "DRIFTLINE_KAFKA__GROUP_PROTOCOL": protocol}
    with Deployment(kafka, prefix, tmp_path, settings) as made:
        made.send(registrations(KEYS))
        yield made


both_protocols = pytest.mark.parametrize("protocol", ["classic", "consumer"])


@both_protocols
def test_two_workers_own_half_of_each_topic_and_one_takes_over_when_the_other_is_killed(
    alone, deployment
):
    """The second one joins and ends while rows come."""
    records, groups = stream(), Groups(deployment)
    half = len(records) // 2
    deployment.start("aggregate", "join", "detect")
    groups.await_owned(ALONE)
    deployment.start("aggregate", slot=1, fault="before-commit:8")
    killed, evenly = deployment.processes.pop("aggregate-1"), False
    while killed.poll() is None:
        assert len(records) > half, "the fault was not reached"
        some = 10 if evenly else 4
        deployment.send(records[:some])
        del records[:some]
        evenly = evenly or groups.owned() == EVENLY
        time.sleep(0.4)
    assert evenly
    assert killed.returncode == EXIT_CODE
    groups.await_owned(ALONE)
    deployment.send(records)
    assert outcome(deployment) == alone


@pytest.mark.parametrize("protocol", ["classic"])
def test_labels_go_on_where_the_group_of_an_earlier_release_has_left_them(alone, deployment):
    """It had one group for both topics."""
    records, groups = stream(), Groups(deployment)
    half = len(records) // 2
    deployment.start("aggregate", "join", "detect")
    deployment.send(records[:half])
    labels = sum(record.topic == "labels" for record in records[:half])
    deployment.until(
        lambda: deployment.total("labels").get("received") == labels, "the first labels"
    )
    deployment.stop("aggregate-0")
    move_offsets(groups.admin, groups.name("labels"), groups.name("predictions"))
    deployment.start("aggregate")
    deployment.send(records[half:])
    assert outcome(deployment) == alone
    assert "has no offsets of labels/" in deployment.logs()


def move_offsets(admin: AdminClient, source: str, target: str) -> None:
    """All offsets of a group to another one, when both are empty. ``source`` is deleted."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(source)])
    offsets = [
        TopicPartition(at.topic, at.partition, at.offset)
        for at in asked[source].result().topic_partitions
    ]
    assert len(offsets) == 4
    deadline_s = time.monotonic() + 60
    while not try_move(admin, source, target, offsets):
        assert time.monotonic() < deadline_s, "the groups do not become empty"
        time.sleep(0.5)


def try_move(admin: AdminClient, source: str, target: str, offsets: list[TopicPartition]) -> bool:
    moved = ConsumerGroupTopicPartitions(target, offsets)
    try:
        admin.alter_consumer_group_offsets([moved])[target].result()
        admin.delete_consumer_groups([source])[source].result()
    except KafkaException:  # the static member is in the group until its session ends
        return False
    return True
