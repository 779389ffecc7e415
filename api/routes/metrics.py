"""Performance of a model: on its reference, in the newest window, and over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.answers import Baseline, HistoryItem, LatestMetrics, Page, Window
from api.conditional import conditional
from api.dependencies import Snapshot, select_key
from api.paging import decode_cursor, page
from api.parameters import ModelQuery, SegmentQuery, TableQuery
from api.problems import problem_responses
from api.queries import EventTimeRange, model_document, newest_performance, performance_page
from api.rows_to_answers import (
    history_item,
    part_fields,
    performance_window,
    version_scope,
    window_scope,
)
from api.table import TABLE_RESPONSES
from consumers.messages.times import utc_datetime

router = APIRouter(
    prefix="/metrics",
    tags=["metrics"],
    responses=problem_responses(400, 404, 422),
)


@router.get("/baseline")
@conditional
def baseline(connection: Snapshot, query: Annotated[ModelQuery, Query()]) -> Baseline:
    """Performance on the reference, which all windows are compared with."""
    selected = select_key(connection, query)
    document: Mapping[str, Any] = {}
    if selected is not None:
        document = model_document(connection, selected.version_key)
    return Baseline(
        **version_scope(selected, _reference_window(document)),
        rows=document.get("rows"),
        threshold=document.get("threshold"),
        metrics=document.get("baseline", {}) if document.get("labelled") else {},
    )


@router.get("/latest")
@conditional
def latest(connection: Snapshot, query: Annotated[SegmentQuery, Query()]) -> LatestMetrics:
    """Performance of the newest final window, and of the newest provisional window after it.

    Windows without rows are passed over.
    """
    selected = select_key(connection, query)
    final = selected and newest_performance(connection, selected, "final")
    after_ms = None if final is None else final.end_ms
    provisional = selected and newest_performance(
        connection, selected, "provisional", after_ms=after_ms
    )
    return LatestMetrics.model_validate(
        {
            **part_fields(final and final.performance),
            **window_scope(selected, final and performance_window(final)),
            "provisional": provisional and history_item(provisional),
        }
    )


@router.get("/history", responses=TABLE_RESPONSES)
@conditional
def history(connection: Snapshot, query: Annotated[TableQuery, Query()]) -> Page[HistoryItem]:
    """Performance of all windows, newest first, provisional ones included."""
    after = decode_cursor(query.cursor, int, int)
    selected = select_key(connection, query)
    if selected is None:
        return Page(items=[], next=None)
    within = EventTimeRange(query.start, query.end)
    rows = performance_page(connection, selected, within, after, query.limit + 1)
    items, cursor = page(rows, query.limit, lambda row: (row.end_ms, row.start_ms))
    return Page(items=[history_item(row) for row in items], next=cursor)


def _reference_window(document: Mapping[str, Any]) -> Window | None:
    reference = document.get("reference")
    if reference is None:
        return None
    start, end = utc_datetime(reference["start_ms"]), utc_datetime(reference["end_ms"])
    return Window(start=start, end=end, revision=0, status="reference")
