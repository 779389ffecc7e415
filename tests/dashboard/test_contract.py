"""The dashboard over the real API and a database."""

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
from tests.dashboard.fake import ADDRESS, FakeApi, boxes, charts, open_page, page_text

LOCALHOST = "http://localhost"
VERSION = ModelVersion("flight-delay", "1")
VIEWS = ("overview", "model", "drift", "alerts", "retraining")


class RealApi:
    """Passes requests of the client to the application, without a network."""

    def __init__(self, application):
        self._client = TestClient(application, LOCALHOST, raise_server_exceptions=False)

    def __call__(self, request):
        answer = self._client.get(request.url.raw_path.decode())
        return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def api(reader):
    return RealApi(create_app(reader, Settings(), clock_ms=lambda: NOW))


@pytest.fixture
def client(api):
    return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(api)))


def test_every_request_succeeds_before_the_first_window(feed, client):
    feed.models(registration())
    assert [model.model for model in client.models()] == ["flight-delay"]
    assert client.windows(VERSION, 60) == client.incidents(VERSION, "open") == []
    assert client.data_drift(VERSION).window is None
    assert client.concept_drift(VERSION).prediction is None
    assert client.latest_metrics(VERSION).metrics == {}
    assert client.retraining(VERSION).decision == "none"
    assert client.health().status == "no_data"
    assert client.baseline(VERSION).metrics


def test_client_reads_every_document_of_the_api(feed, client):
    feed.models(registration())
    feed(window(0), window(1, status="provisional"), alert(), decision(), heartbeat("detect"))
    assert [item.window.start.day for item in client.windows(VERSION, 60)] == [1, 2]
    (incident,) = client.incidents(VERSION, "open")
    assert client.incident(incident.id).transitions
    newest = client.windows(VERSION, 1)[0].window
    drift = client.data_drift(VERSION, newest.start, newest.end)
    assert drift.window is not None
    assert drift.window.start == newest.start
    assert client.health().roles[0].role == "detect"


@pytest.mark.parametrize("view", VIEWS)
def test_every_page_renders_over_the_real_api(feed, api, view):
    feed.models(registration())
    feed(window(0), window(1), alert(), decision(), heartbeat("detect"))
    app = open_page(view, api)
    assert "error" not in [kind for kind in boxes(app) if kind == "error" and view != "overview"]


def test_windows_have_no_distributions_but_a_single_window_has(feed, client):
    feed.models(registration())
    feed(window(0))
    assert [f.distribution for f in client.windows(VERSION, 1)[0].data.features] == [None, None]
    assert client.data_drift(VERSION).features[0].distribution is not None


def test_error_of_the_api_is_passed_on(feed, client):
    feed.models(registration())
    with pytest.raises(ApiProblem, match="there is no incident 'gone'"):
        client.incident("gone")
