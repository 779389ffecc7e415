"""Builds the application. No module-level state, so tests build their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from api.access import AccessControl
from api.conditional import KeptAnswers
from api.events import StreamControl
from api.head import HeadAsGet
from api.openapi import install_openapi
from api.problems import install_problem_handlers
from api.routes import drift, health, incidents, metrics, models, retraining
from consumers.database.database import Database
from driftline.settings import Settings

DESCRIPTION = """Findings of Driftline: windows of event time, compared with the reference of their
model.

Times are RFC 3339 with an offset; ranges are half-open. Errors are problem details (RFC 9457).
Undefined numbers are null. Later releases may add fields, but never remove or rename them.
"""


def create_app(
    database: Database,
    settings: Settings,
    *,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    streams: StreamControl | None = None,
) -> FastAPI:
    """``database`` is opened for reading. It may not exist yet: each request tries again."""
    app = FastAPI(title="Driftline", version="1", description=DESCRIPTION)
    app.state.database, app.state.clock_ms = database, clock_ms
    app.state.kept = KeptAnswers()
    app.state.streams = StreamControl() if streams is None else streams
    for routes in (health, models, incidents, metrics, drift, retraining):
        app.include_router(routes.router)
    install_problem_handlers(app)
    tokens = [token.get_secret_value() for token in settings.api.tokens]
    app.add_middleware(HeadAsGet)
    app.add_middleware(AccessControl, tokens=tokens, host=settings.api.host)
    if settings.api.cors_origins:  # outermost: a browser asks for permission without a token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.api.cors_origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag"],
        )
    install_openapi(app, tokens=bool(tokens))
    return app
