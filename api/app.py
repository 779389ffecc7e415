"""Builds the application. No module-level state, so tests build their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware

from api import documentation
from api.access import AccessControl
from api.conditional import KeptAnswers
from api.events import StreamControl
from api.head import HeadAsGet
from api.health import required_roles
from api.limits import BodyLimit, RequestLimit
from api.openapi import install_openapi
from api.problems import install_problem_handlers
from api.routes import drift, health, incidents, metrics, models, retraining, segments
from api.security_headers import SecurityHeaders
from consumers.database.database import Database
from driftline.configuration.sections import ApiSection
from driftline.configuration.tokens import AccessToken
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
    app = FastAPI(
        title="Driftline",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would repeat the Host header that the client sent
    )
    app.state.database, app.state.clock_ms = database, clock_ms
    app.state.required_roles = required_roles(settings)
    app.state.kept = KeptAnswers()
    app.state.streams = streams or StreamControl(most=settings.api.max_streams)
    for routes in (documentation, health, models, incidents, metrics, drift, retraining, segments):
        app.include_router(routes.router)
    install_problem_handlers(app)
    _add_middleware(app, settings.api)
    install_openapi(app, tokens=bool(settings.api.tokens))
    return app


def _add_middleware(app: FastAPI, section: ApiSection) -> None:
    """The one that is added last comes first."""
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=1)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BodyLimit)
    app.add_middleware(
        AccessControl,
        tokens=[AccessToken.parse(token.get_secret_value()) for token in section.tokens],
        limit=RequestLimit(section.requests_per_minute),
        host=section.host,
    )
    if section.cors_origins:  # a browser asks for permission without a token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=section.cors_origins,
            allow_methods=["GET", "HEAD"],
            allow_headers=["Authorization", "If-None-Match", "Last-Event-ID"],
            expose_headers=["ETag"],
        )
    app.add_middleware(SecurityHeaders)
