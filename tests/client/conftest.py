"""The client over the real API and a database, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from driftline_client import Driftline
from fastapi.testclient import TestClient

from tests.api.conftest import LOCALHOST, application, client, watched
from tests.consumers.stored import Feed, database, feed, reader, window

__all__ = ["address", "application", "client", "database", "feed", "reader", "watched"]


class InMemory(httpx.BaseTransport):
    """Hands requests to the application, and remembers them."""

    def __init__(self, application: TestClient) -> None:
        self._application, self.requests = application, list[httpx.Request]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._application.get(request.url.raw_path.decode(), headers=request.headers)
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'driftline.db'}"


@pytest.fixture
def transport(client: TestClient) -> InMemory:
    return InMemory(client)


@pytest.fixture
def driftline(transport: InMemory) -> Iterator[Driftline]:
    with Driftline(LOCALHOST, transport=transport) as opened:
        yield opened


@pytest.fixture
def three_days(watched: Feed) -> Feed:
    watched(*(window(day) for day in range(3)))
    return watched
