"""All queries of the database. Each function runs one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Text,
    and_,
    cast,
    func,
    or_,
    select,
    tuple_,
)

from api.answers.models import preference
from consumers.database.tables import (
    decisions,
    distributions,
    heartbeats,
    incidents,
    models,
    transitions,
    versions,
    windows,
)
from monitor.identity import Key, VersionKey

Rows = Sequence[Row[Any]]
After = tuple[Any, ...] | None  # of the last row of the previous page; None: the first page


class EventTimeRange(NamedTuple):
    """Half-open; None: no bound."""

    start_ms: int | None = None
    end_ms: int | None = None


UNBOUNDED = EventTimeRange()


def model_versions_page(connection: Connection, after: After, limit: int) -> Rows:
    """Registered model versions, newest first."""
    columns = (models.c.registered_ms, models.c.model, models.c.version)
    query = _models_with_states().order_by(*(column.desc() for column in columns))
    return connection.execute(_after(query, columns, after).limit(limit)).all()


def model_keys(connection: Connection) -> Rows:
    """Model, version and state of each registered version.

    Of a model, the version that answers when none is named comes first.
    """
    newest = (models.c.registered_ms.desc(), models.c.model.desc(), models.c.version.desc())
    query = _with_states(select(models.c.model, models.c.version)).order_by(*newest)
    return sorted(connection.execute(query).all(), key=lambda row: preference(row.state))


def model_document(connection: Connection, version: VersionKey) -> Mapping[str, Any]:
    """What was registered of a version; empty if nothing was."""
    model, number = version
    query = select(models.c.document).where(models.c.model == model, models.c.version == number)
    return connection.execute(query).scalar() or {}


def _models_with_states() -> Select[Any]:
    changes = (versions.c.since_ms, versions.c.changed_by, versions.c.why)
    return _with_states(select(models)).add_columns(*changes)


def _with_states(query: Select[Any]) -> Select[Any]:
    """Versions without a row yet have no state."""
    same = (versions.c.model == models.c.model) & (versions.c.version == models.c.version)
    return query.add_columns(versions.c.state).outerjoin_from(models, versions, same)


def newest_window(
    connection: Connection,
    selected: Key,
    within: EventTimeRange = UNBOUNDED,
    *,
    with_distributions: bool = False,
) -> Row[Any] | None:
    """The newest window that lies completely in ``within``."""
    rows = windows_page(
        connection, selected, within, None, 1, with_distributions=with_distributions
    )
    return next(iter(rows), None)


def newest_windows(connection: Connection, selected: Key) -> Rows:
    """The newest window of the whole and of each segment of a version, in its current life."""
    own = (
        windows.c.model == selected.model,
        windows.c.version == selected.version,
        windows.c.life >= _life(selected),
    )
    newest = select(windows.c.segment, func.max(windows.c.end_ms).label("end_ms")).where(*own)
    found = newest.group_by(windows.c.segment).subquery()
    same = (windows.c.segment == found.c.segment) & (windows.c.end_ms == found.c.end_ms)
    return connection.execute(select(windows).join(found, same).where(*own)).all()


def open_incidents_of_segments(connection: Connection, selected: Key) -> Rows:
    """Segment, subject and severity of each open incident of a version."""
    columns = (incidents.c.segment, incidents.c.subject, incidents.c.severity)
    query: Select[Any] = select(*columns).where(
        incidents.c.model == selected.model,
        incidents.c.version == selected.version,
        incidents.c.state == "open",
    )
    return connection.execute(query).all()


def newest_performance(
    connection: Connection, selected: Key, status: str, *, after_ms: int | None = None
) -> Row[Any] | None:
    """The newest window with rows and this performance status that ends after ``after_ms``."""
    query = _windows(_PERFORMANCE_COLUMNS, selected, UNBOUNDED)
    query = query.where(windows.c.performance_status == status, windows.c.data_status != "no_data")
    if after_ms is not None:
        query = query.where(windows.c.end_ms > after_ms)
    return connection.execute(query.limit(1)).first()


def windows_page(  # noqa: PLR0913 - which windows, which page, and what of them
    connection: Connection,
    selected: Key,
    within: EventTimeRange,
    after: After,
    limit: int,
    *,
    with_distributions: bool,
) -> Rows:
    """Windows, newest first; the column ``distributions`` only if it is asked for."""
    query = _after(_windows(windows.c, selected, within), _WINDOW_KEY, after)
    query = _with_distributions(query) if with_distributions else query
    return connection.execute(query.limit(limit)).all()


def data_page(
    connection: Connection, selected: Key, within: EventTimeRange, after: After, limit: int
) -> Rows:
    """Windows, newest first, of their parts only the data, as text."""
    query = _after(_windows(_DATA_COLUMNS, selected, within), _WINDOW_KEY, after)
    return connection.execute(query.limit(limit)).all()


def performance_page(
    connection: Connection, selected: Key, within: EventTimeRange, after: After, limit: int
) -> Rows:
    """Windows with performance, newest first, without their other parts."""
    query = _windows(_PERFORMANCE_COLUMNS, selected, within)
    query = query.where(windows.c.performance_status.is_not(None))
    return connection.execute(_after(query, _WINDOW_KEY, after).limit(limit)).all()


def incidents_page(
    connection: Connection,
    filters: Mapping[str, str | None],
    within: EventTimeRange,
    after: After,
    limit: int,
) -> Rows:
    """Incidents that were open in ``within``, the one opened last first.

    ``filters`` are values by column, None: any value.
    """
    conditions = [
        incidents.c[name] == value for name, value in filters.items() if value is not None
    ]
    if within.start_ms is not None:
        is_open = incidents.c.resolved_ms.is_(None)
        conditions.append(or_(is_open, incidents.c.resolved_ms > within.start_ms))
    if within.end_ms is not None:
        conditions.append(incidents.c.opened_ms < within.end_ms)
    columns = (incidents.c.opened_ms, incidents.c.id)
    query = select(incidents).where(*conditions).order_by(*(column.desc() for column in columns))
    return connection.execute(_after(query, columns, after).limit(limit)).all()


def incident_by_id(connection: Connection, identity: str) -> Row[Any] | None:
    return connection.execute(select(incidents).where(incidents.c.id == identity)).first()


def transitions_of_incident(connection: Connection, identity: str) -> Rows:
    """Oldest first."""
    query = select(transitions).where(transitions.c.incident == identity)
    return connection.execute(query.order_by(transitions.c.sequence)).all()


def transitions_after(connection: Connection, sequence: int, model: str | None, limit: int) -> Rows:
    """Transitions of all incidents (of ``model``), oldest first."""
    query = select(transitions).where(transitions.c.sequence > sequence)
    if model is not None:
        same_incident = incidents.c.id == transitions.c.incident
        query = query.join(incidents, same_incident).where(incidents.c.model == model)
    return connection.execute(query.order_by(transitions.c.sequence).limit(limit)).all()


def sequence_of_event(connection: Connection, event: str) -> int | None:
    """The sequence number of the transition with this event id; None if there is none."""
    query = select(transitions.c.sequence).where(transitions.c.id == event)
    return connection.execute(query).scalar()


def newest_sequence(connection: Connection) -> int:
    return connection.execute(select(func.max(transitions.c.sequence))).scalar() or 0


def open_incident_counts(connection: Connection) -> Rows:
    """Number of open ``incidents`` by model, version, segment, kind and severity."""
    names = ("model", "version", "segment", "kind", "severity")
    labels = [incidents.c[name] for name in names]
    query: Select[Any] = select(*labels, func.count().label("incidents"))
    query = query.where(incidents.c.state == "open")
    return connection.execute(query.group_by(*labels).order_by(*labels)).all()


def newest_decision(connection: Connection, selected: Key) -> Row[Any] | None:
    """Of a model version: there are no decisions about segments."""
    query = select(decisions).where(
        decisions.c.model == selected.model,
        decisions.c.version == selected.version,
        decisions.c.life >= _life(selected),
    )
    return connection.execute(query.order_by(decisions.c.decided_ms.desc()).limit(1)).first()


def newest_heartbeats(connection: Connection) -> Rows:
    """One for each worker."""
    query = select(heartbeats).order_by(heartbeats.c.role, heartbeats.c.slot)
    return connection.execute(query).all()


_WINDOW_KEY = (windows.c.end_ms, windows.c.start_ms)
# Without the other parts, which are large.
_PERFORMANCE_COLUMNS = [one for one in windows.c if one.name not in ("data", "concept")]
_DATA_COLUMNS = [
    *(one for one in windows.c if one.name not in ("data", "performance", "concept")),
    cast(windows.c.data, Text).label("data"),
]


def _with_distributions(query: Select[Any]) -> Select[Any]:
    keys = [column.name for column in windows.primary_key]
    same = [windows.c[name] == distributions.c[name] for name in keys]
    found = query.add_columns(distributions.c.document.label("distributions"))
    return found.outerjoin_from(windows, distributions, and_(*same))


def _windows(
    columns: Iterable[ColumnElement[Any]], selected: Key, within: EventTimeRange
) -> Select[Any]:
    """Newest first. Without a range of event time, only windows of the current life."""
    query = select(*columns).where(
        windows.c.model == selected.model,
        windows.c.version == selected.version,
        windows.c.segment == selected.segment,
    )
    if within == UNBOUNDED:
        query = query.where(windows.c.life >= _life(selected))
    if within.start_ms is not None:
        query = query.where(windows.c.start_ms >= within.start_ms)
    if within.end_ms is not None:
        query = query.where(windows.c.end_ms <= within.end_ms)
    return query.order_by(*(column.desc() for column in _WINDOW_KEY))


def _life(selected: Key) -> ColumnElement[int]:
    """The number of the current life of a version; 0 if nothing is known of it."""
    life = select(versions.c.life).where(
        versions.c.model == selected.model, versions.c.version == selected.version
    )
    return func.coalesce(life.scalar_subquery(), 0)


def _after(query: Select[Any], columns: Sequence[ColumnElement[Any]], key: After) -> Select[Any]:
    """Only rows that follow ``key`` in descending order of ``columns``."""
    return query if key is None else query.where(tuple_(*columns) < tuple_(*key))
