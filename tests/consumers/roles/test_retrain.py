"""The role retrain: one line for each change of a decision, and no output."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from consumers.messages.records import Message, Output, TopicPartition
from consumers.roles.collector import Collector
from consumers.roles.retrain import Retrain
from tests.consumers import stored
from tests.consumers.in_memory import Log, Worker

NOTHING = Collector([], lambda _: True, lambda _: None)
R0 = TopicPartition("retraining", 0)


@pytest.fixture
def log() -> Log:
    return Log(retraining=1)


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged so far."""
    caplog.set_level(logging.INFO, "consumers.roles.retrain")
    return lambda: caplog.messages


def append(log: Log, **fields: Any) -> None:
    _, document = stored.decision(**fields)
    log.append(Message("retraining", None, json.dumps(document).encode(), 0))


def test_each_change_of_a_decision_is_one_line_with_its_reasons(log, lines):
    for day, decision in enumerate(["none", "wait", "wait", "retrain", "none"]):
        append(log, day=day, decision=decision)
    Worker(Retrain(NOTHING), log, [R0]).work()
    assert [line.partition(": ")[2].split()[0] for line in lines()] == ["wait", "retrain", "none"]
    assert lines()[0] == (
        "flight-delay 1: wait at 2013-04-02T00:00:00Z:"
        " critical_incidents 0 (at least 1 open within the last 1 d)"
    )


def test_versions_are_told_apart(log, lines):
    for version in ("1", "2"):
        append(log, version=version, decision="retrain")
    Worker(Retrain(NOTHING), log, [R0]).work()
    assert [line.split(":")[0] for line in lines()] == ["flight-delay 1", "flight-delay 2"]


def test_retrain_writes_nothing_and_commits_what_it_has_read(log):
    worker = Worker(Retrain(NOTHING), log, [R0])
    assert worker.work() is None
    append(log)
    assert worker.work() == Output([])
    assert log.committed[R0].next_offset == 1


def test_successor_goes_on_behind_the_last_commit(log, lines):
    append(log, decision="retrain")
    Worker(Retrain(NOTHING), log, [R0]).work()
    append(log, day=1, decision="none")
    Worker(Retrain(NOTHING), log, [R0]).work()
    assert len(lines()) == 1


def test_status_of_retrain_has_the_offset_and_foreign_messages_are_counted(log):
    for value in (None, b"hello", b"{}"):
        log.append(Message("retraining", None, value, 0))
    append(log)
    role = Retrain(NOTHING)
    Worker(role, log, [R0]).work()
    counts = {"foreign": 3, "unreadable": 0}
    assert role.status() == {"retraining/0": {"offset": 4, "counts": counts}}


def test_message_of_another_schema_is_skipped_counted_and_a_problem(log, lines):
    log.append(Message("retraining", None, b'{"schema": 2}', 0))
    append(log, decision="retrain")
    role = Retrain(NOTHING)
    Worker(role, log, [R0]).work()
    assert role.status()["retraining/0"]["counts"] == {"foreign": 0, "unreadable": 1}
    assert "topic retraining, partition 0, offset 0: " in (role.problem() or "")
    assert lines()[-1].startswith("flight-delay 1: retrain at ")
