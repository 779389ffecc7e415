"""Creating the tables, and checking their schema version and their owner."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from consumers.database.errors import ForeignDatabase, is_missing_table
from consumers.database.statements import insert_missing
from consumers.database.tables import SCHEMA_VERSION, meta, metadata
from driftline.errors import DatabaseUnavailable


def create_tables(connection: Connection, location: str) -> None:
    """Create missing tables. Raises ``ForeignDatabase`` if the existing ones are not ours."""
    if connection.dialect.name == "postgresql":  # two stores may start at the same moment
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('driftline'))"))
        _create_schema(connection)
    existing = set(inspect(connection).get_table_names())
    names = sorted(existing & set(metadata.tables))
    if names and meta.name not in existing:
        raise ForeignDatabase(
            f"{location} has a table {names[0]!r} that is not Driftline's: set store.url to a"
            " database of its own"
        )
    metadata.create_all(connection)
    # Together they tell one state of the findings from all others, also after it was rebuilt.
    created = {"schema_version": SCHEMA_VERSION, "instance": uuid.uuid4().hex, "changes": "0"}
    insert_missing(connection, meta, [{"key": key, "value": v} for key, v in created.items()])
    _require_version(_meta(connection, "schema_version"), location)


def _create_schema(connection: Connection) -> None:
    """Create the first schema of the search path, if none of them exists any more."""
    if connection.execute(text("SELECT current_schema()")).scalar() is None:
        path = str(connection.execute(text("SHOW search_path")).scalar())
        names = [name.strip().strip('"') for name in path.split(",")]
        first = next(name for name in names if name != "$user")
        connection.execute(CreateSchema(first, if_not_exists=True))


def read_meta(connection: Connection, location: str) -> dict[str, str]:
    """The values of ``meta`` by key, after a check of the schema version.

    Raises ``DatabaseUnavailable`` before the tables are created, or ``ForeignDatabase``.
    """
    try:
        values = {row.key: row.value for row in connection.execute(_META)}
    except DBAPIError as error:
        if not is_missing_table(error):
            raise
        message = f"{location} is empty: start `driftline consume store`"
        raise DatabaseUnavailable(message) from error
    _require_version(values.get("schema_version"), location)
    return values


def claim(connection: Connection, location: str, cluster_id: str, prefix: str) -> None:
    """Record the owner of the database if it has none.

    Raises ``ForeignDatabase`` if the database belongs to another cluster or prefix.
    """
    claimed = {"cluster": cluster_id, "prefix": prefix}
    insert_missing(connection, meta, [{"key": key, "value": v} for key, v in claimed.items()])
    require_owner(connection, location, cluster_id, prefix)


def require_owner(connection: Connection, location: str, cluster_id: str, prefix: str) -> None:
    """Raises ``ForeignDatabase`` if the database belongs to another cluster or prefix."""
    owner = {key: _meta(connection, key) for key in ("cluster", "prefix")}
    if owner["cluster"] is not None and owner != {"cluster": cluster_id, "prefix": prefix}:
        raise ForeignDatabase(
            f"{location} holds the findings of topics {owner['prefix']}.* on Kafka cluster"
            f" {owner['cluster']!r}, not of {prefix}.* on {cluster_id!r}: set store.url to"
            " another database, or empty this one; it is filled again from Kafka"
        )


_META = select(meta.c.key, meta.c.value)


def _require_version(version: str | None, location: str) -> None:
    if version != SCHEMA_VERSION:
        raise ForeignDatabase(
            f"{location} has tables of schema version {version}, this release needs"
            f" {SCHEMA_VERSION}: set store.url to an empty database; it is filled again from Kafka"
        )


def _meta(connection: Connection, key: str) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
