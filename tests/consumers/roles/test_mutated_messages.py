"""Mutated messages on every topic that a role reads: no role raises, every one is accounted for.

The mutations are of messages that the roles have written themselves about a stream with everything
in it.
"""

# ruff: noqa: F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import consumers.roles.detect
import consumers.roles.learning
from consumers.database import message_to_rows
from consumers.messages.alerts import decode_alert
from consumers.messages.decisions import decode_decision
from consumers.messages.heartbeats import decode_heartbeat
from consumers.messages.joins import decode_join_message
from consumers.messages.reading import ForeignMessage, MalformedMessage, UnreadableMessage
from consumers.messages.records import (
    Batch,
    CommittedOffset,
    Message,
    Output,
    Record,
    TopicPartition,
)
from consumers.messages.summaries import decode_summary_message
from consumers.messages.versions import decode_version
from consumers.messages.windows import decode_window
from consumers.roles.aggregate import Aggregate
from consumers.roles.collector import Collector
from consumers.roles.join import Join
from consumers.roles.retrain import Retrain
from consumers.roles.role import Role
from consumers.roles.source_position import UnfitPosition
from consumers.roles.store import Store
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from tests.consumers.in_memory import (
    NOW,
    Log,
    VersionStates,
    Worker,
    constant,
    positions_of,
)
from tests.consumers.mutated_messages import mutated
from tests.consumers.roles.test_detect import PLAN, detect, rows, table
from tests.consumers.roles.test_store import Published
from tests.consumers.stored import address, database, heartbeat  # noqa: F401

TOPICS = {
    "aggregate": ("predictions", "labels"),
    "join": ("joins",),
    "detect": ("summaries",),
    "retrain": ("retraining",),
    "store": ("windows", "alerts", "retraining", "heartbeats", "versions"),
}
ROUND, BATCH = 100, 20
SENT = 1_200  # of the rows
DECODERS: Mapping[str, Any] = {
    "joins": decode_join_message,
    "summaries": decode_summary_message,
    "windows": decode_window,
    "alerts": decode_alert,
    "retraining": decode_decision,
    "heartbeats": decode_heartbeat,
    "versions": decode_version,
    # Their rows become dead letters.
    "predictions": lambda _: None,
    "labels": lambda _: None,
}
MESSAGES = [200, pytest.param(40_000, marks=pytest.mark.long)]  # five tests: 200,000 in all
STATES = [3, pytest.param(1_500, marks=pytest.mark.long)]


@pytest.fixture(autouse=True, scope="module")
def _evaluators_are_made_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect.Evaluator, "of", cache(Evaluator.of))
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


def new_log() -> Log:
    topics = {topic for own in TOPICS.values() for topic in own}
    return Log(**dict.fromkeys(topics | {"positions", "detect-state", "dead-letters"}, 1))


@cache
def genuine() -> Log:
    """What all roles write about a stream with everything in it, on one partition a topic."""
    log = new_log()
    with TemporaryDirectory() as directory:
        roles = {name: made(name, log, Path(directory)) for name in TOPICS if name != "store"}
        workers = [
            Worker(role, log, [TopicPartition(topic, 0) for topic in TOPICS[name]])
            for name, role in roles.items()
        ]
        for i, (topic, value) in enumerate(rows()[:SENT]):
            log.append(Message(topic, None, value, 0))
            if i % 90 == 89:
                for worker in workers:
                    worker.work()
        for worker in workers:
            worker.work()
            worker.release()
    for slot, role in enumerate(TOPICS):
        log.append(Message("heartbeats", b"key", json.dumps(heartbeat(role, slot)[1]).encode()))
    return log


def made(name: str, log: Log, directory: Path) -> Any:
    (directory / name).mkdir(parents=True, exist_ok=True)
    common: Any = (table(), constant(PLAN), log.partitions)
    if name == "aggregate":
        return Aggregate(*common, positions_of(log), VersionStates())
    if name == "join":
        return Join(*common, directory / name, log.first_offset)
    if name == "detect":
        return detect(log, directory / name)
    return Retrain(Collector([], lambda _: True, lambda _: None))


@cache
def originals(topics: Sequence[str]) -> Mapping[str, Sequence[Record]]:
    return {topic: genuine().all(topic) for topic in topics}


def stream(rng: random.Random, topics: Sequence[str], only_readable: bool) -> list[Record]:
    """The messages of a round: some as they were, then mutated ones among others."""
    offsets, found = Counter[str](), list[Record]()
    while len(found) < ROUND:
        topic = rng.choice(topics)
        one = rng.choice(originals(topics)[topic])
        if len(found) > ROUND // 4 and rng.random() < 0.9:
            one = mutated(rng, [one], 0)
            if only_readable and outcome(one) == "unreadable":
                continue
        found.append(replace(one, offset=offsets[topic]))
        offsets[topic] += 1
    return found


def outcome(one: Record, decoders: Mapping[str, Any] = DECODERS) -> str:
    """What becomes of a message of a role's topic, by its decoder alone."""
    try:
        decoders[one.topic](one)
    except ForeignMessage:
        return "foreign"
    except MalformedMessage:
        return "unreadable"
    return "read"


def batches(records: Sequence[Record]) -> Iterator[list[Record]]:
    for start in range(0, len(records), BATCH):
        yield sorted(records[start : start + BATCH], key=lambda one: (one.topic, one.offset))


