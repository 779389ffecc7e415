"""Everything that is read from the database. Each function is one statement or two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select, tuple_

from consumers.database.tables import decisions, heartbeats, incidents, models, transitions, windows

Rows = Sequence[Row[Any]]


class Version(NamedTuple):
    model: str
    version: str


class Range(NamedTuple):
    """Event time, half-open; None: without a bound."""

    start_ms: int | None = None
    end_ms: int | None = None


EVER = Range()


def registered(connection: Connection) -> Rows:
    """Every model version, the newest first."""
    newest = (models.c.registered_ms.desc(), models.c.model.desc(), models.c.version.desc())
    return connection.execute(select(models).order_by(*newest)).all()


def registered_after(connection: Connection, after: tuple[Any, ...] | None, limit: int) -> Rows:
    """A page of them, in the same order."""
    columns = (models.c.registered_ms, models.c.model, models.c.version)
    query = select(models).order_by(*(column.desc() for column in columns))
    return connection.execute(_after(query, columns, after).limit(limit)).all()


def newest_window(connection: Connection, of: Version, within: Range = EVER) -> Row[Any] | None:
    """The newest window that lies inside of ``within``."""
    return connection.execute(_windows(windows, of, within).limit(1)).first()


def newest_measured(
    connection: Connection, of: Version, status: str, *, after_ms: int | None = None
) -> Row[Any] | None:
    """The newest window whose performance has this status and that ends after ``after_ms``."""
    query = _windows(_MEASURED, of, EVER).where(windows.c.performance_status == status)
    if after_ms is not None:
        query = query.where(windows.c.end_ms > after_ms)
    return connection.execute(query.limit(1)).first()


def windows_after(
    connection: Connection, of: Version, within: Range, after: tuple[Any, ...] | None, limit: int
) -> Rows:
    """A page of windows, the newest first."""
    query = _after(_windows(windows, of, within), _WINDOW_KEY, after)
    return connection.execute(query.limit(limit)).all()


def measured_after(
    connection: Connection, of: Version, within: Range, after: tuple[Any, ...] | None, limit: int
) -> Rows:
    """A page of those whose performance was measured, without their other parts."""
    query = _windows(_MEASURED, of, within).where(windows.c.performance_status.is_not(None))
    return connection.execute(_after(query, _WINDOW_KEY, after).limit(limit)).all()


def incidents_after(
    connection: Connection,
    equal: Mapping[str, str | None],
    after: tuple[Any, ...] | None,
    limit: int,
) -> Rows:
    """A page of incidents, opened last first; ``equal`` by column, None for anything."""
    conditions = [incidents.c[name] == value for name, value in equal.items() if value is not None]
    columns = (incidents.c.opened_ms, incidents.c.id)
    query = select(incidents).where(*conditions).order_by(*(column.desc() for column in columns))
    return connection.execute(_after(query, columns, after).limit(limit)).all()


def incident(connection: Connection, identity: str) -> Row[Any] | None:
    return connection.execute(select(incidents).where(incidents.c.id == identity)).first()


def transitions_of(connection: Connection, identity: str) -> Rows:
    """Of one incident, oldest first."""
    query = select(transitions).where(transitions.c.incident == identity)
    return connection.execute(query.order_by(transitions.c.sequence)).all()


def transitions_after(connection: Connection, sequence: int, model: str | None, limit: int) -> Rows:
    """Of all incidents, oldest first."""
    query = select(transitions).where(transitions.c.sequence > sequence)
    if model is not None:
        mine = incidents.c.id == transitions.c.incident
        query = query.join(incidents, mine).where(incidents.c.model == model)
    return connection.execute(query.order_by(transitions.c.sequence).limit(limit)).all()


def sequence_of(connection: Connection, event: str) -> int | None:
    """Where an event stands among the transitions; None for one that is not there."""
    query = select(transitions.c.sequence).where(transitions.c.id == event)
    return connection.execute(query).scalar()


def newest_sequence(connection: Connection) -> int:
    return connection.execute(select(func.max(transitions.c.sequence))).scalar() or 0


def open_incidents(connection: Connection) -> Rows:
    """How many, by model, version, kind and severity."""
    by = (incidents.c.model, incidents.c.version, incidents.c.kind, incidents.c.severity)
    query = select(*by, func.count().label("incidents")).where(incidents.c.state == "open")
    return connection.execute(query.group_by(*by).order_by(*by)).all()


def newest_decision(connection: Connection, of: Version) -> Row[Any] | None:
    mine = (decisions.c.model == of.model, decisions.c.version == of.version)
    query = select(decisions).where(*mine).order_by(decisions.c.decided_ms.desc())
    return connection.execute(query.limit(1)).first()


def beats(connection: Connection) -> Rows:
    """The last heartbeat of every worker."""
    return connection.execute(
        select(heartbeats).order_by(heartbeats.c.role, heartbeats.c.slot)
    ).all()


_WINDOW_KEY = (windows.c.end_ms, windows.c.start_ms)
# The other parts are large: a history of them would be read for nothing.
_MEASURED = [column for column in windows.columns if column.name not in ("data", "concept")]


def _windows(what: Table | Sequence[ColumnElement[Any]], of: Version, within: Range) -> Select[Any]:
    """Newest first."""
    columns = what.columns if isinstance(what, Table) else what
    query = select(*columns).where(windows.c.model == of.model, windows.c.version == of.version)
    if within.start_ms is not None:
        query = query.where(windows.c.start_ms >= within.start_ms)
    if within.end_ms is not None:
        query = query.where(windows.c.end_ms <= within.end_ms)
    return query.order_by(*(column.desc() for column in _WINDOW_KEY))


def _after(
    query: Select[Any], columns: Sequence[ColumnElement[Any]], key: tuple[Any, ...] | None
) -> Select[Any]:
    """What comes behind ``key`` in descending order of ``columns``."""
    return query if key is None else query.where(tuple_(*columns) < tuple_(*key))
