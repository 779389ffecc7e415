"""The model versions that are watched."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from api.answers import Model, Page
from api.dependencies import Reading
from api.parameters import Paging, decode_cursor, page
from api.problems import refusals
from api.queries import registered_after
from api.times import moment

router = APIRouter(tags=["models"], responses=refusals(404, 422))


@router.get("/models")
def models(connection: Reading, asked: Annotated[Paging, Query()]) -> Page[Model]:
    """The one registered last first: of a model, that version is meant by default."""
    after = decode_cursor(asked.cursor, int, str, str)
    rows = registered_after(connection, after, asked.limit + 1)
    kept, following = page(rows, asked.limit, lambda row: (row.registered_ms, *row[:2]))
    return Page(items=[_model(row) for row in kept], next=following)


def _model(row: Row[Any]) -> Model:
    document = row.document
    reference = document["reference"]
    return Model.model_validate(
        {
            **document,
            "model": row.model,
            "version": row.version,
            "registered_at": moment(row.registered_ms),
            "reference_start": moment(reference["start_ms"]),
            "reference_end": moment(reference["end_ms"]),
        }
    )
