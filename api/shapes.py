"""Rows of the database as answers. Nothing is computed; documents are passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row

from api.answers import HistoryItem, Incident, Window, WindowItem
from api.queries import Version
from api.times import moment

NOTHING: Mapping[str, Any] = {}
_OF_THE_WINDOW = ("revision", "status")  # said of the part in messages, of the window in answers


def about(chosen: Version | None, window: Window | None) -> dict[str, Any]:
    """What every answer about a window begins with."""
    return {
        "model": chosen and chosen.model,
        "version": chosen and chosen.version,
        "window": window,
        "status": "no_data" if window is None else "ok",
    }


def window_of(row: Row[Any], revision: int, status: str) -> Window:
    start, end = moment(row.start_ms), moment(row.end_ms)
    return Window(start=start, end=end, revision=revision, status=status)


def data_window(row: Row[Any] | None) -> Window | None:
    return row and window_of(row, row.data["revision"], row.data_status)


def performance_window(row: Row[Any]) -> Window:
    return window_of(row, row.performance["revision"], row.performance_status)


def content(part: Mapping[str, Any] | None) -> dict[str, Any]:
    """A part of a message, without what the window says already."""
    return {name: value for name, value in (part or {}).items() if name not in _OF_THE_WINDOW}


def history_item(row: Row[Any]) -> HistoryItem:
    return HistoryItem.model_validate(
        {
            **content(row.performance),
            "model": row.model,
            "version": row.version,
            "window": performance_window(row),
        }
    )


def window_item(row: Row[Any]) -> WindowItem:
    return WindowItem.model_validate(
        {
            "model": row.model,
            "version": row.version,
            "window": window_of(row, row.revision, row.data_status),
            "data": row.data,
            "concept": row.concept,
            "performance": row.performance,
        }
    )


def incident_fields(row: Row[Any]) -> dict[str, Any]:
    kept = set(Incident.model_fields)
    fields = {name: value for name, value in row._mapping.items() if name in kept}
    resolved = row.resolved_ms
    return {
        **fields,
        "opened_at": moment(row.opened_ms),
        "updated_at": moment(row.updated_ms),
        "resolved_at": None if resolved is None else moment(resolved),
    }
