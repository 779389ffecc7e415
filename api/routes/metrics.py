"""How well a model does on labelled rows: on its reference, now, and over time."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import Baseline, HistoryItem, LatestMetrics, Page, Window
from api.dependencies import Reading, choose
from api.parameters import History, Which, decode_cursor, page
from api.problems import refusals
from api.queries import Range, measured_after, newest_measured, registered
from api.shapes import NOTHING, about, content, history_item, performance_window
from api.times import moment

router = APIRouter(prefix="/metrics", tags=["metrics"], responses=refusals(400, 404, 422))


@router.get("/baseline")
def baseline(connection: Reading, asked: Annotated[Which, Query()]) -> Baseline:
    """How the model did on its reference: what every later window is compared with."""
    chosen = choose(connection, asked.model, asked.version)
    documents = {(row.model, row.version): row.document for row in registered(connection)}
    document = NOTHING if chosen is None else documents[chosen]
    span = document.get("reference")
    window = span and Window(
        start=moment(span["start_ms"]), end=moment(span["end_ms"]), revision=0, status="reference"
    )
    return Baseline(
        **about(chosen, window),
        rows=document.get("rows"),
        threshold=document.get("threshold"),
        metrics=document.get("baseline", {}) if document.get("labelled") else {},
    )


@router.get("/latest")
def latest(connection: Reading, asked: Annotated[Which, Query()]) -> LatestMetrics:
    """The newest window whose labels had their time, and the newest one after it."""
    chosen = choose(connection, asked.model, asked.version)
    final = chosen and newest_measured(connection, chosen, "final")
    after_ms = None if final is None else final.end_ms
    coming = chosen and newest_measured(connection, chosen, "provisional", after_ms=after_ms)
    return LatestMetrics.model_validate(
        {
            **content(final and final.performance),
            **about(chosen, final and performance_window(final)),
            "provisional": coming and history_item(coming),
        }
    )


@router.get("/history")
def history(connection: Reading, asked: Annotated[History, Query()]) -> Page[HistoryItem]:
    """Windows with their metrics, the newest first, provisional ones among them."""
    after = decode_cursor(asked.cursor, int, int)
    chosen = choose(connection, asked.model, asked.version)
    if chosen is None:
        return Page(items=[], next=None)
    within = Range(asked.start, asked.end)
    rows = measured_after(connection, chosen, within, after, asked.limit + 1)
    kept, following = page(rows, asked.limit, lambda row: (row.end_ms, row.start_ms))
    return Page(items=[history_item(row) for row in kept], next=following)
