"""An engine for each database that is taken, SQLite or PostgreSQL, to write or only to read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool, QueuePool

PATIENCE_S = 10  # how long to wait for another writer, or for a server to answer


class InvalidDatabase(ValueError):
    """An address that cannot be used. The message says what was expected, never a password."""


def engine_of(address: str, *, read_only: bool) -> Engine:
    """An engine that has not connected yet. Raises ``InvalidDatabase``.

    Every transaction of a reader sees one state of the database. Reading creates no file.
    """
    url = _parsed(address)
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url, read_only)
        case "postgresql" | "postgres":
            return _postgresql(url, read_only)
    raise InvalidDatabase(
        f"store.url: {url.drivername!r} is not taken: give sqlite:///FILE or"
        " postgresql://USER@HOST/DATABASE"
    )


def place_of(engine: Engine) -> str:
    """The address without its password or options, to be named in sentences."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def _parsed(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):  # its own sentence may quote the address
        raise InvalidDatabase(
            "store.url is not an address: give sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None


def _postgresql(url: URL, read_only: bool) -> Engine:
    reading: dict[str, Any] = {
        "isolation_level": "REPEATABLE READ",
        "execution_options": {"postgresql_readonly": True},
    }
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": PATIENCE_S},
            pool_pre_ping=True,  # the server may have been restarted since
            hide_parameters=True,
            **(reading if read_only else {}),
        )
    except (ImportError, NoSuchModuleError) as error:
        raise InvalidDatabase(
            "store.url: PostgreSQL needs its driver: pip install 'psycopg[binary]'"
        ) from error


def _sqlite(url: URL, read_only: bool) -> Engine:
    if url.database in (None, "", ":memory:"):
        raise InvalidDatabase(
            "store.url: a database in memory cannot be shared by processes: give sqlite:///FILE"
        )
    engine = create_engine(
        url,
        creator=_opener(str(url.database), "rw" if read_only else "rwc"),
        # A reader connects anew each time, and so notices when the file was dropped and rebuilt.
        poolclass=NullPool if read_only else QueuePool,
        hide_parameters=True,
    )
    # A writer takes the lock when it begins: taking it later fails at once if it has read before.
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _opener(path: str, mode: str) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode={mode}",
            uri=True,
            timeout=PATIENCE_S,  # SQLite's busy_timeout
            isolation_level=None,  # transactions begin where SQLAlchemy says so, not before DML
            check_same_thread=False,
        )
        try:
            _set_up(connection, read_only=mode == "rw")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    return connect


def _set_up(connection: sqlite3.Connection, *, read_only: bool) -> None:
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    else:
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = NORMAL")  # offsets and rows are lost together
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Readers do not wait for the writer then. The change itself waits for nobody: insist."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return
