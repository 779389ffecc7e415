"""Findings of a model version as tables, oldest first: a row for each item of the API."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from api.answers import FeatureHistoryItem, HistoryItem, Incident, Model, WindowItem
from api.table import Columns, arrow_bytes, columns_of, csv_bytes
from dashboard.client import Client
from driftline.errors import BadInput


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported. The range is half-open event time, RFC 3339; None: no bound."""

    model: Model
    features: Sequence[str]  # of drift; none: all
    start: str | None = None
    end: str | None = None
    all_versions: bool = False  # of incidents

    @property
    def parameters(self) -> dict[str, str]:
        bounds = {"start": self.start, "end": self.end}
        given = {name: at for name, at in bounds.items() if at is not None}
        return {"model": self.model.model, "version": self.model.version, **given}


def windows(api: Client, export: Export) -> list[WindowItem]:
    found = api.every("/windows", WindowItem, **export.parameters, distributions=False)
    return list(found)[::-1]


def metrics(api: Client, export: Export) -> list[HistoryItem]:
    return list(api.every("/metrics/history", HistoryItem, **export.parameters))[::-1]


def incidents(api: Client, export: Export) -> list[Incident]:
    """Those that were open in the range."""
    asked = export.parameters
    if export.all_versions:
        del asked["version"]
    return list(api.every("/incidents", Incident, **asked))[::-1]


def drift(api: Client, export: Export) -> list[FeatureHistoryItem]:
    """One feature after the other. Raises ``BadInput`` for one that the version does not have."""
    known = [feature.name for feature in export.model.features]
    if unknown := [name for name in export.features if name not in known]:
        raise BadInput(f"there is no feature {unknown[0]!r}; the features are {', '.join(known)}")
    found: list[FeatureHistoryItem] = []
    for name in export.features or known:
        asked = {**export.parameters, "feature": name}
        found += list(api.every("/drift/history", FeatureHistoryItem, **asked))[::-1]
    return found


def parquet_bytes(columns: Columns) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), sink)
    return sink.getvalue()


KINDS: Mapping[str, Callable[[Client, Export], Sequence[BaseModel]]] = {
    "windows": windows,
    "drift": drift,
    "metrics": metrics,
    "incidents": incidents,
}
WRITERS: Mapping[str, Callable[[Columns], bytes]] = {
    "csv": csv_bytes,
    "parquet": parquet_bytes,
    "arrow": arrow_bytes,
}


def exported(api: Client, kind: str, export: Export, file_format: str) -> tuple[int, bytes]:
    """The number of rows, and the file."""
    items = KINDS[kind](api, export)
    return len(items), WRITERS[file_format](columns_of(items))
