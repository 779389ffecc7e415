"""An API with a database of the test and a fixed clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.events import StreamControl
from consumers.database.database import Database
from driftline.settings import Settings
from tests.consumers.stored import NOW, Feed, address, database, feed, reader, registration

LOCALHOST = "http://localhost"

__all__ = ["address", "application", "client", "database", "feed", "reader", "watched"]


@pytest.fixture(scope="session")
def application() -> FastAPI:
    """Event streams end after the existing events, so that a test can read all of them."""
    streams = StreamControl(poll_s=0.01, comment_s=0.02, close_after_s=0.05)
    missing = Database.to_read("sqlite:////nowhere/at.all")
    return create_app(missing, Settings(), clock_ms=lambda: NOW, streams=streams)


@pytest.fixture
def client(application: FastAPI, reader: Database) -> Iterator[TestClient]:
    application.state.database = reader
    with TestClient(application, LOCALHOST, raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def watched(feed: Feed) -> Feed:
    """A feed for a database with one registered model."""
    feed.models(registration())
    return feed
