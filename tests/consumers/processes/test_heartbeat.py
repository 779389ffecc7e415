"""Heartbeats: every five seconds, whether there is progress or not, and once more in the end."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from consumers.messages.records import TopicPartition
from consumers.processes import heartbeat
from consumers.processes.heartbeat import Heartbeat
from driftline.settings import load_settings
from tests.consumers.in_memory import T0


class World:
    """Stands in for Kafka, the clocks and a role, and remembers what was asked, in order."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked: list[str] = []
        self.sent: list[Any] = []

    def poll(self, _seconds: float) -> None:
        pass

    def flush(self, _seconds: float) -> None:
        self.asked.append("flush")

    def produce(self, topic: str, *, key: bytes, value: bytes) -> None:
        self.asked.append("produce")
        self.sent.append((topic, key, json.loads(value)))

    def status(self) -> Any:
        return {"predictions/0": {"offset": 1_200, "counts": {"received": 1_200}}}

    def end(self, topic_partition: TopicPartition) -> int | None:
        return {TopicPartition("predictions", 0): 1_300}.get(topic_partition)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(heartbeat, "Producer", lambda _config: made)
    monkeypatch.setattr(heartbeat.time, "monotonic", lambda: made.now_s)
    monkeypatch.setattr(heartbeat, "_now_ms", lambda: T0 + round(1_000 * made.now_s))
    return made


@pytest.fixture
def pulse(world: World) -> Heartbeat:
    return Heartbeat(load_settings(None, kafka={"prefix": "d"}), "aggregate", 3, world)


def beats(world: World, pulse: Heartbeat, seconds: int, *, progressed: bool = False) -> list[float]:
    """When it was heard, if it is asked every second."""
    heard = []
    for _ in range(seconds):
        before = len(world.sent)
        pulse.beat(world, progressed=progressed)
        heard += [world.now_s] * (len(world.sent) - before)
        world.now_s += 1
    return heard


def test_it_is_heard_at_once_and_then_every_five_seconds(world, pulse):
    assert beats(world, pulse, 12) == [0, 5, 10]


def test_it_is_keyed_by_role_and_slot_and_has_the_fields_of_its_page(world, pulse):
    beats(world, pulse, 1)
    ((topic, key, document),) = world.sent
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text()
    block = re.search(r"```json\n(.*?)```", page.partition("\n## `heartbeats`\n")[2], re.DOTALL)
    assert block is not None
    assert (topic, key) == ("d.heartbeats", b"aggregate-3")
    assert set(document) == set(json.loads(block[1]))


def test_it_tells_the_end_of_each_partition_beside_what_the_role_says_of_it(world, pulse):
    beats(world, pulse, 1)
    assert world.sent[0][2]["partitions"] == {
        "predictions/0": {"offset": 1_200, "end": 1_300, "counts": {"received": 1_200}}
    }


def test_progress_is_when_something_was_committed_last_and_stands_still_without(world, pulse):
    beats(world, pulse, 1)
    beats(world, pulse, 2, progressed=True)
    beats(world, pulse, 8)
    assert [document["progress_at"] for *_, document in world.sent] == [
        None,
        "2013-04-01T00:00:02Z",
        "2013-04-01T00:00:02Z",
    ]
    assert world.sent[-1][2]["at"] == "2013-04-01T00:00:10Z"


def test_the_last_word_is_sent_before_it_leaves(world, pulse):
    pulse.close(world)
    assert world.asked == ["produce", "flush"]
