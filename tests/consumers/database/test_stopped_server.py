"""A PostgreSQL that is stopped under a running ``store``, and started again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from consumers.database.database import Database, DatabaseUnavailable
from consumers.database.rows import OffsetRange, RowBatch
from consumers.kafka.outage import Outage
from consumers.messages.records import TopicPartition
from consumers.processes.needs import Needs
from driftline.settings import load_settings
from tests.conftest import _private_postgres

P0 = TopicPartition("windows", 0)


@pytest.fixture
def server() -> Iterator[Any]:
    with tempfile.TemporaryDirectory(
        prefix="driftline-postgres-", ignore_cleanup_errors=True
    ) as directory:
        private = _private_postgres(directory)
        yield private
        private.cleanup()


def test_a_stopped_server_is_an_outage_and_back_after_its_start(server):
    """What was committed is there, and the same object goes on."""
    address = server.get_uri()
    needs = Needs(load_settings(None, store={"url": address}), Outage("Kafka"))
    database = Database.to_write(address)
    database.apply(RowBatch(), {P0: OffsetRange(None, 10)})
    server.stop()
    for _ in range(2):  # the connection that breaks, and a new one
        with pytest.raises(DatabaseUnavailable) as away:
            database.apply(RowBatch(), {P0: OffsetRange(10, 12)})
        missing = needs.missing(away.value)
        assert missing is not None
        assert not missing.is_back()
    server.start()
    assert missing.is_back()
    database.apply(RowBatch(), {P0: OffsetRange(10, 12)})
    assert database.positions([P0]) == {P0: 12}
    database.close()
