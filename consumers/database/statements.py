"""SQL statements of the writer: compare-and-set of offsets, upserts, numbered transitions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Table,
    Text,
    cast,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import ColumnElement

from consumers.database.errors import Fenced
from consumers.database.rows import Alert, OffsetRange, Row
from consumers.database.tables import (
    distributions,
    heartbeats,
    incidents,
    meta,
    offsets,
    transitions,
    windows,
)
from consumers.messages.records import TopicPartition

IDS_PER_QUERY = 500

IsNewer = Callable[[Any], ColumnElement[bool]]


def advance_offset(
    connection: Connection, topic_partition: TopicPartition, offsets_read: OffsetRange
) -> None:
    """Move the offset of a partition from the start to the end of a range.

    Raises ``Fenced`` if the database does not hold the start.
    """
    start, end = offsets_read
    if _moved_offsets(connection, topic_partition, start, end) != 1:
        raise Fenced(
            f"{topic_partition.name}: expected the database to be at"
            f" {'no offset' if start is None else f'offset {start}'}, but another worker has"
            " written, or the database was replaced: restart from its positions"
        )


def _moved_offsets(
    connection: Connection, topic_partition: TopicPartition, start: int | None, end: int
) -> int:
    topic, number = topic_partition
    if start is None:
        row = {"topic": topic, "partition": number, "next": end}
        return insert_missing(connection, offsets, [row])
    same_partition = (offsets.c.topic == topic) & (offsets.c.partition == number)
    move = update(offsets).where(same_partition, offsets.c.next == start).values(next=end)
    return int(connection.execute(move).rowcount)


def insert_alerts(connection: Connection, alerts: Sequence[Alert]) -> None:
    """Insert new transitions and update their incidents. Known transitions change nothing."""
    if not alerts:
        return
    last = _locked_sequence(connection)
    existing = _existing_ids(connection, [alert.transition["id"] for alert in alerts])
    by_id = {alert.transition["id"]: alert for alert in alerts}
    new = [alert for id_, alert in by_id.items() if id_ not in existing]
    upsert(connection, incidents, [alert.incident for alert in new])
    numbered = [{**a.transition, "sequence": last + i} for i, a in enumerate(new, start=1)]
    insert_missing(connection, transitions, numbered)


def count_change(connection: Connection) -> None:
    """Count a change of what answers are made of."""
    counted = cast(cast(meta.c.value, BigInteger) + 1, Text)
    connection.execute(update(meta).where(meta.c.key == "changes").values(value=counted))


def _locked_sequence(connection: Connection) -> int:
    """The last sequence number. No other writer can take one before this transaction ends."""
    lock = update(meta).where(meta.c.key == "schema_version").values(value=meta.c.value)
    connection.execute(lock)
    return int(connection.execute(select(func.max(transitions.c.sequence))).scalar() or 0)


def _existing_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    existing: set[str] = set()
    for first in range(0, len(ids), IDS_PER_QUERY):
        among = transitions.c.id.in_(ids[first : first + IDS_PER_QUERY])
        existing.update(connection.execute(select(transitions.c.id).where(among)).scalars())
    return existing


def insert_missing(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert the rows whose key does not exist. Returns how many there were."""
    statement = _insert(connection, table).on_conflict_do_nothing()
    statement = statement.execution_options(preserve_rowcount=True)  # psycopg's is lost otherwise
    return sum(connection.execute(statement, dict(row)).rowcount for row in rows)


def _has_higher_revision(table: Table) -> IsNewer:
    return lambda row: tuple_(row.life, row.revision) > tuple_(table.c.life, table.c.revision)


# Which of two rows with the same key is kept; in other tables it is the one written last.
_NEWER: Mapping[str, IsNewer] = {
    **{table.name: _has_higher_revision(table) for table in (windows, distributions)},
    incidents.name: lambda row: row.updated_ms >= incidents.c.updated_ms,
    heartbeats.name: lambda row: row.at_ms >= heartbeats.c.at_ms,
}


def upsert(
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
        if column.name not in {*keys, *keep}
    }
    newer = _NEWER.get(table.name)
    upsert = statement.on_conflict_do_update(
        index_elements=keys, set_=replaced, where=newer and newer(statement.excluded)
    )
    connection.execute(upsert, [dict(row) for row in rows])


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Both dialects know ON CONFLICT; SQLAlchemy has a class for each."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
