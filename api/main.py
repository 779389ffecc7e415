"""``uvicorn api.main:app``: the application, built from the settings on first access."""

from __future__ import annotations

from functools import cache
from typing import Any

from fastapi import FastAPI

from api.app import create_app
from consumers.database.database import Database
from driftline.settings import load_settings


@cache
def _app() -> FastAPI:
    settings = load_settings()
    return create_app(Database.to_read(settings.store.url), settings)


def __getattr__(name: str) -> Any:
    """Only the access to ``app`` reads the settings, not the import of this module."""
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
