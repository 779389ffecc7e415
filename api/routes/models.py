"""Registered model versions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from api.answers import Model, Page
from api.conditional import conditional
from api.dependencies import Snapshot
from api.paging import decode_cursor, page
from api.parameters import PageQuery
from api.problems import problem_responses
from api.queries import model_versions_page
from consumers.messages.times import utc_datetime
from monitor.windows.lives import VersionState

router = APIRouter(tags=["models"], responses=problem_responses(404, 422))


@router.get("/models")
@conditional
def models(connection: Snapshot, query: Annotated[PageQuery, Query()]) -> Page[Model]:
    """Registered model versions, newest first. The live version of a model is its default."""
    after = decode_cursor(query.cursor, int, str, str)
    rows = model_versions_page(connection, after, query.limit + 1)
    items, cursor = page(rows, query.limit, lambda row: (row.registered_ms, row.model, row.version))
    return Page(items=[_model(row) for row in items], next=cursor)


def _model(row: Row[Any]) -> Model:
    document = row.document
    reference = document["reference"]
    return Model.model_validate(
        {
            **document,
            "model": row.model,
            "version": row.version,
            "registered_at": utc_datetime(row.registered_ms),
            "state": row.state or VersionState.REGISTERED,
            "state_since": None if row.since_ms is None else utc_datetime(row.since_ms),
            "state_by": row.changed_by,
            "state_why": row.why,
            "reference_start": utc_datetime(reference["start_ms"]),
            "reference_end": utc_datetime(reference["end_ms"]),
        }
    )
