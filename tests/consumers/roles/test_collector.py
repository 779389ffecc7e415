"""The collector: reads topics, registers each version once, and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from consumers.messages.records import Record
from consumers.roles.collection import Amount, Collection
from consumers.roles.collector import Collected, Collector
from consumers.roles.retrain import Retrain
from consumers.sources.mapping.record_mapper import RecordMapper
from driftline.configuration.sources import SourceSection
from driftline.errors import BadInput
from monitor.counts.profile import InvalidReference
from monitor.plan import Time
from monitor.tasks.binary import BINARY
from tests.consumers.in_memory import NOW, T0, Log, Worker

SCORED = SourceSection(
    topic="orders",
    id="$.id",
    time="$.t",
    model={"value": "m"},
    features="$.in",
    score="$.p",
    collect=3,
)


class Topic:
    """A partition of which a reader gets two records at a time."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self.opened = self.closed = 0

    def reader(self) -> _Reader:
        self.opened += 1
        return _Reader(self)


class _Reader:
    def __init__(self, topic: Topic) -> None:
        self._topic, self._next, self.caught_up = topic, 0, False

    def arrived(self) -> Sequence[Record]:
        found = self._topic.values[self._next : self._next + 2]
        records = [
            Record("topic:orders", 0, self._next + i, None, value, append_ms=NOW)
            for i, value in enumerate(found)
        ]
        self._next += len(found)
        self.caught_up = not found
        return records

    def close(self) -> None:
        self._topic.closed += 1


class World:
    """A topic, and the versions that are registered."""

    def __init__(self) -> None:
        self.topic = Topic()
        self.registered: dict[tuple[str, str], Collection] = {}
        self.tried: list[int] = []  # rows, by attempt
        self.refuse: Exception | None = None

    def send(self, *values: bytes) -> None:
        self.topic.values += values

    def collector(self, *versions: str) -> Collector:
        return Collector([self._collected(name) for name in versions or "1"], self.has, self.take)

    def has(self, key: tuple[str, str]) -> bool:
        return key in self.registered

    def take(self, collection: Collection) -> None:
        self.tried.append(len(collection.rows))
        if self.refuse is not None:
            raise self.refuse
        self.registered[collection.key] = collection

    def _collected(self, version: str) -> Collected:
        mapper = RecordMapper([SCORED.model_copy(update={"version": SCORED.version})])
        own = Collection(("m", version), Amount(3, None), Time(), BINARY.contract, False)
        return Collected(own, [(self.topic.reader(), mapper)])


def scored(number: int, **fields: object) -> bytes:
    return json.dumps(
        {"id": f"r{number}", "t": T0 + number, "in": {"x": 1}, "p": 0.5} | fields
    ).encode()


@pytest.fixture
def world() -> World:
    return World()


def test_a_version_is_registered_when_its_rows_are_there_and_then_its_topics_are_left(world):
    collector = world.collector()
    world.send(scored(1), scored(2))
    collector.step()
    (status,) = collector.status()
    assert (status.progress, world.registered) == ("2 of 3 rows", {})
    world.send(scored(3), scored(4))
    collector.step()
    assert sorted(world.registered["m", "1"].rows) == ["r1", "r2", "r3"]
    collector.step()
    assert (collector.status(), world.topic.closed, len(world.tried)) == ([], 1, 1)


def test_a_successor_begins_with_the_first_record_again(world):
    world.send(scored(1), scored(2))
    world.collector().step()
    world.send(scored(3))
    world.collector().step()
    assert sorted(world.registered["m", "1"].rows) == ["r1", "r2", "r3"]


def test_records_that_cannot_be_mapped_are_counted(world):
    world.send(b"{", scored(1, t="yesterday"), scored(2))
    collector = world.collector()
    collector.step()
    (status,) = collector.status()
    assert (status.rows, status.refused) == (1, 2)
    assert status.progress.startswith("1 of 3 rows; 2 were refused: not JSON")


def test_a_version_that_somebody_else_registers_is_not_collected_any_more(world):
    collector = world.collector()
    world.registered["m", "1"] = collector._open[0].collection
    world.send(scored(1), scored(2), scored(3))
    collector.step()
    assert (collector.status(), world.tried) == ([], [])


@pytest.mark.parametrize("error", [InvalidReference("too few rows"), BadInput("too few rows")])
def test_rows_that_are_no_reference_are_a_problem_and_not_tried_again(world, error):
    world.refuse = error
    world.send(scored(1), scored(2), scored(3))
    collector = world.collector()
    collector.step()
    collector.step()
    assert list(collector.problems()) == [
        "m/1 cannot be registered from the 3 rows that were collected: too few rows"
    ]
    assert (world.tried, len(collector.status())) == ([3], 1)


def test_another_error_ends_the_run_and_the_next_one_tries_again(world):
    world.refuse = RuntimeError("Kafka is away")
    world.send(scored(1), scored(2), scored(3))
    with pytest.raises(RuntimeError, match="away"):
        world.collector().step()
    world.refuse = None
    world.collector().step()
    assert world.tried == [3, 3]


def test_no_version_counts_before_its_topics_were_read_to_their_end(world):
    world.send(*(scored(number) for number in range(20)))
    collector = world.collector()
    reader, _ = collector._open[0]._sources[0]
    stuck: Callable[[], Sequence[Record]] = reader.arrived

    def only_once() -> Sequence[Record]:
        reader.arrived = list  # type: ignore[method-assign]
        found = [*stuck(), *stuck()]
        reader.caught_up = False
        return found

    reader.arrived = only_once  # type: ignore[method-assign]
    collector.step()
    assert (world.tried, collector.status()[0].rows) == ([], 4)


def test_retrain_collects_with_each_batch_and_tells_the_problem(world):
    world.refuse = BadInput("no")
    world.send(scored(1), scored(2), scored(3))
    role = Retrain(world.collector())
    Worker(role, Log(retraining=1), []).work()
    assert "m/1 cannot be registered" in (role.problem() or "")
