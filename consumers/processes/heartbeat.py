"""Heartbeats of a role: every five seconds its offsets, watermarks and counts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from consumers.kafka.outage import ConnectionLines, Outage
from consumers.messages.heartbeats import CollectingVersion, HeartbeatMessage, PartitionStatus
from consumers.messages.reading import SCHEMA
from consumers.messages.records import TopicPartition
from consumers.messages.times import optional_rfc3339, rfc3339
from consumers.processes.restarts import Restarts
from driftline.clock import wall_clock_ms
from driftline.logs import without_secrets
from driftline.settings import Settings
from producers.kafka.configuration import LIBRDKAFKA, client_config
from producers.kafka.rights import TOPIC, WRITE, Right, refusal

log = logging.getLogger(__name__)

INTERVAL_S = 5.0
AWAY_S = 10.0  # without a confirmed heartbeat
FLUSH_S = 5.0

Status = Mapping[str, Mapping[str, object]]  # by topic/partition


class HasStatus(Protocol):
    """A role, for the heartbeat."""

    def status(self) -> Status: ...

    def problem(self) -> str | None: ...


class EndOffsets(Protocol):
    """The end offsets of partitions, as far as they are known."""

    def end_offset(self, topic_partition: TopicPartition, read: int) -> int | None: ...


class Heartbeat:
    """Sends heartbeats outside transactions, so that they never wait for one.

    A heartbeat that Kafka does not confirm shows that Kafka is away (``kafka``).
    """

    def __init__(
        self, settings: Settings, role: str, slot: int, ends: EndOffsets | None, restarts: Restarts
    ) -> None:
        self._settings = settings
        self._topic, self._plan = settings.topic("heartbeats"), settings.plan_hash()
        self._role, self._slot, self._ends, self._restarts = role, slot, ends, restarts
        self._producer = Producer(client_config(settings, {"linger.ms": 0}))
        self._lines = ConnectionLines()
        LIBRDKAFKA.addFilter(self._lines)
        self.kafka = Outage(f"Kafka at {settings.kafka.bootstrap_servers}")
        self.watch: Callable[[], str | None] = lambda: None  # what is wrong outside of the role
        self.collecting: Callable[[], Sequence[CollectingVersion]] = tuple
        self._next_s = 0.0
        self._unconfirmed_s: float | None = None  # since when
        self._refused = False  # by Kafka, which was logged
        self._progress_ms: int | None = None
        self._partitions: Mapping[str, PartitionStatus] = {}
        self._problem: str | None = None

    def read_by(self, ends: EndOffsets) -> None:
        """The client that reads for the role from now on."""
        self._ends = ends

    def send_if_due(self, role: HasStatus, *, progressed: bool) -> None:
        """Send a heartbeat if the last one is five seconds old."""
        self._poll()
        if progressed:
            self._progress_ms = wall_clock_ms()
        if self._is_due():
            self.take(role)
            self.send("; ".join(filter(None, (self._problem, self.watch()))) or None)

    def send_problem_if_due(self, problem: str) -> None:
        """The same while no role runs: with the partitions of the last one."""
        self._poll()
        if self._is_due():
            self.send(problem)

    def take(self, role: HasStatus) -> None:
        """Keep the status and the problem of a role for the next heartbeat."""
        self._problem = role.problem()
        self._partitions = {
            name: self._with_end(name, values) for name, values in role.status().items()
        }

    def send(self, problem: str | None) -> None:
        told = "; ".join(filter(None, (self._restarts.problem(), problem)))
        message = HeartbeatMessage(
            schema=SCHEMA,
            role=self._role,
            slot=self._slot,
            at=rfc3339(wall_clock_ms()),
            progress_at=optional_rfc3339(self._progress_ms),
            partitions=self._partitions,
            problem=without_secrets(told) or None,
            plan=self._plan,
            collecting=self.collecting(),
        )
        key, value = f"{self._role}-{self._slot}".encode(), msgspec.json.encode(message)
        if self._unconfirmed_s is None:
            self._unconfirmed_s = time.monotonic()
        try:
            self._producer.produce(self._topic, key=key, value=value, on_delivery=self._on_delivery)
        except KafkaException as error:
            if not self._is_refused(error.args[0]):
                raise

    def close(self) -> None:
        """Send a last heartbeat with the final counts."""
        self.send(self._problem)
        self._producer.flush(FLUSH_S)
        LIBRDKAFKA.removeFilter(self._lines)

    def _is_due(self) -> bool:
        due = time.monotonic() >= self._next_s
        if due:
            self._next_s = time.monotonic() + INTERVAL_S
        return due

    def _poll(self) -> None:
        self._producer.poll(0)
        if self._unconfirmed_s is not None:
            silent_s = time.monotonic() - self._unconfirmed_s
            if silent_s > AWAY_S:
                self.kafka.began(self._lines.newest, silent_s)

    def _on_delivery(self, error: KafkaError | None, _message: KafkaMessage) -> None:
        if error is None:
            self._unconfirmed_s = None
            self._refused = False
            self.kafka.ended()
        else:
            self._is_refused(error)

    def _is_refused(self, error: KafkaError) -> bool:
        """Whether the right to write heartbeats is missing. All else goes on without them."""
        refused = refusal(self._settings, error, Right(WRITE, TOPIC, self._topic))
        if refused is None:
            return False
        self._unconfirmed_s = None  # Kafka is there
        if not self._refused:
            log.warning("no heartbeats, so /health calls this worker silent: %s", refused)
        self._refused = True
        return True

    def _with_end(self, name: str, values: Mapping[str, object]) -> PartitionStatus:
        status = msgspec.convert(values, PartitionStatus)
        if self._ends is None:
            return status
        end = self._ends.end_offset(TopicPartition.of(name), status.offset or 0)
        return msgspec.structs.replace(status, end=end)
