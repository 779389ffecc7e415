"""Heartbeats: every five seconds, with or without progress, and a last one at the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.messages.records import TopicPartition
from consumers.processes import heartbeat
from consumers.processes.heartbeat import Heartbeat
from consumers.processes.restarts import TOO_MANY, Restarts
from driftline.errors import Trouble
from driftline.settings import load_settings
from tests.consumers.in_memory import T0

REFUSED = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)


class World:
    """Stands in for Kafka, the clocks and a role, and records the calls in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.calls: list[str] = []
        self.sent: list[Any] = []
        self.reported: str | None = None
        self.refused = False  # by the client library, which knows it from before

    def poll(self, _seconds: float) -> None:
        pass

    def flush(self, _seconds: float) -> None:
        self.calls.append("flush")

    def produce(self, topic: str, *, key: bytes, value: bytes, on_delivery: Any) -> None:
        self.confirm = on_delivery
        if self.refused:
            raise KafkaException(REFUSED)
        self.calls.append("produce")
        self.sent.append((topic, key, json.loads(value)))

    def status(self) -> Any:
        return {"predictions/0": {"offset": 1_200, "counts": {"received": 1_200}}}

    def problem(self) -> str | None:
        return self.reported

    def end_offset(self, topic_partition: TopicPartition, read: int) -> int | None:
        assert read == 1_200
        return {TopicPartition("predictions", 0): 1_300}.get(topic_partition)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(heartbeat, "Producer", lambda _config: made)
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: made.now_s)
    monkeypatch.setattr(heartbeat, "wall_clock_ms", lambda: T0 + round(1_000 * made.now_s))
    return made


@pytest.fixture
def restarts(tmp_path: Path) -> Restarts:
    return Restarts(tmp_path / "aggregate-3.json")


@pytest.fixture
def beat(world: World, restarts: Restarts) -> Heartbeat:
    return Heartbeat(load_settings(None, kafka={"prefix": "d"}), "aggregate", 3, world, restarts)


def sent_at(
    world: World, beat: Heartbeat, seconds: int, *, progressed: bool = False
) -> list[float]:
    """The times of the heartbeats, if one may be sent every second."""
    times = []
    for _ in range(seconds):
        before = len(world.sent)
        beat.send_if_due(world, progressed=progressed)
        times += [world.now_s] * (len(world.sent) - before)
        world.now_s += 1
    return times


def test_a_heartbeat_is_sent_at_once_and_then_every_five_seconds(world, beat):
    assert sent_at(world, beat, 12) == [0, 5, 10]


def test_a_heartbeat_is_keyed_by_role_and_slot_and_has_the_documented_fields(world, beat):
    sent_at(world, beat, 1)
    ((topic, key, document),) = world.sent
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text()
    block = re.search(r"```json\n(.*?)```", page.partition("\n## `heartbeats`\n")[2], re.DOTALL)
    assert block is not None
    assert (topic, key) == ("d.heartbeats", b"aggregate-3")
    assert set(document) == set(json.loads(block[1]))


def test_a_heartbeat_has_the_end_offset_and_the_status_of_each_partition(world, beat):
    sent_at(world, beat, 1)
    assert world.sent[0][2]["partitions"] == {
        "predictions/0": {"offset": 1_200, "end": 1_300, "counts": {"received": 1_200}}
    }


def test_secrets_are_hidden_in_the_problem_of_a_heartbeat(world, beat, monkeypatch):
    monkeypatch.setattr("driftline.logs._hidden", ["s3cret"])
    world.reported = "cannot log in with s3cret"
    sent_at(world, beat, 1)
    assert world.sent[0][2]["problem"] == "cannot log in with ***"


def test_progress_at_is_the_time_of_the_last_commit(world, beat):
    sent_at(world, beat, 1)
    sent_at(world, beat, 2, progressed=True)
    sent_at(world, beat, 8)
    assert [document["progress_at"] for *_, document in world.sent] == [
        None,
        "2013-04-01T00:00:02Z",
        "2013-04-01T00:00:02Z",
    ]
    assert world.sent[-1][2]["at"] == "2013-04-01T00:00:10Z"


def test_a_last_heartbeat_is_flushed_when_it_is_closed(world, beat):
    beat.take(world)
    beat.close()
    assert world.calls == ["produce", "flush"]


def test_a_heartbeat_has_the_problem_of_the_role_while_there_is_one(world, beat):
    world.reported = "1 model version is set aside: m/1: its profile is gone"
    sent_at(world, beat, 6)
    world.reported = None
    beat.take(world)
    beat.close()
    problems = [document["problem"] for *_, document in world.sent]
    assert problems == ["1 model version is set aside: m/1: its profile is gone"] * 2 + [None]


def test_a_heartbeat_says_that_its_worker_ends_again_and_again_beside_the_problem_of_the_role(
    world, beat, restarts
):
    for _ in range(TOO_MANY):
        with pytest.raises(Trouble), restarts.recorded():
            raise Trouble("the disk is full")
    beat.take(world)
    beat.close()
    world.reported = "1 model version is set aside"
    beat.take(world)
    beat.close()
    ended = "it ended 3 times in the last 10 minutes, last: the disk is full"
    problems = [document["problem"] for *_, document in world.sent]
    assert problems == [ended, f"{ended}; 1 model version is set aside"]


def test_without_the_right_to_write_heartbeats_the_worker_goes_on_and_tells_it_once(
    world, beat, caplog
):
    sent_at(world, beat, 1)
    world.confirm(REFUSED, None)
    world.refused = True
    assert sent_at(world, beat, 30) == []
    beat.close()
    (line,) = caplog.messages
    assert "Kafka denies User:driftline Write on topic d.heartbeats" in line
    assert beat.kafka.seconds == 0  # it is there
    world.refused = False
    sent_at(world, beat, 6)
    world.confirm(None, None)
    world.confirm(REFUSED, None)
    assert len(caplog.messages) == 2
