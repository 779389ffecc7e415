"""Every five seconds a role says that it lives, how far it has come, and what it has counted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
from confluent_kafka import Producer

from consumers.messages.internal import rfc3339
from consumers.messages.records import TopicPartition
from driftline.settings import Settings
from producers.kafka.profile_table import client_config

EVERY_S = 5.0


class Reporting(Protocol):
    """Whatever has something to say of the partitions it works on."""

    def status(self) -> Mapping[str, Mapping[str, object]]: ...


class Ends(Protocol):
    def end(self, topic_partition: TopicPartition) -> int | None: ...


class Heartbeat:
    """Outside transactions: a heartbeat must not wait for anything."""

    def __init__(self, settings: Settings, role: str, slot: int, ends: Ends) -> None:
        self._topic = settings.topic("heartbeats")
        self._role, self._slot, self._ends = role, slot, ends
        self._producer = Producer(client_config(settings, {"linger.ms": 0}))
        self._next_s = 0.0
        self._progress_ms: int | None = None

    def beat(self, role: Reporting, *, progressed: bool) -> None:
        self._producer.poll(0)
        if progressed:
            self._progress_ms = _now_ms()
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + EVERY_S
            self.send(role.status())

    def send(self, status: Mapping[str, Mapping[str, object]], problem: str | None = None) -> None:
        document: dict[str, Any] = {
            "schema": 1,
            "role": self._role,
            "slot": self._slot,
            "at": rfc3339(_now_ms()),
            "progress_at": None if self._progress_ms is None else rfc3339(self._progress_ms),
            "partitions": {name: self._with_end(name, of) for name, of in status.items()},
            "problem": problem,
        }
        key = f"{self._role}-{self._slot}".encode()
        self._producer.produce(self._topic, key=key, value=msgspec.json.encode(document))

    def close(self, role: Reporting) -> None:
        """The last word before leaving: the counts as they are now."""
        self.send(role.status())
        self._producer.flush(5)

    def _with_end(self, name: str, of: Mapping[str, object]) -> dict[str, object]:
        topic, _, partition = name.rpartition("/")
        return {**of, "end": self._ends.end(TopicPartition(topic, int(partition)))}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
