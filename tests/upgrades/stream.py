"""A stream through all roles, in two halves, so that another release can go on after the first."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from consumers.database.database import Database
from consumers.messages.records import CommittedOffset, Message, Record, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.roles.collector import Collector
from consumers.roles.join import Join
from consumers.roles.retrain import Retrain
from consumers.roles.role import Role
from consumers.roles.store import Store
from producers.contract.profiles import encode_profile
from tests.consumers.in_memory import NOW, Log, VersionStates, Worker, constant, positions_of
from tests.consumers.roles.test_detect import PLAN, detect, rows, table
from tests.consumers.roles.test_store import Published
from tests.consumers.stored import heartbeat

SENT, HALF = 1_200, 600  # rows
EVERY = 90  # rows between two turns of the roles
READS = {
    "aggregate": ("predictions", "labels"),
    "join": ("joins",),
    "detect": ("summaries",),
    "retrain": ("retraining",),
}
STORED = ("windows", "alerts", "retraining", "heartbeats", "versions")
TOPICS = {*(at for of in READS.values() for at in of), *STORED, "positions", "detect-state"}

Rows = tuple[str, int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]], int]


def new_log() -> Log:
    return Log(**dict.fromkeys([*TOPICS, "profiles", "dead-letters"], 1))


def role_of(name: str, log: Log, directory: Path) -> Any:
    """A role with its state under ``directory``."""
    own = directory / name
    own.mkdir(parents=True, exist_ok=True)
    common: Any = (table(), constant(PLAN), log.partitions)
    if name == "aggregate":
        return Aggregate(*common, positions_of(log), VersionStates())
    if name == "join":
        return Join(*common, own, log.first_offset)
    if name == "detect":
        return detect(log, own)
    return Retrain(Collector([], lambda _: True, lambda _: None))


def send(log: Log, directory: Path, start: int, stop: int) -> None:
    """Let all roles take the rows ``[start, stop)``, turn by turn."""
    workers: list[Worker[Role]] = [
        Worker(role_of(name, log, directory), log, [TopicPartition(at, 0) for at in reads])
        for name, reads in READS.items()
    ]
    for number, (topic, value) in enumerate(rows()[start:stop], start=start):
        log.append(Message(topic, None, value, 0))
        if number % EVERY == EVERY - 1 or number == stop - 1:
            for worker in workers:
                worker.work()
    for worker in workers:
        worker.release()


def register(log: Log) -> None:
    """What ``driftline register`` and a worker have written."""
    for key, value in encode_profile(table().get("m", "1")):
        log.append(Message("profiles", key, value, 0))
    log.append(Message("heartbeats", b"detect-0", json.dumps(heartbeat("detect")[1]).encode(), 0))


def store(log: Log, database: Database) -> None:
    """Write all that ``log`` holds to a database."""
    role = Store(database, Published(), clock_ms=lambda: NOW)
    topics = [TopicPartition(topic, 0) for topic in STORED]
    positions = database.positions(topics)
    role.on_partitions_assigned({at: CommittedOffset(positions.get(at, -2)) for at in topics})
    new = [record for at in topics for record in log.read(at, positions.get(at, 0))]
    role.write(new)


# -- as bytes ----------------------------------------------------------------------------------


def encode(log: Log) -> bytes:
    """All records, with the committed offsets."""
    found = [
        (*record.topic_partition, *_content(record))
        for topic in sorted({*TOPICS, "profiles"})
        for record in log.all(topic)
    ]
    offsets = {partition.name: at.next_offset for partition, at in log.committed.items()}
    ends = {partition.name: end for partition, end in log._ends.items()}
    return msgspec.msgpack.encode((found, offsets, ends))


def decode(value: bytes) -> Log:
    log = new_log()
    found, offsets, ends = msgspec.msgpack.decode(
        value, type=tuple[list[Rows], dict[str, int], dict[str, int]]
    )
    for topic, partition, *content in found:
        record = Record(topic, partition, *content)
        log._records[record.topic_partition].append(record)
    log._ends.update({TopicPartition.of(name): end for name, end in ends.items()})
    log.committed = {TopicPartition.of(name): CommittedOffset(at) for name, at in offsets.items()}
    return log


def _content(record: Record) -> tuple[Any, ...]:
    headers = list(record.headers)
    return record.offset, record.key, record.value, headers, record.append_ms


def documents(log: Log, topic: str) -> list[Mapping[str, Any]]:
    return [json.loads(record.value or b"") for record in log.all(topic)]
