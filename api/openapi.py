"""Adds to FastAPI's OpenAPI document: the schema of problems, common errors, authentication."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.problems import Problem, problem_responses


def install_openapi(app: FastAPI, *, tokens: bool) -> None:
    """``app`` serves this OpenAPI document, generated on the first request."""
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
    common = problem_responses(*([401, 403, 429] if tokens else [403]), 500, 503)
    for operation in _operations(document):
        operation["responses"].update({str(status): text for status, text in common.items()})
    return document


def _operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in document["paths"].values() for operation in path.values()]
