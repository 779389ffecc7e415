"""Findings on disk, in SQLite or PostgreSQL: opened, claimed, written once, read in snapshots.

Theory of operation
-------------------
Rows and their offsets are written in one transaction, the offsets first::

    UPDATE offsets SET next = :end WHERE next = :start      no row: another worker has written
    INSERT ... ON CONFLICT DO UPDATE ... WHERE newer        rows, idempotent
    COMMIT

So a worker that was considered dead and continues writes nothing, and a batch that is read twice
changes nothing. On PostgreSQL the first statement locks the row; on SQLite the transaction locks
the file when it begins. Of two writers, one waits and then finds that its offset was moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from sqlalchemy import Connection, Engine, select, text

from consumers.database import retention, schema, unread
from consumers.database.engines import InvalidDatabase, engine_for, file_of, location_of
from consumers.database.errors import Fenced, ForeignDatabase, driver_errors
from consumers.database.rows import OffsetRange, Row, RowBatch
from consumers.database.statements import advance_offset, count_change, insert_alerts, upsert
from consumers.database.tables import (
    decisions,
    distributions,
    heartbeats,
    models,
    offsets,
    versions,
    windows,
)
from consumers.messages.records import TopicPartition
from driftline.errors import DatabaseUnavailable

RELEASE = version("driftline")


class Database:
    """One database, opened to write (by ``store``) or to read (by the API)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.location = location_of(engine)
        self._inode: int | None = None  # of the file that is written to

    @classmethod
    def to_write(cls, address: str) -> Database:
        """Creates missing tables.

        Raises ``InvalidDatabase``, ``DatabaseUnavailable`` or ``ForeignDatabase``.
        """
        database = cls(engine_for(address, read_only=False))
        try:
            with database.write() as connection:
                schema.create_tables(connection, database.location)
            database._inode = file_of(database.engine)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def to_read(cls, address: str) -> Database:
        """Connects when it is read, not before. Raises ``InvalidDatabase``."""
        return cls(engine_for(address, read_only=True))

    def claim(self, cluster_id: str, prefix: str) -> None:
        """Bind the database to the topics of a cluster, at the first call.

        Raises ``ForeignDatabase`` if it is bound to others.
        """
        with self.write() as connection:
            schema.claim(connection, self.location, cluster_id, prefix)

    def require_owner(self, connection: Connection, cluster_id: str, prefix: str) -> None:
        """Raises ``ForeignDatabase`` if the database is bound to others."""
        schema.require_owner(connection, self.location, cluster_id, prefix)

    def positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset to read of each partition that something was written from."""
        with self.write() as connection:
            rows = connection.execute(select(offsets)).all()
        positions = {TopicPartition(row.topic, row.partition): int(row.next) for row in rows}
        return {key: positions[key] for key in partitions if key in positions}

    def starts(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The offset to start from: that of the first message another release could not read.

        Of partitions without such a message, the position.
        """
        wanted = list(partitions)
        with self.write() as connection:
            unread.take_back(connection, wanted, RELEASE)
        return self.positions(wanted)

    def apply(self, batch: RowBatch, offsets_read: Mapping[TopicPartition, OffsetRange]) -> None:
        """Write rows and offsets, or nothing. Raises ``Fenced`` or ``DatabaseUnavailable``."""
        with self.write() as connection:
            for partition, read in sorted(offsets_read.items()):
                advance_offset(connection, partition, read)
            upsert(connection, windows, batch.windows)
            upsert(connection, distributions, batch.distributions)
            insert_alerts(connection, batch.alerts)
            upsert(connection, decisions, batch.decisions)
            upsert(connection, heartbeats, batch.heartbeats)
            upsert(connection, versions, batch.versions)
            unread.mark(connection, batch.unread, RELEASE)
            if batch.has_findings:
                count_change(connection)

    def register(self, rows: Sequence[Row]) -> None:
        """Write model versions. A known one keeps the time of its first registration."""
        with self.write() as connection:
            upsert(connection, models, rows, keep={"registered_ms"})
            count_change(connection)

    def delete_old(self, keep_ms: int, now_ms: int) -> bool:
        """Delete some of what is older. Returns whether more may be left."""
        with self.write() as connection:
            deleted = retention.delete_old(connection, keep_ms, now_ms)
            if deleted:
                count_change(connection)
        return deleted >= retention.STEP

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, rolled back if the block raises.

        Raises ``DatabaseUnavailable``, also if the file was deleted or replaced since it was
        opened: what is written would be lost with it.
        """
        if self._inode is not None and file_of(self.engine) != self._inode:
            raise DatabaseUnavailable(
                f"{self.location}: the file was deleted; a new one is filled again from Kafka"
            )
        with driver_errors(self.location), self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot. Raises ``DatabaseUnavailable``, also before the tables are created."""
        with self.read_with_meta() as (connection, _meta):
            yield connection

    @contextmanager
    def read_with_meta(self) -> Iterator[tuple[Connection, Mapping[str, str]]]:
        """One snapshot, and the values of ``meta`` in it. Raises as ``read``."""
        with driver_errors(self.location), self.engine.connect() as connection:
            yield connection, schema.read_meta(connection, self.location)

    def close(self) -> None:
        self.engine.dispose()


__all__ = [
    "Database",
    "DatabaseUnavailable",
    "Fenced",
    "ForeignDatabase",
    "InvalidDatabase",
]
