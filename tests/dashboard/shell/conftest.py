"""A fake API, and commands of the shell over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

import driftline.__main__
from dashboard.client import Client
from tests.dashboard import documents
from tests.dashboard.fake import ADDRESS, FakeApi


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """Two models, of which the first has a window."""
    fake = FakeApi(documents.model(), documents.model("loans"))
    fake.windows["flight-delay"] = [documents.window(1)]
    client = Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(fake)))
    monkeypatch.setattr("dashboard.shell.reading.client", lambda *_: client)
    return fake


@pytest.fixture
def run(api: FakeApi) -> Callable[..., Any]:  # noqa: ARG001 - the commands read it
    return lambda *words: CliRunner().invoke(driftline.__main__.main, words)
