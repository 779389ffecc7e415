"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from consumers.database.database import DatabaseUnavailable, ForeignDatabase
from driftline.logs import without_secrets

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always `about:blank`; see `status`.")
    title: str = Field(description="The name of the HTTP status.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="One sentence: what was wrong, and what was expected.")
    models: list[dict[str, str]] | None = Field(
        None, description="With 400 and 404: the registered models and versions."
    )
    errors: list[dict[str, str]] | None = Field(
        None, description="With 422: each invalid `parameter`, and a `message` about it."
    )


class RequestProblem(Exception):
    """A request that cannot be answered; ``members`` are added to the problem details."""

    def __init__(self, status: int, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.members = status, detail, members


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    title, detail = HTTPStatus(status).phrase, without_secrets(detail)
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse({**content, **members}, status, headers, media_type=MEDIA_TYPE)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for its OpenAPI description."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


_DESCRIPTIONS = {
    400: "Several models are registered, and the request selects none; the answer lists them.",
    401: "The bearer token is missing or wrong.",
    403: "The token has no scope for this method. Without tokens: the request does not come over"
    " loopback to a name of this machine.",
    404: "There is no such model, version, incident or page.",
    422: "A parameter is unknown or invalid; the answer names it.",
    429: "The token has sent too many requests; `Retry-After` says how long to wait.",
    500: "Internal error; see the log of the API.",
    503: "The database cannot be read: it is missing, empty, locked or unreachable.",
}


def install_problem_handlers(app: FastAPI) -> None:
    """All errors of ``app`` become problem details, also for paths that do not exist."""
    app.add_exception_handler(RequestProblem, _request_problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid_parameters)
    app.add_exception_handler(DatabaseUnavailable, _unavailable)
    app.add_exception_handler(ForeignDatabase, _unavailable)
    app.add_exception_handler(Exception, _internal_error)


def _request_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestProblem)
    return problem(error.status, error.detail, **error.members)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = {
        404: f"there is no path {request.scope['path']!r}: /docs lists all paths",
        405: f"{request.scope['path']!r} does not support {request.method}, only GET and HEAD",
    }.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


def _invalid_parameters(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"parameter": str(e["loc"][1]), "message": _message(e)}
        for e in error.errors()
        if e["type"] != "none_required"  # an omittable parameter: null is not an alternative
    ]
    first = errors[0]
    return problem(422, f"{first['parameter']!r}: {first['message']}", errors=errors)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such parameter here"
    return str(error["msg"]).removeprefix("Value error, ")


def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    return problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)})


def _internal_error(request: Request, error: Exception) -> JSONResponse:
    log.error("%s failed: %s: %s", request.scope["path"], type(error).__name__, error)
    return problem(500, "internal error: see the log of the API")
