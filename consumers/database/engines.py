"""SQLAlchemy engines for SQLite and PostgreSQL, read-write or read-only."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError

TIMEOUT_S = 10  # waiting for another writer, or for a server to answer
# Of readers: no more than the threads that answer requests, so that none waits for a connection.
READERS: dict[str, int] = {"pool_size": 10, "max_overflow": 30}
# Several times as fast as ``json``: documents make up most of what is read.
JSON: dict[str, Any] = {
    "json_serializer": lambda value: msgspec.json.encode(value).decode(),
    "json_deserializer": msgspec.json.decode,
}


class InvalidDatabase(ValueError):
    """A database address that cannot be used. The message never contains a password."""


def engine_for(address: str, *, read_only: bool) -> Engine:
    """An engine that has not connected yet. Raises ``InvalidDatabase``.

    A transaction of a reader sees one snapshot of the database. Reading creates no file.
    """
    url = _parsed(address)
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url, read_only)
        case "postgresql" | "postgres":
            return _postgresql(url, read_only)
    raise InvalidDatabase(
        f"store.url: {url.drivername!r} is not supported: give sqlite:///FILE or"
        " postgresql://USER@HOST/DATABASE"
    )


def location_of(engine: Engine) -> str:
    """The address without password and options, for messages."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def file_of(engine: Engine) -> int | None:
    """The inode of the file of SQLite's database. None: there is no file."""
    return _inode(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


def _parsed(address: str) -> URL:
    try:
        return make_url(address)
    except (ArgumentError, ValueError):  # its message may quote the address
        raise InvalidDatabase(
            "store.url is not an address: give sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None


def _postgresql(url: URL, read_only: bool) -> Engine:
    read_only_options: dict[str, Any] = {
        "isolation_level": "REPEATABLE READ",
        "execution_options": {"postgresql_readonly": True},
        **READERS,
    }
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": TIMEOUT_S},
            pool_pre_ping=True,  # the server may have been restarted
            hide_parameters=True,
            **JSON,
            **(read_only_options if read_only else {}),
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
    path = str(url.database)
    engine = create_engine(
        url,
        creator=_opener(path, "rw" if read_only else "rwc"),
        hide_parameters=True,
        **JSON,
        **(READERS if read_only else {}),
    )
    if read_only:
        event.listen(engine, "checkout", _same_file(path))
    # A writer locks at BEGIN: upgrading a read transaction would fail at once instead of waiting.
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


class _Connection(sqlite3.Connection):
    """With the inode of its file, as it was before the file was opened."""

    inode: int | None


def _same_file(path: str) -> Callable[[_Connection, object, object], None]:
    """A connection to a file that was deleted or replaced is exchanged for a new one."""

    def check(connection: _Connection, _record: object, _proxy: object) -> None:
        if connection.inode != _inode(path):
            raise DisconnectionError

    return check


def _opener(path: str, mode: str) -> Callable[[], _Connection]:
    def connect() -> _Connection:
        inode = _inode(path)
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode={mode}",
            uri=True,
            timeout=TIMEOUT_S,  # SQLite's busy_timeout
            isolation_level=None,  # SQLAlchemy begins transactions, not the driver
            check_same_thread=False,
            factory=_Connection,
        )
        connection.inode = inode
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
        connection.execute(
            "PRAGMA synchronous = NORMAL"
        )  # a crash loses rows and their offsets together
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """In WAL mode readers do not wait for writers. Changing it ignores busy_timeout: retry."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)
        else:
            return
