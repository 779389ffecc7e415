"""Two workers of ``aggregate`` share the partitions of each topic, with both group protocols."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
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
def test_groups_that_kafka_has_forgotten_or_that_were_reset_change_no_result(alone, deployment):
    """An earlier release had one group for predictions and labels, which is reset as well."""
    records, groups = stream(), Groups(deployment)
    half = len(records) // 2
    roles = ("aggregate", "join", "detect")
    deployment.start(*roles)
    deployment.send(records[:half])
    labels = sum(record.topic == "labels" for record in records[:half])
    deployment.until(
        lambda: deployment.total("labels").get("received") == labels, "the first labels"
    )
    for role in roles:
        deployment.stop(f"{role}-0")
    reset(groups.admin, groups.name("predictions"))
    names = [groups.name("labels"), *(f"{deployment.prefix}.{role}" for role in ("join", "detect"))]
    for name in names:
        once_empty(lambda: groups.admin.delete_consumer_groups([name])[name].result())  # noqa: B023
    deployment.start(*roles)
    deployment.send(records[half:])
    assert outcome(deployment) == alone
    for topic in ("predictions", "labels", "joins", "summaries"):
        assert f"the group has lost its offset of {topic}/" in deployment.logs()


def reset(admin: AdminClient, group: str) -> None:
    """Set all offsets of a group back by one record."""
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
    back = [
        TopicPartition(at.topic, at.partition, at.offset - 1)
        for at in asked[group].result().topic_partitions
    ]
    assert len(back) == 4
    moved = ConsumerGroupTopicPartitions(group, back)

    def change() -> None:
        answers = admin.alter_consumer_group_offsets([moved])[group].result().topic_partitions
        for answer in answers:
            if answer.error is not None:
                raise KafkaException(answer.error)

    once_empty(change)


def once_empty(change: Callable[[], object]) -> None:
    """A static member is in its group until its session ends."""
    deadline_s = time.monotonic() + 60
    while True:
        try:
            change()
        except KafkaException:
            assert time.monotonic() < deadline_s, "the group does not become empty"
            time.sleep(0.5)
        else:
            return
