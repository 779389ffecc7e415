"""Heartbeats of a role: every five seconds its offsets, watermarks and counts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Protocol

import msgspec
from confluent_kafka import Producer

from consumers.messages.heartbeats import HeartbeatMessage, PartitionStatus
from consumers.messages.reading import SCHEMA
from consumers.messages.records import TopicPartition
from consumers.messages.times import optional_rfc3339, rfc3339
from consumers.processes.restarts import Restarts
from driftline.clock import wall_clock_ms
from driftline.settings import Settings
from producers.kafka.configuration import client_config

INTERVAL_S = 5.0
FLUSH_S = 5.0

Status = Mapping[str, Mapping[str, object]]  # by topic/partition


class HasStatus(Protocol):
    """A role, for the heartbeat."""

    def status(self) -> Status: ...

    def problem(self) -> str | None: ...


class EndOffsets(Protocol):
    """The end offsets of partitions, as far as they are known."""

    def end_offset(self, topic_partition: TopicPartition) -> int | None: ...


class Heartbeat:
    """Sends heartbeats outside transactions, so that they never wait for one."""

    def __init__(
        self, settings: Settings, role: str, slot: int, ends: EndOffsets, restarts: Restarts
    ) -> None:
        self._topic = settings.topic("heartbeats")
        self._role, self._slot, self._ends, self._restarts = role, slot, ends, restarts
        self._producer = Producer(client_config(settings, {"linger.ms": 0}))
        self._next_s = 0.0
        self._progress_ms: int | None = None

    def send_if_due(self, role: HasStatus, *, progressed: bool) -> None:
        """Send a heartbeat if the last one is five seconds old."""
        self._producer.poll(0)
        if progressed:
            self._progress_ms = wall_clock_ms()
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + INTERVAL_S
            self.send(role.status(), role.problem())

    def send(self, status: Status, problem: str | None = None) -> None:
        message = HeartbeatMessage(
            schema=SCHEMA,
            role=self._role,
            slot=self._slot,
            at=rfc3339(wall_clock_ms()),
            progress_at=optional_rfc3339(self._progress_ms),
            partitions={name: self._with_end(name, values) for name, values in status.items()},
            problem="; ".join(filter(None, (self._restarts.problem(), problem))) or None,
        )
        key = f"{self._role}-{self._slot}".encode()
        self._producer.produce(self._topic, key=key, value=msgspec.json.encode(message))

    def close(self, role: HasStatus) -> None:
        """Send a last heartbeat with the final counts."""
        self.send(role.status(), role.problem())
        self._producer.flush(FLUSH_S)

    def _with_end(self, name: str, values: Mapping[str, object]) -> PartitionStatus:
        topic, _, partition = name.rpartition("/")
        end = self._ends.end_offset(TopicPartition(topic, int(partition)))
        return msgspec.convert({**values, "end": end}, PartitionStatus)
