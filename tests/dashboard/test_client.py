"""The client: every failure becomes one kind of error, with a sentence that says what to do."""

import httpx
import pytest

from dashboard.client import ApiProblem, Client, ModelVersion, connect
from tests.dashboard.fake import ADDRESS, FakeApi, health, incident, model, window

OF = ModelVersion("flight-delay", "1")


def client(handler):
    return Client(httpx.Client(base_url=ADDRESS, transport=httpx.MockTransport(handler)))


def failing(error):
    def handler(request):
        raise error(request=request)

    return client(handler)


def answering(status, **response):
    return client(lambda _: httpx.Response(status, **response))


def problem_of(asked):
    with pytest.raises(ApiProblem) as caught:
        asked.models()
    return str(caught.value)


def test_windows_come_oldest_first_and_without_distributions():
    api = FakeApi(model())
    api.windows["flight-delay"] = [window(1), window(2), window(3)]
    found = client(api).windows(OF, limit=2)
    assert [item.window.start.day for item in found] == [2, 3]
    assert api.asked[-1][1]["distributions"] == "false"


def test_what_became_of_records_is_read_under_the_name_that_it_is_written_with():
    api = FakeApi(model())
    api.health = health(predictions={**health()["predictions"], "received": 905})
    assert client(api).health().predictions.received == 905


def test_an_incident_is_asked_for_by_its_id_whatever_is_in_it():
    asked = []

    def handler(request):
        asked.append(request.url.raw_path)
        return httpx.Response(200, json={**incident("a/b?c"), "transitions": []})

    assert client(handler).incident("a/b?c").id == "a/b?c"
    assert asked == [b"/incidents/a%2Fb%3Fc"]


def test_nobody_there_says_where_and_what_to_start():
    said = problem_of(failing(lambda request: httpx.ConnectError("refused", request=request)))
    assert f"does not answer at {ADDRESS}. Start it with `driftline api`" in said
    assert "DRIFTLINE_DASHBOARD__API" in said


def test_too_slow_is_not_called_absent():
    said = problem_of(failing(lambda request: httpx.ReadTimeout("slow", request=request)))
    assert "takes too long to answer" in said


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_token_says_which_variable_to_set(status):
    assert "DRIFTLINE_DASHBOARD__TOKEN" in problem_of(answering(status, json={"detail": "no"}))


def test_what_the_api_says_is_wrong_is_passed_on():
    said = problem_of(answering(503, json={"detail": "driftline.db is empty: start the store"}))
    assert said == "The API has no answer: driftline.db is empty: start the store."


@pytest.mark.parametrize("response", [{"text": "Bad gateway"}, {"json": ["detail"]}, {"json": {}}])
def test_a_refusal_without_words_tells_its_status(response):
    assert problem_of(answering(502, **response)) == "The API has no answer: status 502."


@pytest.mark.parametrize("response", [{"text": "<html>"}, {"json": {"items": [{"model": 1}]}}])
def test_somebody_else_at_that_address_is_noticed(response):
    assert "is it Driftline's API" in problem_of(answering(200, **response))


def test_the_token_is_sent():
    http = connect(ADDRESS, "s3cret").http
    assert http.headers["Authorization"] == "Bearer s3cret"
    assert "Authorization" not in connect(ADDRESS).http.headers


def test_this_machine_is_never_asked_for_through_a_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    mounts = connect("http://127.0.0.1:8000").http._mounts
    direct = {str(pattern.pattern) for pattern, transport in mounts.items() if transport is None}
    assert {"all://127.0.0.1", "all://localhost"} <= direct


def test_an_address_that_is_none_is_a_problem_and_no_crash():
    assert "does not answer at" in problem_of(connect("nonsense"))
