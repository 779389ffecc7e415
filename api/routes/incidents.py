"""What was found, one item for each incident; its history; and every change as it comes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic.json_schema import SkipJsonSchema
from sqlalchemy import Connection

from api.answers import Incident, IncidentHistory, Page
from api.dependencies import Nothing, Reading, choose, database
from api.events import beginning, stream
from api.parameters import Alerts, Following, Incidents, decode_cursor, page
from api.problems import Refused, refusals
from api.queries import Version, incident, incidents_after, transitions_of
from api.shapes import incident_fields

router = APIRouter(tags=["incidents"])


class EventStream(StreamingResponse):
    media_type = "text/event-stream"


# One event of the stream, as OpenAPI 3.2 has it; 3.1 has no words for streams.
_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "Of the CloudEvent."},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The CloudEvent as on the topic `alerts`.",
        },
        "retry": {"type": "integer", "description": "Milliseconds to wait before coming back."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {EventStream.media_type: {"schema": _EVENT}}}
}


@router.get("/alerts", responses=refusals(400, 404, 422))
def alerts(connection: Reading, asked: Annotated[Alerts, Query()]) -> Page[Incident]:
    """Incidents of a model version in their latest state, opened last first."""
    chosen = choose(connection, asked.model, asked.version)
    return _page(connection, chosen, chosen and chosen.version, asked)


@router.get("/incidents", responses=refusals(400, 404, 422))
def incidents(connection: Reading, asked: Annotated[Incidents, Query()]) -> Page[Incident]:
    """The same items, of every version of a model."""
    return _page(connection, choose(connection, asked.model, asked.version), asked.version, asked)


@router.get("/incidents/{id}", responses=refusals(404, 422))
def one_incident(
    connection: Reading, id: Annotated[str, Path(max_length=200)], _asked: Nothing
) -> IncidentHistory:
    """One incident and all of its changes."""
    row = None if "\x00" in id else incident(connection, id)
    if row is None:
        raise Refused(404, f"there is no incident {id!r}")
    changes = [transition.event for transition in transitions_of(connection, id)]
    return IncidentHistory(**incident_fields(row), transitions=changes)


@router.get("/events", response_class=EventStream, responses={**_STREAM, **refusals(422)})
def events(
    request: Request,
    asked: Annotated[Following, Query()],
    last_event_id: Annotated[
        str | SkipJsonSchema[None],
        Header(description="The `id` of the last event that was seen: go on after it."),
    ] = None,
) -> EventStream:
    """Every change of an incident from now on, as server-sent events whose data are CloudEvents.

    Comments keep a silent connection open.
    """
    after = beginning(database(request), last_event_id or None)
    return EventStream(
        stream(database(request), asked.model, after, request.app.state.pace),
        headers={"Cache-Control": "no-store"},
    )


def _page(
    connection: Connection, chosen: Version | None, version: str | None, asked: Alerts
) -> Page[Incident]:
    after = decode_cursor(asked.cursor, int, str)
    if chosen is None:
        return Page(items=[], next=None)
    equal = {
        "model": chosen.model,
        "version": version,
        **asked.model_dump(include={"state", "severity", "kind", "subject"}),
    }
    rows = incidents_after(connection, equal, after, asked.limit + 1)
    kept, following = page(rows, asked.limit, lambda row: (row.opened_ms, row.id))
    return Page(items=[Incident(**incident_fields(row)) for row in kept], next=following)
