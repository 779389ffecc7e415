"""Predictions and labels into Kafka. It needs the extra ``kafka`` (confluent-kafka)."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from driftline_client.errors import DriftlineError
from driftline_client.records import Label, Prediction, Record

try:
    from confluent_kafka import KafkaError, KafkaException, Message, Producer
except ImportError as error:
    raise ImportError(
        "driftline_client.kafka needs confluent-kafka: pip install 'driftline-client[kafka]'"
    ) from error

__all__ = ["Label", "Prediction", "Sender"]

WAIT_S = 0.1  # for room in the buffer
FLUSH_S = 30.0


class Sender:
    """Sends records in the background, each once and in order per id.

    What Kafka refuses, or does not take within ``message.timeout.ms`` (5 minutes), is told by the
    next call: it raises ``DriftlineError``. At the end of a ``with`` block all is delivered.
    """

    def __init__(
        self,
        servers: str,
        *,
        prefix: str = "driftline",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """``settings`` are properties of librdkafka, such as ``security.protocol``."""
        own = {"bootstrap.servers": servers, "enable.idempotence": True}
        self._producer = Producer({**own, **(settings or {})})
        self._prefix = prefix
        self._failed: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.flush()

    def send(self, *records: Record) -> None:
        """Returns as soon as they are in the buffer, which holds 100,000 records by default."""
        for record in records:
            self._enqueue(record)
        self._producer.poll(0)
        self._tell_failed()

    def flush(self, timeout_s: float = FLUSH_S) -> None:
        """Waits until everything that was sent is delivered."""
        waiting = self._producer.flush(timeout_s)
        self._tell_failed()
        if waiting:
            raise DriftlineError(
                f"{waiting} records are not delivered after {timeout_s:g} s; they are still tried:"
                " does Kafka run, and is its address right?"
            )

    def _enqueue(self, record: Record) -> None:
        topic, value, key = f"{self._prefix}.{record.topic}", record.value, record.id.encode()
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._delivered)
            except BufferError:
                self._producer.poll(WAIT_S)
            except KafkaException as error:
                self._failed.append(f"{record.id!r}: {error.args[0].str()}")
                return
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            key = message.key()
            identity = key.decode() if isinstance(key, bytes) else key
            self._failed.append(f"{identity!r}: {error.str()}")

    def _tell_failed(self) -> None:
        failed, self._failed = self._failed, []
        if failed:
            raise DriftlineError(f"{len(failed)} records were not delivered, the first {failed[0]}")
