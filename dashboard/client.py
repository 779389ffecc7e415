"""The API, asked over HTTP. The only module with httpx; what fails is an ``ApiProblem``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from api.answers import (
    Baseline,
    ConceptDrift,
    DataDrift,
    Incident,
    IncidentHistory,
    LatestMetrics,
    Model,
    Page,
    Retraining,
    WindowItem,
)
from api.health import Health, Records

T = TypeVar("T", bound=BaseModel)

TIMEOUT = httpx.Timeout(10.0, connect=3.0)
MOST = 500  # items that the API gives at once
LOCAL = ("127.0.0.1", "localhost", "[::1]")


class ApiProblem(Exception):
    """Why there is no answer, in a sentence that says what to do about it."""


class ModelVersion(NamedTuple):
    """The model version that is asked about."""

    model: str
    version: str


class _Counted(Records):
    """As it is written, where ``in`` is a name."""

    received: int


class _Health(Health):
    predictions: _Counted
    labels: _Counted


def connect(address: str, token: str | None = None) -> Client:
    """Does not connect yet. An address on this machine is never asked for through a proxy."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    direct = {f"all://{host}": None for host in LOCAL}
    return Client(httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT, mounts=direct))


@dataclass(frozen=True, slots=True)
class Client:
    """One question for each method. All of them raise ``ApiProblem`` and nothing else."""

    http: httpx.Client

    def models(self) -> list[Model]:
        """The one registered last first."""
        return self._ask("/models", Page[Model], limit=MOST).items

    def health(self) -> Health:
        return self._ask("/health", _Health)

    def windows(self, of: ModelVersion, limit: int) -> list[WindowItem]:
        """The newest ``limit`` windows, oldest first, without distributions."""
        asked = {**of._asdict(), "limit": limit, "distributions": False}
        found = self._ask("/windows", Page[WindowItem], **asked)
        return found.items[::-1]

    def baseline(self, of: ModelVersion) -> Baseline:
        return self._ask("/metrics/baseline", Baseline, **of._asdict())

    def latest(self, of: ModelVersion) -> LatestMetrics:
        return self._ask("/metrics/latest", LatestMetrics, **of._asdict())

    def drift(self, of: ModelVersion, window: tuple[str, str] | None = None) -> DataDrift:
        """Of the window from one time to another; by default the newest."""
        span = dict(zip(("start", "end"), window, strict=True)) if window else {}
        return self._ask("/drift/data", DataDrift, **of._asdict(), **span)

    def concept(self, of: ModelVersion) -> ConceptDrift:
        """Of the newest window."""
        return self._ask("/drift/concept", ConceptDrift, **of._asdict())

    def incidents(self, of: ModelVersion, state: str, limit: int = MOST) -> list[Incident]:
        """Opened last first."""
        asked = {**of._asdict(), "state": state, "limit": limit}
        return self._ask("/alerts", Page[Incident], **asked).items

    def incident(self, identity: str) -> IncidentHistory:
        return self._ask(f"/incidents/{quote(identity, safe='')}", IncidentHistory)

    def retraining(self, of: ModelVersion) -> Retraining:
        return self._ask("/retraining/status", Retraining, **of._asdict())

    def _ask(self, path: str, shape: type[T], **parameters: Any) -> T:
        try:
            response = self.http.get(path, params=parameters)
        except httpx.TimeoutException as error:
            raise ApiProblem(f"The API at {self._place} takes too long to answer.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ApiProblem(
                f"The API does not answer at {self._place}. Start it with `driftline api`, or set"
                " `DRIFTLINE_DASHBOARD__API` to its address."
            ) from error
        if response.status_code != httpx.codes.OK:
            raise ApiProblem(_refusal(response))
        return self._read(response, shape)

    def _read(self, response: httpx.Response, shape: type[T]) -> T:
        try:
            return shape.model_validate_json(response.content)
        except ValidationError as error:
            raise ApiProblem(
                f"What answers at {self._place} is not understood: is it Driftline's API, and of"
                " the same version as this dashboard?"
            ) from error

    @property
    def _place(self) -> str:
        return str(self.http.base_url).rstrip("/")


def _refusal(response: httpx.Response) -> str:
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return (
            "The API asks for a token: set `DRIFTLINE_DASHBOARD__TOKEN` to one of `[api] tokens`"
            " and start the dashboard again."
        )
    said = _detail(response) or f"status {response.status_code}"
    return f"The API has no answer: {said}."


def _detail(response: httpx.Response) -> str | None:
    """What problem details (RFC 9457) say."""
    try:
        problem = json.loads(response.content)
    except ValueError:
        return None
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return str(detail).rstrip(".") if detail else None
