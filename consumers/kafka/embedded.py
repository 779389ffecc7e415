"""The broker inside the Kafka client library: for the demonstration, and for nothing that matters.

It keeps about 5 MiB a partition, no committed offsets of transactions, and nothing on disk. A role
that dies cannot resume there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import Producer

from driftline.errors import Trouble

PATIENCE_S = 10.0


class EmbeddedBroker:
    """Lives as long as this object; other processes reach it over loopback."""

    def __init__(self) -> None:
        self._producer = Producer(
            {
                "test.mock.num.brokers": 1,
                "bootstrap.servers": "embedded",
                "log_level": 4,  # it would tell at 5 that it is embedded
            }
        )
        broker = next(iter(self._producer.list_topics(timeout=PATIENCE_S).brokers.values()))
        self.bootstrap_servers = f"{broker.host}:{broker.port}"

    def create(self, names: Iterable[str]) -> None:
        """Topics appear there on first use: use each once."""
        deadline_s = time.monotonic() + PATIENCE_S
        for name in names:
            while not self._producer.list_topics(name, timeout=PATIENCE_S).topics[name].partitions:
                if time.monotonic() > deadline_s:
                    raise Trouble(f"the embedded broker did not make the topic {name}")
                time.sleep(0.05)
