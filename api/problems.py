"""Everything that can go wrong, as RFC 9457 problem details."""

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

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field("about:blank", description="Always `about:blank`: the status says the kind.")
    title: str = Field(description="The name of the status.")
    status: int = Field(description="The HTTP status, again.")
    detail: str = Field(description="One sentence: what was wrong, and what was expected.")
    models: list[dict[str, str]] | None = Field(
        None, description="With 400 and 404: the models and versions that there are."
    )
    errors: list[dict[str, str]] | None = Field(
        None, description="With 422: each `parameter` that was wrong, and the `message` about it."
    )


class Refused(Exception):
    """A request that cannot be answered; ``members`` are added to the problem."""

    def __init__(self, status: int, detail: str, **members: Any) -> None:
        super().__init__(detail)
        self.status, self.detail, self.members = status, detail, members


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    title = HTTPStatus(status).phrase
    content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse({**content, **members}, status, headers, media_type=MEDIA_TYPE)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route declares the problems that it may answer with."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


_DESCRIPTIONS = {
    400: "Several models are watched and none was named; the answer lists them.",
    401: "A bearer token is missing or wrong.",
    403: "Without tokens, only connections over loopback are answered.",
    404: "There is no such model, version or incident, or no such page.",
    422: "A parameter is unknown or malformed; the answer names it.",
    500: "A fault of the API itself; its log has more.",
    503: "The database cannot be read now: absent, empty, locked or unreachable.",
}


def answer_with_problems(app: FastAPI) -> None:
    """Every error of ``app`` becomes a problem, also those of paths that do not exist."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DatabaseUnavailable, _unavailable)
    app.add_exception_handler(ForeignDatabase, _unavailable)
    app.add_exception_handler(Exception, _fault)


def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return problem(error.status, error.detail, **error.members)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = {
        404: f"there is no path {request.url.path!r}: see /docs for those that there are",
        405: f"{request.method} is not a method of {request.url.path!r}: only GET is",
    }.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {"parameter": str(e["loc"][1]), "message": _message(e)}
        for e in error.errors()
        if e["type"] != "none_required"  # what may be left out is not asked to be null
    ]
    first = errors[0]
    return problem(422, f"{first['parameter']!r}: {first['message']}", errors=errors)


def _message(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such parameter here"
    return str(error["msg"]).removeprefix("Value error, ")


def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    return problem(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)})


def _fault(request: Request, error: Exception) -> JSONResponse:
    log.error("%s failed: %s: %s", request.url.path, type(error).__name__, error)
    return problem(500, "the API failed at this; its log has more")
