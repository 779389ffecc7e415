"""What a route may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, cast

from fastapi import Depends, Query, Request
from sqlalchemy import Connection

from api.parameters import Parameters
from api.problems import Refused
from api.queries import Version, registered
from consumers.database.database import Database


def database(request: Request) -> Database:
    return cast("Database", request.app.state.database)


def _reading(request: Request) -> Iterator[Connection]:
    with database(request).read() as connection:
        yield connection


def _now_ms(request: Request) -> int:
    return int(request.app.state.clock_ms())


Reading = Annotated[Connection, Depends(_reading)]  # one snapshot for the whole request
NowMs = Annotated[int, Depends(_now_ms)]
Nothing = Annotated[Parameters, Query()]


def choose(connection: Connection, model: str | None, version: str | None) -> Version | None:
    """The model version that is meant; None while none is registered and none was named.

    Raises ``Refused``: 400 if several models are registered and none was named, 404 for unknown.
    """
    known = [Version(row.model, row.version) for row in registered(connection)]
    if model is None and version is None and not known:
        return None
    names = {of.model for of in known}
    if model is None and len(names) > 1:
        raise _refused(400, "several models are watched: name one with `model`", known)
    fitting = [of for of in known if model in (None, of.model) and version in (None, of.version)]
    if not fitting:
        raise _refused(404, f"there is no {_named(model, version)}", known)
    return fitting[0]


def _refused(status: int, detail: str, known: list[Version]) -> Refused:
    return Refused(status, detail, models=[of._asdict() for of in known])


def _named(model: str | None, version: str | None) -> str:
    named = [f"{word} {text!r}" for word, text in (("model", model), ("version", version)) if text]
    return " with ".join(named)
