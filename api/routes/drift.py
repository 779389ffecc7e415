"""Whether the data, the predictions or what they mean have moved away from the reference."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.answers import ConceptDrift, DataDrift, Feature, Page, WindowItem
from api.dependencies import Reading, choose
from api.parameters import Span, Windows, decode_cursor, page
from api.problems import refusals
from api.queries import Range, newest_window, windows_after
from api.shapes import about, content, data_window, window_item

router = APIRouter(tags=["drift"], responses=refusals(400, 404, 422))


@router.get("/drift/data")
def data(connection: Reading, asked: Annotated[Span, Query()]) -> DataDrift:
    """Every feature in the newest window, or in the newest that lies inside of `start`, `end`."""
    chosen = choose(connection, asked.model, asked.version)
    row = chosen and newest_window(connection, chosen, Range(asked.start, asked.end))
    return DataDrift.model_validate(
        {**content(row and row.data), **about(chosen, data_window(row))}
    )


@router.get("/drift/concept")
def concept(connection: Reading, asked: Annotated[Span, Query()]) -> ConceptDrift:
    """The scores, the errors and the metrics of the same window."""
    chosen = choose(connection, asked.model, asked.version)
    row = chosen and newest_window(connection, chosen, Range(asked.start, asked.end))
    return ConceptDrift.model_validate(
        {
            **content(row and row.concept),
            **about(chosen, data_window(row)),
            "performance_status": row and row.performance_status,
        }
    )


@router.get("/windows")
def windows(connection: Reading, asked: Annotated[Windows, Query()]) -> Page[WindowItem]:
    """Windows with all that was found of them, the newest first, each in its newest revision."""
    after = decode_cursor(asked.cursor, int, int)
    chosen = choose(connection, asked.model, asked.version)
    if chosen is None:
        return Page(items=[], next=None)
    within = Range(asked.start, asked.end)
    rows = windows_after(connection, chosen, within, after, asked.limit + 1)
    kept, following = page(rows, asked.limit, lambda row: (row.end_ms, row.start_ms))
    items = [window_item(row) for row in kept]
    if not asked.distributions:
        items = [_undrawn(item) for item in items]
    return Page(items=items, next=following)


def _undrawn(item: WindowItem) -> WindowItem:
    data = item.data.model_copy(update={"features": list(map(_bare, item.data.features))})
    if item.concept is None:
        return item.model_copy(update={"data": data})
    found = {"prediction": item.concept.prediction, "errors": item.concept.errors}
    bare = {name: feature and _bare(feature) for name, feature in found.items()}
    concept = item.concept.model_copy(update=bare)
    return item.model_copy(update={"data": data, "concept": concept})


def _bare(feature: Feature) -> Feature:
    return feature.model_copy(update={"distribution": None})
