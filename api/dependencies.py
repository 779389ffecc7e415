"""Dependencies of the routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from sqlalchemy import Connection

from api.parameters import ModelQuery, QueryParameters, SegmentQuery
from api.problems import RequestProblem
from api.queries import model_keys
from consumers.database.database import Database
from monitor.identity import Key, segment_pairs


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


def select_key(connection: Connection, query: ModelQuery) -> Key | None:
    """The requested segment of a model version, by default the whole.

    None if no version is registered and none was requested.

    Raises ``RequestProblem``: 400 if several models are registered and none was requested, 404 if
    the requested one is not registered, or if the segment has a text that no segment has.
    """
    model, version, segment = query.model, query.version, _segment(query)
    registered = [Key(row.model, row.version, segment) for row in model_keys(connection)]
    if model is None and version is None and not registered:
        return None
    if model is None and len({candidate.model for candidate in registered}) > 1:
        detail = "several models are registered: select one with `model`"
        raise _problem(400, detail, registered)
    for candidate in registered:
        if model in (None, candidate.model) and version in (None, candidate.version):
            return candidate
    raise _problem(404, f"{_requested(model, version)} is not registered", registered)


def _segment(query: ModelQuery) -> str:
    segment = query.segment if isinstance(query, SegmentQuery) else ""
    try:
        segment_pairs(segment)
    except ValueError as error:
        raise RequestProblem(404, str(error)) from error
    return segment


def _problem(status: int, detail: str, registered: list[Key]) -> RequestProblem:
    models = [{"model": key.model, "version": key.version} for key in registered]
    return RequestProblem(status, detail, models=models)


def _requested(model: str | None, version: str | None) -> str:
    names = [f"{name} {text!r}" for name, text in (("model", model), ("version", version)) if text]
    return ", ".join(names)
