"""Builds the application from what it reads. No module-level state, so tests build their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import FastAPI

from api.access import Access
from api.events import Pace
from api.openapi import describe
from api.problems import answer_with_problems
from api.routes import drift, health, incidents, metrics, models, retraining
from consumers.database.database import Database
from driftline.settings import Settings

ABOUT = """What Driftline found: windows of event time, each compared with its model's reference.

Times are RFC 3339 with an offset, ranges half-open, windows in event time. Errors are problem
details (RFC 9457). Fields are only ever added. Numbers that are undefined are null.
"""


def create_app(
    database: Database,
    settings: Settings,
    *,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    pace: Pace | None = None,
) -> FastAPI:
    """``database`` was opened to read; it may still be absent, and is asked anew each time."""
    app = FastAPI(title="Driftline", version="1", description=ABOUT)
    app.state.database, app.state.clock_ms = database, clock_ms
    app.state.pace = Pace() if pace is None else pace
    for routes in (health, models, incidents, metrics, drift, retraining):
        app.include_router(routes.router)
    answer_with_problems(app)
    tokens = [token.get_secret_value() for token in settings.api.tokens]
    app.add_middleware(Access, tokens=tokens)
    describe(app, tokens=bool(tokens))
    return app
