"""Drift of the data, of the predictions, and of the relation between scores and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Connection, Row

from api.answers import ConceptDrift, DataDrift, FeatureHistoryItem, Page, WindowItem
from api.conditional import conditional
from api.dependencies import Snapshot, select_key
from api.paging import decode_cursor, page
from api.parameters import FeatureHistoryQuery, RangeQuery, WindowsQuery
from api.problems import RequestProblem, problem_responses
from api.queries import (
    EventTimeRange,
    data_page,
    model_document,
    newest_window,
    windows_page,
)
from api.rows_to_answers import (
    concept_part,
    data_part,
    data_window,
    feature_history_items,
    part_fields,
    window_item,
    window_scope,
)
from api.table import TABLE_RESPONSES
from monitor.identity import Key

router = APIRouter(tags=["drift"], responses=problem_responses(400, 404, 422))


@router.get("/drift/data")
@conditional
def data(connection: Snapshot, query: Annotated[RangeQuery, Query()]) -> DataDrift:
    """All features in the newest window, or in the newest one between `start` and `end`."""
    selected = select_key(connection, query)
    row = selected and _newest(connection, selected, query)
    return DataDrift.model_validate(
        {**part_fields(row and data_part(row)), **window_scope(selected, data_window(row))}
    )


@router.get("/drift/concept")
@conditional
def concept(connection: Snapshot, query: Annotated[RangeQuery, Query()]) -> ConceptDrift:
    """Scores, errors, and expected and realised metrics in the same window."""
    selected = select_key(connection, query)
    row = selected and _newest(connection, selected, query)
    return ConceptDrift.model_validate(
        {
            **part_fields(row and concept_part(row)),
            **window_scope(selected, data_window(row)),
            "performance_status": row and row.performance_status,
        }
    )


@router.get("/windows")
@conditional
def windows(connection: Snapshot, query: Annotated[WindowsQuery, Query()]) -> Page[WindowItem]:
    """Windows with all findings, newest first, each in its newest revision."""
    after = decode_cursor(query.cursor, int, int)
    selected = select_key(connection, query)
    if selected is None:
        return Page(items=[], next=None)
    within = EventTimeRange(query.start, query.end)
    rows = windows_page(
        connection,
        selected,
        within,
        after,
        query.limit + 1,
        with_distributions=query.distributions,
    )
    page_rows, cursor = page(rows, query.limit, lambda row: (row.end_ms, row.start_ms))
    return Page(items=[window_item(row) for row in page_rows], next=cursor)


@router.get("/drift/history", responses=TABLE_RESPONSES)
@conditional
def history(
    connection: Snapshot, query: Annotated[FeatureHistoryQuery, Query()]
) -> Page[FeatureHistoryItem]:
    """One feature in all windows, newest first, without its distributions."""
    after = decode_cursor(query.cursor, int, int)
    selected = select_key(connection, query)
    if selected is None:
        return Page(items=[], next=None)
    _check_feature(model_document(connection, selected.version_key), query.feature)
    within = EventTimeRange(query.start, query.end)
    rows = data_page(connection, selected, within, after, query.limit + 1)
    page_rows, cursor = page(rows, query.limit, lambda row: (row.end_ms, row.start_ms))
    items = [item for row in page_rows for item in feature_history_items(row, query.feature)]
    return Page(items=items, next=cursor)


def _check_feature(document: Mapping[str, Any], feature: str) -> None:
    known = [one["name"] for one in document.get("features", ())]
    if feature not in known:
        raise RequestProblem(
            404, f"there is no feature {feature!r}; the features are {', '.join(known[:50])}"
        )


def _newest(connection: Connection, selected: Key, query: RangeQuery) -> Row[Any] | None:
    within = EventTimeRange(query.start, query.end)
    return newest_window(connection, selected, within, with_distributions=True)
