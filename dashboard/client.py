"""HTTP client of the API. The only module with httpx; every failure is an ``ApiProblem``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, cast
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from api.answers import (
    Baseline,
    ConceptDrift,
    DataDrift,
    Health,
    Incident,
    IncidentHistory,
    LatestMetrics,
    Model,
    Page,
    Retraining,
    Segments,
    WindowItem,
)
from api.answers.models import preference
from dashboard.window_parameter import rfc3339
from driftline.errors import Trouble

T = TypeVar("T", bound=BaseModel)

TIMEOUT_S, CONNECT_TIMEOUT_S = 10.0, 3.0
KNOWN_ANSWERS = 50
PAGE_LIMIT = 500  # the most items that the API returns at once
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class ApiProblem(Trouble):
    """Why a request failed, in a sentence that names the remedy."""


class ModelVersion(NamedTuple):
    """The model version of a request, or a segment of it."""

    model: str
    version: str
    segment: str = ""  # the whole

    @property
    def whole(self) -> ModelVersion:
        return self._replace(segment="")

    @property
    def parameters(self) -> dict[str, str]:
        """Of an address."""
        return {name: value for name, value in self._asdict().items() if value}


def connect(address: str, token: str | None = None, timeout_s: float = TIMEOUT_S) -> Client:
    """Does not connect yet. An address of this machine is never requested through a proxy."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    direct = {f"all://{host}": None for host in LOCAL_HOSTS}
    timeout = httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S)
    return Client(httpx.Client(base_url=address, headers=headers, timeout=timeout, mounts=direct))


class Known(NamedTuple):
    """An answer that the API does not send again until it has changed."""

    tag: str
    answer: BaseModel


@dataclass(frozen=True, slots=True)
class Client:
    """One method per request. All of them raise ``ApiProblem`` and nothing else."""

    http: httpx.Client
    known: dict[str, Known] = field(default_factory=dict)  # by address, the newest last

    def models(self) -> list[Model]:
        """All model versions: live ones first, retired ones last, the last registered first."""
        found = self._get("/models", Page[Model], limit=PAGE_LIMIT).items
        return sorted(found, key=lambda model: preference(model.state))

    def health(self) -> Health:
        return self._get("/health", Health)

    def windows(self, version: ModelVersion, limit: int) -> list[WindowItem]:
        """The newest ``limit`` windows, oldest first, without distributions."""
        return self._windows(version, limit)

    def windows_inside(
        self, version: ModelVersion, start: datetime, end: datetime
    ) -> list[WindowItem]:
        """The newest windows that lie inside ``[start, end]``, oldest first, at most 500."""
        return self._windows(version, PAGE_LIMIT, start=rfc3339(start), end=rfc3339(end))

    def baseline(self, version: ModelVersion) -> Baseline:
        return self._get("/metrics/baseline", Baseline, **version.whole.parameters)

    def latest_metrics(self, version: ModelVersion) -> LatestMetrics:
        return self._get("/metrics/latest", LatestMetrics, **version.parameters)

    def data_drift(
        self, version: ModelVersion, start: datetime | None = None, end: datetime | None = None
    ) -> DataDrift:
        """The newest window inside ``[start, end]``; by default the newest of all."""
        bounds = {name: rfc3339(at) for name, at in (("start", start), ("end", end)) if at}
        return self._get("/drift/data", DataDrift, **version.parameters, **bounds)

    def concept_drift(self, version: ModelVersion) -> ConceptDrift:
        """The newest window."""
        return self._get("/drift/concept", ConceptDrift, **version.parameters)

    def incidents(
        self, version: ModelVersion, state: str, limit: int = PAGE_LIMIT
    ) -> list[Incident]:
        """The last opened first."""
        parameters = {**version.parameters, "state": state, "limit": limit}
        return self._get("/alerts", Page[Incident], **parameters).items

    def incident(self, identity: str) -> IncidentHistory:
        return self._get(f"/incidents/{quote(identity, safe='')}", IncidentHistory)

    def retraining(self, version: ModelVersion) -> Retraining:
        return self._get("/retraining/status", Retraining, **version.whole.parameters)

    def segments(self, version: ModelVersion) -> Segments:
        """Those with most incidents first."""
        return self._get("/segments", Segments, **version.whole.parameters)

    def every(self, path: str, item: type[T], **parameters: Any) -> Iterator[T]:
        """The items of all pages of a list, in its order."""
        cursor: str | None = ""
        while cursor is not None:
            following = {"cursor": cursor} if cursor else {}
            asked = {**parameters, "limit": PAGE_LIMIT, **following}
            found = self._get(path, Page[item], **asked)  # type: ignore[valid-type]
            yield from found.items
            cursor = found.next

    def _windows(self, version: ModelVersion, limit: int, **bounds: str) -> list[WindowItem]:
        parameters = {**version.parameters, "limit": limit, "distributions": False, **bounds}
        return self._get("/windows", Page[WindowItem], **parameters).items[::-1]

    def _get(self, path: str, answer: type[T], **parameters: Any) -> T:
        request = self.http.build_request("GET", path, params=parameters)
        known = self.known.get(str(request.url))
        if known is not None:
            request.headers["If-None-Match"] = known.tag
        response = self._response(request)
        if known is not None and response.status_code == httpx.codes.NOT_MODIFIED:
            return cast("T", known.answer)
        if response.status_code != httpx.codes.OK:
            raise ApiProblem(_error_message(response))
        parsed = self._parse(response, answer)
        if tag := response.headers.get("ETag"):
            self._keep(str(request.url), Known(tag, parsed))
        return parsed

    def _keep(self, address: str, known: Known) -> None:
        self.known.pop(address, None)
        self.known[address] = known
        while len(self.known) > KNOWN_ANSWERS:
            self.known.pop(next(iter(self.known)), None)

    def _response(self, request: httpx.Request) -> httpx.Response:
        try:
            return self.http.send(request)
        except httpx.TimeoutException as error:
            raise ApiProblem(f"The API at {self._address} did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiProblem(
                f"The API at {self._address} is not reachable. Start it with `driftline api`, or"
                " set `DRIFTLINE_DASHBOARD__API` to its address."
            ) from error

    def _parse(self, response: httpx.Response, answer: type[T]) -> T:
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise ApiProblem(
                f"The answer from {self._address} cannot be read. Check that it is Driftline's API"
                " and has the same version as this dashboard."
            ) from error

    @property
    def _address(self) -> str:
        return str(self.http.base_url).rstrip("/")


def _error_message(response: httpx.Response) -> str:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            "The API requires a token. Set `DRIFTLINE_DASHBOARD__TOKEN` to one of `[api] tokens`"
            " (a dashboard has to be restarted then)."
        )
    detail = _problem_detail(response) or f"status {response.status_code}"
    return f"The API returned an error: {detail}."


def _problem_detail(response: httpx.Response) -> str | None:
    """The detail of a problem document (RFC 9457)."""
    try:
        problem = json.loads(response.content)
    except ValueError:
        return None
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return str(detail).rstrip(".") if detail else None
