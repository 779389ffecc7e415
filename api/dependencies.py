"""Dependencies of the routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from sqlalchemy import Connection

from api.answers.models import preference
from api.parameters import QueryParameters
from api.problems import RequestProblem
from api.queries import ModelVersion, model_versions
from consumers.database.database import Database


def database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


def _snapshot(request: Request) -> Iterator[Connection]:
    with database(request).read() as connection:
        yield connection


def _now_ms(request: Request) -> int:
    return int(request.app.state.clock_ms())


Snapshot = Annotated[Connection, Depends(_snapshot)]  # one transaction for the whole request
NowMs = Annotated[int, Depends(_now_ms)]
NoParameters = Annotated[QueryParameters, Query()]


def select_version(
    connection: Connection, model: str | None, version: str | None
) -> ModelVersion | None:
    """The requested model version; None if none is registered and none was requested.

    Raises ``RequestProblem``: 400 if several models are registered and none was requested, 404 if
    the requested one is not registered.
    """
    rows = sorted(model_versions(connection), key=lambda row: preference(row.state))
    registered = [ModelVersion(row.model, row.version) for row in rows]
    if model is None and version is None and not registered:
        return None
    if model is None and len({candidate.model for candidate in registered}) > 1:
        detail = "several models are registered: select one with `model`"
        raise _problem(400, detail, registered)
    for candidate in registered:
        if model in (None, candidate.model) and version in (None, candidate.version):
            return candidate
    raise _problem(404, f"{_requested(model, version)} is not registered", registered)


def _problem(status: int, detail: str, registered: list[ModelVersion]) -> RequestProblem:
    return RequestProblem(status, detail, models=[version._asdict() for version in registered])


def _requested(model: str | None, version: str | None) -> str:
    names = [f"{name} {text!r}" for name, text in (("model", model), ("version", version)) if text]
    return ", ".join(names)
