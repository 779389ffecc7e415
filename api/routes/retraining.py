"""Whether a model should be retrained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.answers import Retraining, Window
from api.conditional import conditional
from api.dependencies import Snapshot, select_key
from api.parameters import ModelQuery
from api.problems import problem_responses
from api.queries import newest_decision
from api.rows_to_answers import version_scope
from consumers.messages.times import utc_datetime

router = APIRouter(
    prefix="/retraining",
    tags=["retraining"],
    responses=problem_responses(400, 404, 422),
)


@router.get("/status")
@conditional
def status(connection: Snapshot, query: Annotated[ModelQuery, Query()]) -> Retraining:
    """The newest decision about retraining, with its reasons."""
    selected = select_key(connection, query)
    row = selected and newest_decision(connection, selected)
    document: Mapping[str, Any] = {} if row is None else row.document
    window = document.get("window")
    return Retraining.model_validate(
        {
            **{name: value for name, value in document.items() if name != "schema"},
            **version_scope(selected, window and Window.model_validate({**_DEFAULTS, **window})),
            "status": "no_data" if row is None else "ok",
            "life": row and row.life,
            "decided_at": row and utc_datetime(row.decided_ms),
        }
    )


_DEFAULTS = {"revision": 0, "status": "closed"}  # of the window that a decision refers to
