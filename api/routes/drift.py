"""Drift of the data, of the predictions, and of the relation between scores and labels."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import ConceptDrift, ConceptPart, DataDrift, Feature, Page, WindowItem
from api.dependencies import Snapshot, select_key
from api.paging import decode_cursor, page
from api.parameters import RangeQuery, WindowsQuery
from api.problems import problem_responses
from api.queries import EventTimeRange, newest_window, windows_page
from api.rows_to_answers import data_window, part_fields, window_item, window_scope

router = APIRouter(tags=["drift"], responses=problem_responses(400, 404, 422))


@router.get("/drift/data")
def data(connection: Snapshot, query: Annotated[RangeQuery, Query()]) -> DataDrift:
    """All features in the newest window, or in the newest one between `start` and `end`."""
    selected = select_key(connection, query)
    row = selected and newest_window(connection, selected, EventTimeRange(query.start, query.end))
    return DataDrift.model_validate(
        {**part_fields(row and row.data), **window_scope(selected, data_window(row))}
    )


@router.get("/drift/concept")
def concept(connection: Snapshot, query: Annotated[RangeQuery, Query()]) -> ConceptDrift:
    """Scores, errors, and expected and realised metrics in the same window."""
    selected = select_key(connection, query)
    row = selected and newest_window(connection, selected, EventTimeRange(query.start, query.end))
    return ConceptDrift.model_validate(
        {
            **part_fields(row and row.concept),
            **window_scope(selected, data_window(row)),
            "performance_status": row and row.performance_status,
        }
    )


@router.get("/windows")
def windows(connection: Snapshot, query: Annotated[WindowsQuery, Query()]) -> Page[WindowItem]:
    """Windows with all findings, newest first, each in its newest revision."""
    after = decode_cursor(query.cursor, int, int)
    selected = select_key(connection, query)
    if selected is None:
        return Page(items=[], next=None)
    within = EventTimeRange(query.start, query.end)
    rows = windows_page(connection, selected, within, after, query.limit + 1)
    page_rows, cursor = page(rows, query.limit, lambda row: (row.end_ms, row.start_ms))
    items = [window_item(row) for row in page_rows]
    if not query.distributions:
        items = [_without_distributions(item) for item in items]
    return Page(items=items, next=cursor)


def _without_distributions(item: WindowItem) -> WindowItem:
    features = [_without_distribution(feature) for feature in item.data.features]
    data = item.data.model_copy(update={"features": features})
    concept = item.concept and _concept_without_distributions(item.concept)
    return item.model_copy(update={"data": data, "concept": concept})


def _concept_without_distributions(concept: ConceptPart) -> ConceptPart:
    features = {"prediction": concept.prediction, "errors": concept.errors}
    update = {name: part and _without_distribution(part) for name, part in features.items()}
    return concept.model_copy(update=update)


def _without_distribution(feature: Feature) -> Feature:
    return feature.model_copy(update={"distribution": None})