def run(role: Role, log: Log, topics: Sequence[str], records: Sequence[Record]) -> list[Message]:
    """What a role writes about the records, batch by batch."""
    role.on_partitions_assigned({TopicPartition(at, 0): CommittedOffset(-2) for at in topics})
    written = list[Message]()
    for some in batches(records):
        batch = Batch(some, now_ms=NOW)
        output = role.handle(batch) or Output()
        log.commit(batch.next_offsets, output)
        role.committed(batch.next_offsets)
        written += output.messages
    return written


def counts(role: Role | Store, topic: str) -> Mapping[str, Any]:
    found = role.status()[f"{topic}/0"]["counts"]
    assert isinstance(found, dict)
    return found


def rounds(messages: int) -> Iterator[tuple[random.Random, bool]]:
    """Each other one only with messages that can be read: they reach further."""
    for number in range(messages // ROUND):
        yield random.Random(number), bool(number % 2)


@pytest.mark.parametrize("messages", MESSAGES)
def test_mutated_predictions_and_labels_are_each_received_once(messages, tmp_path):
    for number, (rng, _) in enumerate(rounds(messages)):
        log, topics = new_log(), TOPICS["aggregate"]
        role = made("aggregate", log, tmp_path)
        records = stream(rng, topics, only_readable=False)
        written = run(role, log, topics, records)
        for topic in topics:
            found = counts(role, topic)
            dead = sum(found["dead"].values())
            outcomes = ("counted", "too_late", "retired")
            assert found["received"] == sum(one.topic == topic for one in records), number
            assert found["received"] == dead + sum(found.get(name, 0) for name in outcomes)
        letters = sum(message.topic == "dead-letters" for message in written)
        assert letters == sum(sum(counts(role, at)["dead"].values()) for at in topics)


@pytest.mark.parametrize("messages", MESSAGES)
@pytest.mark.parametrize("name", ["join", "retrain"])
def test_mutated_messages_are_read_or_skipped_and_counted(name, messages, tmp_path):
    for number, (rng, only_readable) in enumerate(rounds(messages)):
        log, topics = new_log(), TOPICS[name]
        role = made(name, log, tmp_path / str(number))
        records = stream(rng, topics, only_readable)
        written = run(role, log, topics, records)
        assert_skipped(role, topics, records)
        letters = [message.value for message in written if message.topic == "dead-letters"]
        unread = [one.value for one in records if outcome(one) == "unreadable"]
        assert letters == (unread if name == "join" else [])
        role.on_partitions_revoked([TopicPartition(topic, 0) for topic in topics])


def assert_skipped(role: Role | Store, topics: Sequence[str], records: Sequence[Record]) -> None:
    decoders = message_to_rows._DECODERS if isinstance(role, Store) else DECODERS
    expected = Counter((one.topic, outcome(one, decoders)) for one in records)
    for topic in topics:
        found = counts(role, topic)
        for kind in ("foreign", "unreadable"):
            assert found[kind] == expected[topic, kind], (topic, kind)
    has_problem = any(expected[topic, "unreadable"] for topic in topics)
    assert (role.problem() is not None) == has_problem


@pytest.mark.parametrize("messages", MESSAGES)
def test_mutated_summaries_set_models_aside_and_the_others_go_on(messages, tmp_path):
    for number, (rng, only_readable) in enumerate(rounds(messages)):
        log = new_log()
        role = made("detect", log, tmp_path / str(number))
        records = stream(rng, TOPICS["detect"], only_readable)
        run(role, log, TOPICS["detect"], records)
        found, expected = counts(role, "summaries"), Counter(map(outcome, records))
        assert found["foreign"] == expected["foreign"]
        assert found["unreadable"] <= expected["unreadable"]
        assert (role.problem() is not None) >= (expected["unreadable"] > 0)
        Worker(made("detect", log, tmp_path / str(number)), log, [TopicPartition("summaries", 0)])


@pytest.mark.parametrize("messages", MESSAGES)
def test_mutated_messages_do_not_end_store(messages, database):
    for number, (rng, only_readable) in enumerate(rounds(messages)):
        topics = TOPICS["store"]
        records = stream(rng, topics, only_readable)
        role = Store(database, Published(), clock_ms=lambda: NOW)
        positions = database.positions([TopicPartition(topic, 0) for topic in topics])
        role.on_partitions_assigned(
            {
                TopicPartition(topic, 0): CommittedOffset(
                    positions.get(TopicPartition(topic, 0), -2)
                )
                for topic in topics
            }
        )
        for some in batches([replace(one, offset=one.offset + number * ROUND) for one in records]):
            role.write(some)
        assert_skipped(role, topics, records)


@pytest.mark.parametrize("loads", STATES)
def test_mutated_state_is_loaded_or_refused_with_its_place(loads, tmp_path):
    """A worker waits for state that it can read: it does not begin without it."""
    for number in range(loads):
        state_round(number, tmp_path)


def state_round(number: int, directory: Path) -> None:
    rng, log = random.Random(number), new_log()
    for topic in ("positions", "detect-state", "versions"):
        for one in originals((topic,))[topic]:
            changed = mutated(rng, [one], 0) if rng.random() < 0.02 else one
            log.append(Message(topic, changed.key, changed.value, 0, changed.headers))
    for name in ("aggregate", "detect"):
        role = made(name, log, directory / str(number))
        with suppress(UnreadableMessage, UnfitPosition):
            run(role, log, TOPICS[name], stream(rng, TOPICS[name], only_readable=True))
