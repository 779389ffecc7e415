"""An API over a database of the test's own, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.events import Pace
from consumers.database.database import Database
from driftline.settings import Settings
from tests.consumers.stored import NOW, Feed, address, database, feed, reader, registration

__all__ = ["address", "application", "client", "database", "feed", "reader", "watched"]


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """Streams of events close after what there is, so that a test can read them to their end."""
    pace = Pace(poll_s=0.01, comment_s=0.02, close_after_s=0.05)
    nowhere = Database.to_read("sqlite:////nowhere/at.all")
    return create_app(nowhere, Settings(), clock_ms=lambda: NOW, pace=pace)


@pytest.fixture
def client(application: FastAPI, reader: Database) -> Iterator[TestClient]:
    application.state.database = reader
    with TestClient(application, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def watched(feed: Feed) -> Feed:
    """A feed whose database knows one model."""
    feed.models(registration())
    return feed
