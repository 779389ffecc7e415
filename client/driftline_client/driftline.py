"""The findings of one Driftline, over its API."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, TypedDict, Unpack, cast
from urllib.parse import quote

import httpx

from driftline_client.answer_parts import HistoryItem
from driftline_client.answers import (
    Baseline,
    ConceptDrift,
    DataDrift,
    FeatureHistoryItem,
    Health,
    Incident,
    IncidentHistory,
    LatestMetrics,
    Model,
    Retraining,
    Segments,
    WindowItem,
)
from driftline_client.connection import Connection
from driftline_client.table import Table
from driftline_client.times import Time, rfc3339

TIMEOUT_S = 30.0


class Version(TypedDict, total=False):
    """Which model version is asked for. The API chooses the live version if none is named."""

    model: str  # required if more than one model is registered
    version: str


class Segment(Version, total=False):
    """The same, or a segment of it, such as ``carrier=UA``. The default is the whole."""

    segment: str


class Range(Segment, total=False):
    """The same, in a half-open range of event time."""

    start: Time | None
    end: Time | None


class Incidents(Range, total=False):
    """Which incidents are asked for: those that were open in the range, of these properties."""

    state: str  # open or resolved
    severity: str  # warning or critical
    kind: str  # data, prediction, performance, …
    subject: str  # such as data/distance


class Driftline:
    """Reads the API at ``url``. Everything raises ``DriftlineError``.

    Answers are dictionaries as the API writes them, with times as RFC 3339 texts. Lists are in
    order of event time, the oldest first.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Does not connect yet. ``transport`` replaces the network, for example in tests."""
        self._api = Connection(url, token, timeout_s, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. A request after that raises ``RuntimeError``."""
        self._api.close()

    def models(self) -> Table[Model]:
        """All registered model versions."""
        return self._table("/models", {})

    def health(self) -> Health:
        """How the workers of all roles fare, and counts of all records."""
        return cast("Health", self._api.get("/health"))

    def drift(self, feature: str, **asked: Unpack[Range]) -> Table[FeatureHistoryItem]:
        """One feature in all windows: its distance, its limits and the verdict."""
        return self._table("/drift/history", asked, feature=feature)

    def metrics(self, **asked: Unpack[Range]) -> Table[HistoryItem]:
        """The performance in all windows, provisional ones included."""
        return self._table("/metrics/history", asked)

    def windows(self, *, distributions: bool = False, **asked: Unpack[Range]) -> Table[WindowItem]:
        """All windows with all findings. ``distributions`` make up most of the answer."""
        return self._table("/windows", asked, distributions=distributions)

    def alerts(self, **asked: Unpack[Incidents]) -> Table[Incident]:
        """The incidents of one version in their current state, the one opened first first."""
        return self._table("/alerts", asked)

    def incidents(self, **asked: Unpack[Incidents]) -> Table[Incident]:
        """The same of all versions of a model."""
        return self._table("/incidents", asked)

    def incident(self, identity: str) -> IncidentHistory:
        """One incident with all of its transitions."""
        path = f"/incidents/{quote(identity, safe='')}"
        return cast("IncidentHistory", self._api.get(path))

    def data_drift(self, **asked: Unpack[Range]) -> DataDrift:
        """All features, with their distributions, in the newest window inside the range."""
        return cast("DataDrift", self._get("/drift/data", asked))

    def concept_drift(self, **asked: Unpack[Range]) -> ConceptDrift:
        """Scores, errors, expected and realised metrics in the newest window inside the range."""
        return cast("ConceptDrift", self._get("/drift/concept", asked))

    def baseline(self, **asked: Unpack[Version]) -> Baseline:
        """The performance on the reference."""
        return cast("Baseline", self._get("/metrics/baseline", asked))

    def latest_metrics(self, **asked: Unpack[Segment]) -> LatestMetrics:
        """The performance of the newest final window, and of a provisional one after it."""
        return cast("LatestMetrics", self._get("/metrics/latest", asked))

    def retraining(self, **asked: Unpack[Version]) -> Retraining:
        """The newest decision about retraining, with its reasons."""
        return cast("Retraining", self._get("/retraining/status", asked))

    def segments(self, **asked: Unpack[Version]) -> Segments:
        """The segments of a version, those with most incidents first."""
        return cast("Segments", self._get("/segments", asked))

    def _get(self, path: str, asked: object) -> Any:
        return self._api.get(path, **_parameters(asked))

    def _table(self, path: str, asked: object, **more: Any) -> Table[Any]:
        """The API lists the newest first."""
        return Table([*self._api.items(path, **_parameters(asked), **more)][::-1])


def _parameters(asked: object) -> dict[str, Any]:
    given = dict(cast("dict[str, Any]", asked))
    bounds = {name: rfc3339(given[name]) for name in ("start", "end") if given.get(name)}
    return {**given, **bounds}
