"""The segments of a model version."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy import Row

from api.answers import SegmentItem, Segments
from api.conditional import conditional
from api.dependencies import Snapshot, select_key
from api.parameters import ModelQuery
from api.problems import problem_responses
from api.queries import model_document, newest_windows, open_incidents_of_segments
from api.rows_to_answers import data_window

router = APIRouter(tags=["segments"], responses=problem_responses(400, 404, 422))


@router.get("/segments")
@conditional
def segments(connection: Snapshot, query: Annotated[ModelQuery, Query()]) -> Segments:
    """The segments of a version, those with most incidents first. Empty without segments."""
    selected = select_key(connection, query)
    if selected is None:
        return Segments(model=None, version=None, items=[])
    registered = model_document(connection, selected.version_key).get("segments", ())
    windows = {row.segment: row for row in newest_windows(connection, selected)}
    incidents = defaultdict[str, list[Row[Any]]](list)
    for row in open_incidents_of_segments(connection, selected):
        incidents[row.segment].append(row)
    names = dict.fromkeys((*registered, *windows, *incidents))
    items = [_item(name, windows, incidents.get(name, ())) for name in names if name]
    ranked = sorted(items, key=lambda one: (-one.critical, -one.warning))
    return Segments(model=selected.model, version=selected.version, items=ranked)


def _item(name: str, windows: Mapping[str, Row[Any]], incidents: Sequence[Row[Any]]) -> SegmentItem:
    severities = [row.severity for row in incidents]
    critical = severities.count("critical")
    return SegmentItem(
        segment=name,
        window=data_window(windows.get(name)),
        severity="critical" if critical else "warning" if severities else None,
        critical=critical,
        warning=len(severities) - critical,
        subjects=sorted({row.subject for row in incidents}),
    )
