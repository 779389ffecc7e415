"""Dependencies of the routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from api.parameters import ModelQuery, QueryParameters, SegmentQuery
from api.problems import RequestProblem
from api.queries import model_keys
from consumers.database.database import Database
from monitor.identity import Key, segment_pairs

JSON = "application/json"


def database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


# Asynchronous, because FastAPI runs any other dependency in a thread of its own.
async def _request(request: Request) -> Request:
    return request


async def _now_ms(request: Request) -> int:
    return int(request.app.state.clock_ms())


async def _required_roles(request: Request) -> tuple[str, ...]:
    return cast("tuple[str, ...]", request.app.state.required_roles)


# One transaction for the whole request. FastAPI passes the request; ``in_snapshot`` and
# ``conditional`` open the transaction in the thread in which the route runs.
Snapshot = Annotated[Connection, Depends(_request)]
NowMs = Annotated[int, Depends(_now_ms)]
RequiredRoles = Annotated[tuple[str, ...], Depends(_required_roles)]
NoParameters = Annotated[QueryParameters, Query()]


def in_snapshot(endpoint: Callable[..., BaseModel | Response]) -> Callable[..., Response]:
    """A route whose ``connection`` is a ``Snapshot``: read, and made into bytes, in one thread."""

    @wraps(endpoint)
    def answer(connection: Request, **parameters: Any) -> Response:
        with database(connection).read() as snapshot:
            found = endpoint(snapshot, **parameters)
        return (
            found
            if isinstance(found, Response)
            else Response(found.model_dump_json(), media_type=JSON)
        )

    return answer


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
