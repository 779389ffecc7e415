"""Incidents, the history of each, and a stream of all changes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import Connection

from api.answers import Incident, IncidentHistory, Page
from api.conditional import conditional
from api.dependencies import NoParameters, Snapshot, database, select_key
from api.events import EventStream, start_sequence, stream
from api.paging import decode_cursor, page
from api.parameters import AlertsQuery, EventsQuery, IncidentsQuery
from api.problems import RequestProblem, problem_responses
from api.queries import (
    EventTimeRange,
    incident_by_id,
    incidents_page,
    transitions_of_incident,
)
from api.rows_to_answers import incident_fields
from monitor.identity import Key

router = APIRouter(tags=["incidents"])


# One event of the stream, as in OpenAPI 3.2; OpenAPI 3.1 cannot describe streams.
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Id of the CloudEvent."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The CloudEvent as on the topic `alerts`.",
        },
        "retry": {"type": "integer", "description": "Milliseconds to wait before reconnecting."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {EventStream.media_type: {"schema": _EVENT}}}
}


@router.get("/alerts", responses=problem_responses(400, 404, 422))
@conditional
def alerts(connection: Snapshot, query: Annotated[AlertsQuery, Query()]) -> Page[Incident]:
    """Incidents of one model version in their current state, the one opened last first."""
    selected = select_key(connection, query)
    return _page(connection, selected, selected and selected.version, query)


@router.get("/incidents", responses=problem_responses(400, 404, 422))
@conditional
def incidents(connection: Snapshot, query: Annotated[IncidentsQuery, Query()]) -> Page[Incident]:
    """Incidents of all versions of a model, the one opened last first."""
    selected = select_key(connection, query)
    return _page(connection, selected, query.version, query)


@router.get("/incidents/{id}", responses=problem_responses(404, 422))
@conditional
def one_incident(
    connection: Snapshot, id: Annotated[str, Path(max_length=200)], _query: NoParameters
) -> IncidentHistory:
    """One incident with all of its transitions."""
    row = None if "\x00" in id else incident_by_id(connection, id)
    if row is None:
        raise RequestProblem(404, f"there is no incident {id!r}")
    events = [transition.event for transition in transitions_of_incident(connection, id)]
    return IncidentHistory(**incident_fields(row), transitions=events)


@router.get(
    "/events",
    status_code=200,
    response_class=EventStream,
    responses={**_STREAM, **problem_responses(422)},
)
def events(
    request: Request,
    query: Annotated[EventsQuery, Query()],
    last_event_id: Annotated[
        str | SkipJsonSchema[None],
        Header(description="The `id` of the last event received; the stream starts after it."),
    ] = None,
) -> EventStream:
    """All changes of incidents from now on, as server-sent events whose data are CloudEvents.

    Comments keep an idle connection open.
    """
    after = start_sequence(database(request), last_event_id or None)
    control = request.app.state.streams
    return EventStream(stream(database(request), query.model, after, control), control)


def _page(
    connection: Connection, selected: Key | None, version: str | None, query: AlertsQuery
) -> Page[Incident]:
    after = decode_cursor(query.cursor, int, str)
    if selected is None:
        return Page(items=[], next=None)
    filters = {
        "model": selected.model,
        "version": version,
        **query.model_dump(include={"segment", "state", "severity", "kind", "subject"}),
    }
    within = EventTimeRange(query.start, query.end)
    rows = incidents_page(connection, filters, within, after, query.limit + 1)
    items, cursor = page(rows, query.limit, lambda row: (row.opened_ms, row.id))
    return Page(items=[Incident(**incident_fields(row)) for row in items], next=cursor)
