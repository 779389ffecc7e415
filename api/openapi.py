"""What FastAPI does not say by itself: the schema of problems, and who may be refused."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import Problem, refusals

EVERYWHERE = (500, 503)


def describe(app: FastAPI, *, tokens: bool) -> None:
    """From now on ``app`` has this OpenAPI document, made when it is first asked for."""
    app.openapi = cache(partial(_document, app, tokens))  # type: ignore[method-assign]


def _document(app: FastAPI, tokens: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})[Problem.__name__] = Problem.model_json_schema()
    if tokens:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
    everywhere = refusals(401 if tokens else 403, *EVERYWHERE)
    for operation in _operations(document):
        operation["responses"].update({str(status): said for status, said in everywhere.items()})
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]
