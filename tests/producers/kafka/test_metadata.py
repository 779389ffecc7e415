"""Metadata of a cluster: how soon a wrong address is told, and how long a slow broker may take."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from driftline.settings import Settings
from producers.kafka import metadata
from producers.kafka.errors import KafkaUnavailable
from producers.kafka.metadata import FIRST_S, PROBE_S, SECOND_S


class Slow:
    """A client whose first ``failures`` calls time out."""

    def __init__(self, failures: int) -> None:
        self.failures, self.timeouts = failures, list[float]()

    def list_topics(self, _topic: str | None, timeout: float) -> str:
        self.timeouts.append(timeout)
        if len(self.timeouts) <= self.failures:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return "the cluster"


def at(servers: str) -> Settings:
    return Settings.model_validate({"kafka": {"bootstrap_servers": servers}})


def test_address_where_nothing_listens_is_told_after_the_first_timeout():
    client: Any = Slow(failures=9)
    with pytest.raises(KafkaUnavailable, match=r"Kafka at 127\.0\.0\.1:1: .*Connection refused"):
        metadata.metadata(client, at("127.0.0.1:1"))
    assert client.timeouts == [FIRST_S]


def test_refusal_is_told_within_five_seconds():
    start_s = time.monotonic()
    with pytest.raises(KafkaUnavailable):
        metadata.metadata(Slow(failures=9), at("127.0.0.1:1"))
    assert FIRST_S + time.monotonic() - start_s < 5
    assert FIRST_S + 1.5 * PROBE_S < 5


def test_address_where_no_broker_answers_has_the_time_of_a_busy_one():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        servers = f"127.0.0.1:{silent.getsockname()[1]}"
        client: Any = Slow(failures=9)
        with pytest.raises(KafkaUnavailable, match="nothing answers there"):
            metadata.metadata(client, at(servers))
    assert client.timeouts == [FIRST_S, SECOND_S]


def test_broker_that_can_be_connected_to_may_answer_late(monkeypatch):
    monkeypatch.setattr(metadata, "_connection_error", lambda _: "")
    client: Any = Slow(failures=1)
    assert metadata.metadata(client, at("127.0.0.1:1")) == "the cluster"
    assert sum(client.timeouts) == 10
