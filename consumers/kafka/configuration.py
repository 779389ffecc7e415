"""Configuration of the Kafka clients that the guarantees of the roles depend on."""

from __future__ import annotations

from typing import Any

from driftline.settings import Settings
from producers.kafka.configuration import client_config

TIMEOUT_S = 30.0
TRANSACTION_MS = SESSION_MS = 10_000
MAX_MESSAGE_BYTES = 4_000_000
NEW_PARTITIONS_MS = 10_000  # how often a member looks for them

_CLASSIC = {"partition.assignment.strategy": "cooperative-sticky", "heartbeat.interval.ms": 2_000}
_CLASSIC_ONLY = {*_CLASSIC, "session.timeout.ms", "group.protocol.type"}


def consumer_config(settings: Settings, group: str) -> dict[str, Any]:
    """A consumer of committed records. It commits nothing by itself."""
    config = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "max.poll.interval.ms": 300_000,  # far beyond the work on a batch, see ``BatchLimit``
        "fetch.message.max.bytes": MAX_MESSAGE_BYTES,
        "queued.max.messages.kbytes": 32_768,
    }
    return client_config(settings, config)


def member_config(settings: Settings, group: str, instance: str) -> dict[str, Any]:
    """A consumer that joins its group as a static member.

    A static member that returns within its session keeps its partitions without a rebalance. With
    the protocol ``consumer`` the broker decides about sessions and the assignment.
    """
    protocol = settings.kafka.group_protocol
    own = {**_CLASSIC, "session.timeout.ms": SESSION_MS} if protocol == "classic" else {}
    joining = {"group.instance.id": instance, "group.protocol": protocol, **own}
    joining["topic.metadata.refresh.interval.ms"] = NEW_PARTITIONS_MS
    config = {**consumer_config(settings, group), **joining}
    return {key: value for key, value in config.items() if key in own or key not in _CLASSIC_ONLY}


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
