"""Rows of the database as answers. Nothing is computed; documents are passed through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.json import Decoder
from sqlalchemy import Row

from api.answers import FeatureHistoryItem, HistoryItem, Incident, Window, WindowItem
from consumers.messages.times import utc_datetime
from monitor.identity import Key

_WINDOW_FIELDS = ("revision", "status")  # of a part of a message; of ``window`` in answers


def window_scope(selected: Key | None, window: Window | None) -> dict[str, Any]:
    """The fields of ``WindowScope``."""
    return {**version_scope(selected, window), "segment": selected.segment if selected else ""}


def version_scope(selected: Key | None, window: Window | None) -> dict[str, Any]:
    """The fields of ``VersionScope``."""
    return {
        "model": selected and selected.model,
        "version": selected and selected.version,
        "window": window,
        "status": "no_data" if window is None else "ok",
    }


def data_window(row: Row[Any] | None) -> Window | None:
    return row and _window(row, row.data["revision"], row.data_status)


def performance_window(row: Row[Any]) -> Window:
    return _window(row, row.performance["revision"], row.performance_status)


def part_fields(part: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of one part of a window message, without those that ``window`` has."""
    return {name: value for name, value in (part or {}).items() if name not in _WINDOW_FIELDS}


def data_part(row: Row[Any]) -> Mapping[str, Any]:
    """With the distributions that were read."""
    found = _distributions(row).get("features", {})
    features = [_with_distribution(one, found.get(one["name"])) for one in row.data["features"]]
    return {**row.data, "features": features}


def concept_part(row: Row[Any]) -> Mapping[str, Any]:
    """With the distributions that were read."""
    found = _distributions(row)
    features = {
        name: _with_distribution(row.concept[name], found.get(name))
        for name in ("prediction", "errors")
        if row.concept[name] is not None
    }
    named = found.get("further", {})
    further = [
        _with_distribution(one, named.get(one["name"])) for one in row.concept.get("further", ())
    ]
    return {**row.concept, **features, "further": further}


def _distributions(row: Row[Any]) -> Mapping[str, Any]:
    return getattr(row, "distributions", None) or {}


def _with_distribution(
    feature: Mapping[str, Any], distribution: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    return {**feature, "distribution": distribution}


def feature_history_items(row: Row[Any], name: str) -> Iterator[FeatureHistoryItem]:
    """The feature in a window, whose data are text. Nothing if the window does not have it."""
    data = _DATA.decode(row.data)
    text = _feature(data.features, name)
    if text is not None:
        yield FeatureHistoryItem.model_validate(
            {
                **msgspec.json.decode(text),
                "model": row.model,
                "version": row.version,
                "segment": row.segment,
                "life": row.life,
                "window": _window(row, data.revision, row.data_status),
            }
        )


def _feature(features: Sequence[Raw], name: str) -> Raw | None:
    """The feature with this name. First those are parsed whose text contains the name."""
    spelled = msgspec.json.encode(name)
    likely = (text for text in features if spelled in bytes(text))
    return next((one for one in chain(likely, features) if _NAMED.decode(one).name == name), None)


class _Data(Struct):
    revision: int
    features: list[Raw]


class _Named(Struct):
    name: str


_DATA, _NAMED = Decoder(_Data), Decoder(_Named)


def history_item(row: Row[Any]) -> HistoryItem:
    return HistoryItem.model_validate(
        {
            **part_fields(row.performance),
            "model": row.model,
            "version": row.version,
            "segment": row.segment,
            "life": row.life,
            "window": performance_window(row),
        }
    )


def window_item(row: Row[Any]) -> WindowItem:
    return WindowItem.model_validate(
        {
            "model": row.model,
            "version": row.version,
            "segment": row.segment,
            "life": row.life,
            "plan": row.plan,
            "window": _window(row, row.revision, row.data_status),
            "data": data_part(row),
            "concept": concept_part(row),
            "performance": row.performance,
        }
    )


def incident_fields(row: Row[Any]) -> dict[str, Any]:
    names = set(Incident.model_fields)
    resolved_ms = row.resolved_ms
    return {
        **{name: value for name, value in row._mapping.items() if name in names},
        "opened_at": utc_datetime(row.opened_ms),
        "updated_at": utc_datetime(row.updated_ms),
        "resolved_at": None if resolved_ms is None else utc_datetime(resolved_ms),
    }


def _window(row: Row[Any], revision: int, status: str) -> Window:
    start, end = utc_datetime(row.start_ms), utc_datetime(row.end_ms)
    return Window(start=start, end=end, revision=revision, status=status)
