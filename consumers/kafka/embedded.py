"""The broker inside the Kafka client library, for the demo only.

It keeps about 5 MiB a partition, no committed offsets of transactions, and nothing on disk. A role
that is restarted cannot continue there.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from driftline.errors import Trouble

TIMEOUT_S = 10.0


class EmbeddedBroker:
    """Lives as long as this object. Other processes connect to it over loopback."""

    def __init__(self) -> None:
        with _signals_blocked():
            self._producer = Producer(
                {
                    "test.mock.num.brokers": 1,
                    "bootstrap.servers": "embedded",
                    "log_level": 4,  # at 5 it logs that it is a mock
                }
            )
        broker = next(iter(self._producer.list_topics(timeout=TIMEOUT_S).brokers.values()))
        self.bootstrap_servers = f"{broker.host}:{broker.port}"

    def create(self, names: Iterable[str]) -> None:
        """Create topics, by using each of them once."""
        deadline_s = time.monotonic() + TIMEOUT_S
        for name in names:
            while not self._producer.list_topics(name, timeout=TIMEOUT_S).topics[name].partitions:
                if time.monotonic() > deadline_s:
                    raise Trouble(f"the embedded broker did not create the topic {name}")
                time.sleep(0.05)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Threads that start meanwhile do not receive signals.

    Otherwise a signal may interrupt the thread of the broker, which logs this as an error.
    """
    blocked = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
