"""Configuration of the Kafka clients that the guarantees of the roles depend on."""

from __future__ import annotations

from typing import Any

from driftline.settings import Settings
from producers.kafka.configuration import client_config

TIMEOUT_S = 30.0
TRANSACTION_MS = SESSION_MS = 10_000
MAX_MESSAGE_BYTES = 4_000_000


def consumer_config(settings: Settings, group: str, instance: str | None = None) -> dict[str, Any]:
    """A consumer of committed records. With ``instance`` it is a static member of its group.

    A static member that returns within its session keeps its partitions without a rebalance.
    """
    config: dict[str, Any] = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "partition.assignment.strategy": "cooperative-sticky",
        "session.timeout.ms": SESSION_MS,
        "heartbeat.interval.ms": 2_000,
        "max.poll.interval.ms": 300_000,  # far beyond the work on a batch, see ``BatchLimit``
        "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
        "queued.max.messages.kbytes": 32_768,
    }
    if instance is not None:
        config["group.instance.id"] = instance
    return client_config(settings, config)


def producer_config(settings: Settings, transactional_id: str) -> dict[str, Any]:
    """A transactional producer."""
    config = {
        "transactional.id": transactional_id,
        "transaction.timeout.ms": TRANSACTION_MS,
        "compression.type": "lz4",
        "linger.ms": 5,
        "message.max.bytes": MAX_MESSAGE_BYTES,
    }
    return client_config(settings, config)
