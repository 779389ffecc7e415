"""Whether the model should be trained again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Retraining, Window
from api.dependencies import Reading, choose
from api.parameters import Which
from api.problems import refusals
from api.queries import newest_decision
from api.shapes import NOTHING, about
from api.times import moment

router = APIRouter(prefix="/retraining", tags=["retraining"], responses=refusals(400, 404, 422))


@router.get("/status")
def status(connection: Reading, asked: Annotated[Which, Query()]) -> Retraining:
    """The newest decision with its reasons; `none` while nothing was decided."""
    chosen = choose(connection, asked.model, asked.version)
    row = chosen and newest_decision(connection, chosen)
    document = NOTHING if row is None else row.document
    window = document.get("window")
    return Retraining.model_validate(
        {
            **{name: value for name, value in document.items() if name != "schema"},
            **about(chosen, window and Window.model_validate({**_CLOSED, **window})),
            "status": "no_data" if row is None else "ok",
            "decided_at": row and moment(row.decided_ms),
        }
    )


_CLOSED = {"revision": 0, "status": "closed"}  # of the window that decided, unless it says so
