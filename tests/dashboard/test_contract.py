"""The real API, over a database: what it answers is what the pages understand."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from dashboard.client import ApiProblem, Client, ModelVersion
from driftline.settings import Settings
from tests.consumers.stored import (
    NOW,
    address,
    alert,
    database,
    decision,
    feed,
    heartbeat,
    reader,
    registration,
    window,
)
from tests.dashboard.fake import ADDRESS, FakeApi, boxes, charts, said, shown

OF = ModelVersion("flight-delay", "1")
VIEWS = ("overview", "model", "drift", "alerts", "retraining")


class RealApi:
    """Carries a request of the client to the application, in place of a network."""

    def __init__(self, application):
        self._client = TestClient(application, raise_server_exceptions=False)

    def __call__(self, request):
        answer = self._client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def api(reader):
    return RealApi(create_app(reader, Settings(), clock_ms=lambda: NOW))


@pytest.fixture
def client(api):
    return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(api)))


def test_before_anything_happened_every_question_has_an_answer(feed, client):
    feed.models(registration())
    assert [model.model for model in client.models()] == ["flight-delay"]
    assert client.windows(OF, 60) == client.incidents(OF, "open") == []
    assert client.drift(OF).window is None
    assert client.concept(OF).prediction is None
    assert client.latest(OF).metrics == {}
    assert client.retraining(OF).decision == "none"
    assert client.health().status == "no_data"
    assert client.baseline(OF).metrics


def test_everything_that_was_found_is_understood(feed, client):
    feed.models(registration())
    feed(window(0), window(1, status="provisional"), alert(), decision(), heartbeat("detect"))
    assert [item.window.start.day for item in client.windows(OF, 60)] == [1, 2]
    (found,) = client.incidents(OF, "open")
    assert client.incident(found.id).transitions
    newest = client.windows(OF, 1)[0].window
    asked = (newest.start.isoformat(), newest.end.isoformat())
    drift = client.drift(OF, asked)
    assert drift.window is not None
    assert drift.window.start == newest.start
    assert client.health().roles[0].role == "detect"


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_stands_on_the_real_answers(feed, api, view):
    feed.models(registration())
    feed(window(0), window(1), alert(), decision(), heartbeat("detect"))
    app = shown(view, api)
    assert "error" not in [kind for kind in boxes(app) if kind == "error" and view != "overview"]


def test_a_window_comes_without_its_distributions_and_the_one_looked_at_with_them(feed, client):
    feed.models(registration())
    feed(window(0))
    assert [f.distribution for f in client.windows(OF, 1)[0].data.features] == [None, None]
    assert client.drift(OF).features[0].distribution is not None


def test_what_the_api_refuses_is_passed_on_in_its_words(feed, client):
    feed.models(registration())
    with pytest.raises(ApiProblem, match="there is no incident 'gone'"):
        client.incident("gone")
