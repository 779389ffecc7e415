"""Deletes what is older than ``store.keep``, in small steps.

The age of a window is the event time from its end to the end of the newest window in the current
life of its model version, or to now if that lies in the future. So a replay of an old year is kept,
and a row with a wrong time in the future deletes nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    and_,
    delete,
    func,
    select,
    tuple_,
)

from consumers.database.tables import decisions, distributions, incidents, transitions, windows

STEP = 500  # rows of a table that one transaction deletes


def delete_old(connection: Connection, keep_ms: int, now_ms: int) -> int:
    """Delete at most ``STEP`` windows, incidents and decisions of each version.

    Returns the most rows that were deleted from a table; ``STEP``: more may be left. Open incidents
    and the newest decision of a version stay. So does the newest transition: its sequence number is
    the last one that was assigned.
    """
    deleted = (
        _delete_of_version(connection, model, version, min(newest_ms, now_ms) - keep_ms)
        for model, version, newest_ms in connection.execute(_newest_windows()).all()
    )
    return max(deleted, default=0)


def _newest_windows() -> Select[Any]:
    """The end of the newest window of each version in its newest life."""
    version = (windows.c.model, windows.c.version)
    newest = select(*version, func.max(windows.c.life).label("life")).group_by(*version).subquery()
    same = [windows.c[column.name] == column for column in newest.c]
    ends = select(*version, func.max(windows.c.end_ms)).join_from(windows, newest, and_(*same))
    return ends.group_by(*version)


def _delete_of_version(connection: Connection, model: str, version: str, before_ms: int) -> int:
    """Returns the most rows that were deleted from a table."""

    def of_version(table: Table) -> ColumnElement[bool]:
        return and_(table.c.model == model, table.c.version == version)

    resolved = and_(of_version(incidents), incidents.c.resolved_ms < before_ms)
    last = select(func.max(transitions.c.sequence)).scalar_subquery()
    newest_one = select(transitions.c.incident).where(transitions.c.sequence == last)
    ended = select(incidents.c.id).where(resolved, incidents.c.id.not_in(newest_one)).limit(STEP)
    ids = list(connection.execute(ended).scalars())
    connection.execute(delete(transitions).where(transitions.c.incident.in_(ids)))
    newest = select(func.max(decisions.c.decided_ms)).where(of_version(decisions)).scalar_subquery()
    old = decisions.c.decided_ms < before_ms
    statements = (
        _step(distributions, of_version(distributions), distributions.c.end_ms <= before_ms),
        _step(windows, of_version(windows), windows.c.end_ms <= before_ms),
        delete(incidents).where(incidents.c.id.in_(ids)),
        _step(decisions, of_version(decisions), old, decisions.c.decided_ms < newest),
    )
    return max(connection.execute(statement).rowcount for statement in statements)


def _step(table: Table, *conditions: ColumnElement[bool]) -> Delete:
    """Neither database has a DELETE with a limit."""
    keys = list(table.primary_key)
    chosen = select(*keys).where(*conditions).limit(STEP)
    return delete(table).where(tuple_(*keys).in_(chosen))
