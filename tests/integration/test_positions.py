"""``aggregate`` counts no record twice, whatever becomes of its consumer group."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient

from tests.consumers.in_memory import T0
from tests.integration.deployment import Deployment
from tests.integration.test_event_times import ONLINE, SETTINGS, registrations, rows

pytestmark = pytest.mark.kafka


def is_deleted(kafka: str, group: str) -> bool:
    deleted = AdminClient({"bootstrap.servers": kafka}).delete_consumer_groups([group])[group]
    return deleted.exception(timeout=20) is None


def test_group_that_kafka_has_forgotten_goes_on_from_its_positions(kafka, tmp_path, prefix):
    """Kafka deletes the offsets of a group that was empty for a week."""
    records = rows(ONLINE, T0)
    half = len(records) // 2
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:

        def counted(topic: str) -> int:
            return deployment.total(topic).get("counted", 0)

        deployment.send(registrations([ONLINE]))
        deployment.send(records[:half])
        deployment.start("aggregate")
        deployment.until(lambda: counted("predictions") == half // 2, "the first half")
        deployment.stop("aggregate-0")
        # A static member is kept in its group for one more session.
        deployment.until(lambda: is_deleted(kafka, f"{prefix}.aggregate"), "the group to be empty")
        deployment.send(records[half:])
        deployment.start("aggregate")
        deployment.until(lambda: counted("predictions") >= len(records) // 2, "the second half")
        for topic in ("predictions", "labels"):
            deployment.until(lambda topic=topic: counted(topic) == len(records) // 2, "all rows")
            assert deployment.total(topic)["received"] == len(records) // 2
        assert "has lost its offsets" in deployment.logs()
