"""Findings on disk, in SQLite or PostgreSQL: opened, claimed, written once, read in snapshots.

Theory of operation
-------------------
Rows and the offsets they come from are written in one transaction, and the offsets first::

    UPDATE offsets SET next = :end WHERE next = :start      matched nothing? somebody else wrote on
    INSERT ... ON CONFLICT DO UPDATE ... WHERE newer        rows, idempotent
    COMMIT

So a worker that was taken for dead and wakes up writes nothing, and a batch that is read twice
changes nothing. On PostgreSQL the first statement locks the row, on SQLite the transaction locks
the file from its beginning: of two writers, one waits and then finds its offset gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Table, func, inspect, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.sql import ColumnElement

from consumers.database.engines import InvalidDatabase, engine_of, place_of
from consumers.database.tables import (
    decisions,
    heartbeats,
    incidents,
    meta,
    metadata,
    models,
    offsets,
    transitions,
    windows,
)
from driftline.errors import Trouble

SHAPE = "1"  # of the tables; another one is refused
AT_ONCE = 500  # ids in one query

Row = Mapping[str, Any]  # by the name of the column
Partition = tuple[str, int]  # topic by its short name, number
Newer = Callable[[Any], ColumnElement[bool]]


class DatabaseUnavailable(Trouble):
    """The database cannot be used now: absent, empty, locked, unreachable. Says what to do."""


class ForeignDatabase(Trouble):
    """The database belongs to another cluster, another Driftline, or another application."""


class Fenced(Trouble):
    """Somebody else has written on from the offset that this batch begins at; nothing was written.

    The remedy is to begin anew from the database's positions.
    """


class Step(NamedTuple):
    """From which offset to which a batch has read. ``start`` is None where none was known."""

    start: int | None
    end: int


class Alert(NamedTuple):
    """A change of an incident, and the incident as it is after it."""

    transition: Row  # without its sequence
    incident: Row


@dataclass(frozen=True, slots=True)
class Changes:
    """What a batch of messages does to the database, in the order of the messages."""

    windows: Sequence[Row] = ()
    alerts: Sequence[Alert] = ()
    decisions: Sequence[Row] = ()
    heartbeats: Sequence[Row] = ()


class Database:
    """One database, opened to write (by ``store``) or to read (by the API)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.place = place_of(engine)

    @classmethod
    def to_write(cls, address: str) -> Database:
        """Creates the tables where they are missing.

        Raises ``InvalidDatabase``, ``DatabaseUnavailable`` or ``ForeignDatabase``.
        """
        database = cls(engine_of(address, read_only=False))
        try:
            with database.write() as connection:
                _create(connection, database.place)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def to_read(cls, address: str) -> Database:
        """Does not connect before it is read. Raises ``InvalidDatabase``."""
        return cls(engine_of(address, read_only=True))

    def claim(self, cluster_id: str, prefix: str) -> None:
        """Belong to this cluster's topics from the first claim on.

        Raises ``ForeignDatabase`` if the database belongs to others.
        """
        claimed = {"cluster": cluster_id, "prefix": prefix}
        with self.write() as connection:
            rows = [{"key": key, "value": value} for key, value in claimed.items()]
            _insert_missing(connection, meta, rows)
            owner = {key: _meta(connection, key) for key in claimed}
        if owner != claimed:
            raise ForeignDatabase(
                f"{self.place} holds the findings of topics {owner['prefix']}.* on Kafka cluster"
                f" {owner['cluster']!r}, not of {prefix}.* on {cluster_id!r}: set store.url to"
                " another database, or empty this one; it is filled again from Kafka"
            )

    def positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The next offset to read; a partition that nothing was written from is left out."""
        with self.write() as connection:
            rows = connection.execute(select(offsets)).all()
        known: dict[Partition, int] = {(row.topic, row.partition): row.next for row in rows}
        return {of: known[of] for of in partitions if of in known}

    def apply(self, changes: Changes, steps: Mapping[Partition, Step]) -> None:
        """All of it or nothing. Raises ``Fenced`` or ``DatabaseUnavailable``."""
        with self.write() as connection:
            for partition, step in sorted(steps.items()):
                _advance(connection, partition, step)
            _upsert(connection, windows, changes.windows)
            _alert(connection, changes.alerts)
            _upsert(connection, decisions, changes.decisions)
            _upsert(connection, heartbeats, changes.heartbeats)

    def register(self, rows: Sequence[Row]) -> None:
        """Model versions. One that is known keeps the time at which it was registered first."""
        with self.write() as connection:
            _upsert(connection, models, rows, keep={"registered_ms"})

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction, rolled back if the block raises."""
        with self._speaking(), self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot. Raises ``DatabaseUnavailable``, also while no table was created yet."""
        with self._speaking(), self.engine.connect() as connection:
            if not inspect(connection).has_table(meta.name):
                raise DatabaseUnavailable(f"{self.place} is empty: start `driftline consume store`")
            _check_shape(connection, self.place)
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """What the driver says, as a sentence that names the place and the remedy."""
        try:
            yield
        except OperationalError as error:
            raise DatabaseUnavailable(f"{self.place}: {_reason(error)}") from error
        except DBAPIError as error:
            if error.connection_invalidated or "not a database" in str(error.orig):
                raise DatabaseUnavailable(f"{self.place}: {_reason(error)}") from error
            raise


_REMEDIES = {
    "unable to open database file": "there is no database, or its folder is missing: start"
    " `driftline consume store`, or correct store.url",
    "locked": "another program keeps it locked; try again, or find out which one",
}


def _reason(error: DBAPIError) -> str:
    said = str(error.orig).strip().partition("\n")[0]
    remedy = next((remedy for words, remedy in _REMEDIES.items() if words in said), None)
    return f"{said}; {remedy}" if remedy else said


def _create(connection: Connection, place: str) -> None:
    if connection.dialect.name == "postgresql":  # two stores may start at the same moment
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('driftline'))"))
    found = set(inspect(connection).get_table_names())
    taken = sorted(found & set(metadata.tables))
    if taken and meta.name not in found:
        raise ForeignDatabase(
            f"{place} has a table {taken[0]!r} that is not Driftline's: set store.url to a database"
            " of its own"
        )
    metadata.create_all(connection)
    _insert_missing(connection, meta, [{"key": "shape", "value": SHAPE}])
    _check_shape(connection, place)


def _check_shape(connection: Connection, place: str) -> None:
    shape = _meta(connection, "shape")
    if shape != SHAPE:
        raise ForeignDatabase(
            f"{place} has tables of shape {shape}, this version needs {SHAPE}: set store.url to an"
            " empty database; it is filled again from Kafka"
        )


def _meta(connection: Connection, key: str) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()


def _advance(connection: Connection, partition: Partition, step: Step) -> None:
    topic, number = partition
    if step.start is None:
        row = {"topic": topic, "partition": number, "next": step.end}
        moved = _insert_missing(connection, offsets, [row])
    else:
        here = (offsets.c.topic == topic) & (offsets.c.partition == number)
        move = update(offsets).where(here, offsets.c.next == step.start).values(next=step.end)
        moved = connection.execute(move).rowcount
    if moved != 1:
        raise Fenced(
            f"{topic}/{number}: expected the database to stand at"
            f" {'its beginning' if step.start is None else step.start}, but another worker has"
            " written on, or the database was replaced: begin anew from its positions"
        )


def _alert(connection: Connection, alerts: Sequence[Alert]) -> None:
    """Changes that are known already are passed over, and so do not set an incident back."""
    if not alerts:
        return
    last = _locked_sequence(connection)
    known = _known(connection, [alert.transition["id"] for alert in alerts])
    new = list({a.transition["id"]: a for a in alerts if a.transition["id"] not in known}.values())
    _upsert(connection, incidents, [alert.incident for alert in new])
    numbered = [{**a.transition, "sequence": last + i} for i, a in enumerate(new, start=1)]
    _insert_missing(connection, transitions, numbered)


def _locked_sequence(connection: Connection) -> int:
    """The last number given out; nobody else gives one out before this transaction ends."""
    connection.execute(update(meta).where(meta.c.key == "shape").values(value=meta.c.value))
    return int(connection.execute(select(func.max(transitions.c.sequence))).scalar() or 0)


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for first in range(0, len(ids), AT_ONCE):
        some = transitions.c.id.in_(ids[first : first + AT_ONCE])
        found.update(connection.execute(select(transitions.c.id).where(some)).scalars())
    return found


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Both dialects say ON CONFLICT alike; SQLAlchemy keeps it apart by dialect."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)


def _insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """How many were inserted: those whose key was not there."""
    statement = _insert(connection, table).on_conflict_do_nothing()
    statement = statement.execution_options(preserve_rowcount=True)  # psycopg's is lost otherwise
    return sum(connection.execute(statement, dict(row)).rowcount for row in rows)


# Which row of two with the same key is to stand; where nothing is said, the one that came last.
_NEWER: Mapping[str, Newer] = {
    windows.name: lambda row: row.revision > windows.c.revision,
    incidents.name: lambda row: row.updated_ms >= incidents.c.updated_ms,
    heartbeats.name: lambda row: row.at_ms >= heartbeats.c.at_ms,
}


def _upsert(
    connection: Connection, table: Table, rows: Sequence[Row], *, keep: Collection[str] = ()
) -> None:
    """Insert, or replace an older row with the same key; columns of ``keep`` are not replaced."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    replaced = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if column.name not in keys and column.name not in keep
    }
    newer = _NEWER.get(table.name)
    upsert = statement.on_conflict_do_update(
        index_elements=keys, set_=replaced, where=newer and newer(statement.excluded)
    )
    connection.execute(upsert, [dict(row) for row in rows])


__all__ = [
    "Alert",
    "Changes",
    "Database",
    "DatabaseUnavailable",
    "Fenced",
    "ForeignDatabase",
    "InvalidDatabase",
    "Partition",
    "Row",
    "Step",
]
