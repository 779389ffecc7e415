"""A worker begins a new run when what it needs is back, and its process does not end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumers.kafka.errors import SlotTaken, TransactionUnsettled
from consumers.kafka.outage import ConnectionLines, Outage, is_away
from consumers.processes import outages
from consumers.processes.outages import Missing, Outages, StillAway
from consumers.processes.restarts import Restarts
from driftline.errors import BeginAgain
from producers.kafka.errors import KafkaUnavailable, MissingTopic


class Away(Exception):
    """What the work raises while the system is away."""


class World:
    """A system that is away for a time, the clock, and a worker that needs the system."""

    def __init__(self, away_s: float, *, fails_s: float | None = None) -> None:
        self.now_s = 0.0
        self.away_s, self.fails_s = away_s, away_s if fails_s is None else fails_s
        self.runs: list[float] = []
        self.asked: list[float] = []
        self.problems: list[str] = []
        self.outage = Outage("Kafka")

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def work(self) -> None:
        self.runs.append(self.now_s)
        if self.now_s < self.fails_s:
            raise Away

    def answers(self) -> bool:
        self.asked.append(self.now_s)
        return self.now_s >= self.away_s

    def missing(self, error: Exception) -> Missing | None:
        return Missing(self.outage, "refused", self.answers) if isinstance(error, Away) else None


@pytest.fixture
def run(monkeypatch, tmp_path: Path) -> Callable[..., None]:
    def started(world: World, work: Callable[[], None] | None = None, *, until_s: float = 1e9):
        monkeypatch.setattr(outages.time, "monotonic", lambda: world.now_s)
        monkeypatch.setattr(outages.time, "sleep", world.sleep)
        restarts = Restarts(tmp_path / "aggregate-0.json")
        waiting = Outages(
            world.missing, 600.0, restarts, world.problems.append, lambda: world.now_s > until_s
        )
        waiting.run(work or world.work)

    return started


def test_a_run_begins_again_when_the_system_is_back_with_one_line_each_way(run, caplog):
    world = World(away_s=60)
    run(world)
    assert len(world.runs) == 2
    assert 60 <= world.runs[1] < 60 + 5.5
    lines = [record.message.partition(" after")[0] for record in caplog.records]
    assert lines == ["Kafka is away, waiting for it: refused", "Kafka is back"]
    assert set(world.problems) == {"Kafka is away: refused"}


@pytest.mark.parametrize(("pause_s", "ends"), [(58.0, True), (61.0, False)])
def test_worker_that_kafka_shuts_out_begins_again_and_ends_if_it_is_shut_out_again(
    run, pause_s, ends
):
    world = World(0)
    shut_out = [True, True, False]

    def work() -> None:
        world.runs.append(world.now_s)
        world.now_s += pause_s
        if shut_out[len(world.runs) - 1]:
            raise SlotTaken("shut out of Kafka")

    if ends:
        with pytest.raises(SlotTaken, match="shut out"):
            run(world, work)
    else:
        run(world, work)
    assert len(world.runs) == (2 if ends else 3)


@pytest.mark.parametrize(("since_s", "times"), [(10.0, 5), (250.0, 5), (301.0, 1)])
def test_worker_may_be_shut_out_five_times_after_an_outage(run, since_s, times):
    world = World(60)

    def work() -> None:
        if not world.runs:
            return world.work()
        world.runs.append(world.now_s)
        world.now_s += since_s if len(world.runs) == 2 else 1.0
        raise SlotTaken("shut out of Kafka")

    with pytest.raises(SlotTaken, match="shut out"):
        run(world, work)
    assert len(world.runs) == 1 + times + 1


def test_the_system_is_asked_less_and_less_often_but_every_five_seconds(run):
    world = World(away_s=60)
    run(world)
    waits = [later - earlier for earlier, later in pairwise(world.asked)]
    assert waits[0] < waits[1] < waits[2] < waits[3]
    assert all(wait == pytest.approx(5.0, abs=0.3) for wait in waits[4:])


def test_nothing_ends_before_the_patience_and_then_it_ends_with_a_sentence(run):
    world = World(away_s=1e9)
    with pytest.raises(StillAway, match=r"Kafka was away for 60\d s: refused"):
        run(world)
    assert 600 <= world.now_s < 610


def test_a_system_that_answers_and_fails_again_and_again_ends_after_the_patience(run, caplog):
    world = World(away_s=0, fails_s=1e9)
    with pytest.raises(StillAway):
        run(world)
    assert 600 <= world.now_s < 610
    assert len(world.runs) < 130  # not in a busy loop
    assert {record.message for record in caplog.records} == {"refused; beginning again"}


def test_a_stop_is_not_delayed_by_an_outage(run):
    world = World(away_s=1e9)
    run(world, until_s=100)
    assert world.now_s < 100.5


def test_an_error_that_is_no_outage_is_raised(run):
    def fail() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run(World(0), fail)


def test_a_run_begins_again_at_once_after_a_cache_was_removed(run, caplog):
    world = World(0)

    def work() -> None:
        world.runs.append(world.now_s)
        if len(world.runs) == 1:
            raise BeginAgain("the store is damaged: rebuilding it")

    run(world, work)
    assert world.runs == [0, 0]
    assert caplog.messages == ["the store is damaged: rebuilding it"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KafkaException(KafkaError(KafkaError._TIMED_OUT)), True),
        (KafkaException(KafkaError(KafkaError.NOT_COORDINATOR)), True),
        (KafkaUnavailable("no broker answers"), True),
        (TransactionUnsettled("it is unknown"), True),
        (KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)), False),
        (MissingTopic("there is no topic"), False),
        (ValueError("a bug"), False),
    ],
)
def test_which_errors_say_that_kafka_is_away(error, expected):
    assert is_away(error) is expected


def test_lines_about_connections_are_kept_out_of_the_log(caplog):
    lines, kafka = ConnectionLines(), logging.getLogger("a test of connections")
    kafka.addFilter(lines)
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            kafka.warning("METADATAUPDATE [rdkafka#producer-1] [thrd:main]: x: new leader -1")
            kafka.error("FAIL [rdkafka#producer-1] [thrd:x:9092/1]: x:9092/1: Connection refused")
        kafka.warning("CONFWARN [rdkafka#producer-1] [thrd:app]: a property is deprecated")
    assert [record.message[:8] for record in caplog.records] == ["CONFWARN"]
    assert lines.newest == "x:9092/1: Connection refused"
