"""Errors of the database, each with a message that names the database and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError

from driftline.errors import DatabaseUnavailable, Trouble


class ForeignDatabase(Trouble):
    """The database belongs to another cluster, another Driftline, or another application."""


class Fenced(Trouble):
    """Another worker has written from the start offset of this batch; nothing was written.

    To recover, start again from the positions in the database.
    """


@contextmanager
def driver_errors(location: str) -> Iterator[None]:
    """Raise errors of the driver as ``DatabaseUnavailable`` with a remedy.

    A file of something else is a ``ForeignDatabase``: waiting would not help.
    """
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailable(f"{location}: {_reason(error)}") from error
    except DBAPIError as error:
        if is_missing_table(error):
            raise DatabaseUnavailable(
                f"{location}: its tables are gone; they are created and filled again from Kafka"
            ) from error
        if "not a database" in str(error.orig):
            raise ForeignDatabase(
                f"{location}: file is not a database: set store.url to another file, or remove"
                " this one; it is filled again from Kafka"
            ) from error
        if error.connection_invalidated:
            raise DatabaseUnavailable(f"{location}: {_reason(error)}") from error
        raise


def is_missing_table(error: DBAPIError) -> bool:
    """Whether a statement failed because there is no such table, or no schema for it."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate in _GONE or "no such table" in str(error.orig)


_GONE = ("42P01", "3F000")  # PostgreSQL's undefined_table and invalid_schema_name

_REMEDIES = {
    "unable to open database file": "there is no database, or its folder is missing: start"
    " `driftline consume store`, or correct store.url",
    "locked": "another program keeps it locked; try again, or find out which one",
}


def _reason(error: DBAPIError) -> str:
    message = str(error.orig).strip().partition("\n")[0]
    remedy = next((remedy for part, remedy in _REMEDIES.items() if part in message), None)
    return f"{message}; {remedy}" if remedy else message
