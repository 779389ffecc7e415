"""The client of the API: every failure is an ``ApiProblem`` that names the remedy."""

import httpx
import pytest

from dashboard.client import ApiProblem, Client, ModelVersion, connect
from tests.dashboard.documents import health, incident, model, window
from tests.dashboard.fake import ADDRESS, FakeApi

VERSION = ModelVersion("flight-delay", "1")


def client(handler):
    return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(handler)))


def failing(error):
    def handler(request):
        raise error(request=request)

    return client(handler)


def answering(status, **response):
    return client(lambda _: httpx.Response(status, **response))


def problem_of(client):
    with pytest.raises(ApiProblem) as caught:
        client.models()
    return str(caught.value)


def test_windows_are_returned_oldest_first_and_without_distributions():
    api = FakeApi(model())
    api.windows["flight-delay"] = [window(1), window(2), window(3)]
    windows = client(api).windows(VERSION, limit=2)
    assert [item.window.start.day for item in windows] == [2, 3]
    assert api.requests[-1][1]["distributions"] == "false"


def test_answer_that_has_not_changed_is_not_sent_again():
    tags, sent = ['"a"', '"a"', '"b"', '"b"'], list[str | None]()

    def handler(request):
        tag, known = tags[len(sent)], request.headers.get("If-None-Match")
        sent.append(known)
        if known == tag:
            return httpx.Response(304, headers={"ETag": tag})
        page = {"items": [model(tag.strip(chr(34)))], "next": None}
        return httpx.Response(200, headers={"ETag": tag}, json=page)

    asked = client(handler)
    assert [asked.models()[0].model for _ in tags] == ["a", "a", "b", "b"]
    assert sent == [None, '"a"', '"a"', '"b"']


def test_received_records_are_read():
    api = FakeApi(model())
    api.health = health(predictions={**health()["predictions"], "received": 905})
    assert client(api).health().predictions.received == 905


def test_id_of_an_incident_is_quoted_in_the_path():
    paths = []

    def handler(request):
        paths.append(request.url.raw_path)
        return httpx.Response(200, json={**incident("a/b?c"), "transitions": []})

    assert client(handler).incident("a/b?c").id == "a/b?c"
    assert paths == [b"/incidents/a%2Fb%3Fc"]


def test_unreachable_api_is_reported_with_address_and_command():
    problem = problem_of(failing(lambda request: httpx.ConnectError("refused", request=request)))
    assert f"at {ADDRESS} is not reachable. Start it with `driftline api`" in problem
    assert "DRIFTLINE_DASHBOARD__API" in problem


def test_timeout_is_not_reported_as_unreachable():
    problem = problem_of(failing(lambda request: httpx.ReadTimeout("slow", request=request)))
    assert "did not answer in time" in problem


@pytest.mark.parametrize("status", [401, 403])
def test_missing_token_is_reported_with_its_variable(status):
    assert "DRIFTLINE_DASHBOARD__TOKEN" in problem_of(answering(status, json={"detail": "no"}))


def test_detail_of_a_problem_is_passed_on():
    problem = problem_of(answering(503, json={"detail": "driftline.db is empty: start the store"}))
    assert problem == "The API returned an error: driftline.db is empty: start the store."


@pytest.mark.parametrize("response", [{"text": "Bad gateway"}, {"json": ["detail"]}, {"json": {}}])
def test_error_without_detail_is_reported_with_its_status(response):
    assert problem_of(answering(502, **response)) == "The API returned an error: status 502."


@pytest.mark.parametrize("response", [{"text": "<html>"}, {"json": {"items": [{"model": 1}]}}])
def test_answer_of_another_server_is_reported(response):
    assert "Check that it is Driftline's API" in problem_of(answering(200, **response))


def test_token_is_sent_only_if_there_is_one():
    http = connect(ADDRESS, "s3cret").http
    assert http.headers["Authorization"] == "Bearer s3cret"
    assert "Authorization" not in connect(ADDRESS).http.headers


def test_local_addresses_bypass_the_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    mounts = connect("http://127.0.0.1:8000").http._mounts
    direct = {str(pattern.pattern) for pattern, transport in mounts.items() if transport is None}
    assert {"all://127.0.0.1", "all://localhost"} <= direct


def test_invalid_address_is_reported_as_unreachable():
    assert "is not reachable" in problem_of(connect("nonsense"))
