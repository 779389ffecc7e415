"""Access to the API: with a bearer token; without tokens, only from this machine."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from api.events import StreamControl
from driftline.configuration.sections import ApiSection
from driftline.configuration.tokens import new_token
from driftline.settings import Settings

TOKENS = [SecretStr("open sesame"), SecretStr("zweites-Wörtchen")]


pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def guarded(reader):
    return TestClient(create_app(reader, Settings(api=ApiSection(tokens=TOKENS))))


def bearer(token: str) -> dict[str, bytes]:
    return {"Authorization": f"Bearer {token}".encode()}


@pytest.mark.parametrize(
    "path", ["/health", "/alerts", "/events", "/openapi.json", "/docs", "/nothing"]
)
def test_with_tokens_every_path_requires_a_token(guarded, path):
    answer = guarded.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "sesame" not in answer.text


@pytest.mark.parametrize("token", ["open sesame", "zweites-Wörtchen"])
def test_each_of_the_tokens_is_accepted(guarded, token):
    assert guarded.get("/health", headers=bearer(token)).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer open",
        "Bearer open sesame!",
        "Basic open sesame",
        "open sesame",
    ],
)
def test_invalid_authorization_header_is_rejected(guarded, header):
    assert guarded.get("/health", headers={"Authorization": header}).status_code == 401


def answered(section: ApiSection, reader, method: str, token: str) -> int:
    client = TestClient(create_app(reader, Settings(api=section)))
    return client.request(method, "/health", headers=bearer(token)).status_code


@pytest.mark.parametrize(
    ("scopes", "get", "post"),
    [(["read"], 200, 403), (["read", "write"], 200, 405), (["write"], 403, 405)],
)
def test_token_permits_what_its_scopes_say(reader, scopes, get, post):
    """The API has no route that writes: with the scope it is a method that is not supported."""
    token, setting = new_token(scopes)
    section = ApiSection(tokens=[setting])
    assert answered(section, reader, "GET", token) == get
    assert answered(section, reader, "HEAD", token) == get
    assert answered(section, reader, "POST", token) == post


def test_hash_of_a_token_is_no_token(reader):
    _, setting = new_token(["read"])
    section = ApiSection(tokens=[setting])
    assert answered(section, reader, "GET", setting) == 401
    assert answered(section, reader, "GET", setting.rpartition(":")[2]) == 401


def test_token_that_sends_too_many_requests_is_told_how_long_to_wait(reader):
    section = ApiSection(tokens=TOKENS, requests_per_minute=2)
    client = TestClient(create_app(reader, Settings(api=section)))
    answers = [client.get("/health", headers=bearer("open sesame")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
    assert client.get("/health", headers=bearer("zweites-Wörtchen")).status_code == 200
    assert client.get("/health", headers=bearer("guessed")).status_code == 401


def test_scheme_of_the_authorization_header_is_case_insensitive(guarded):
    answer = guarded.get("/health", headers={"Authorization": "bearer open sesame"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("server", "status"),
    [("127.0.0.1", 200), ("[::1]", 200), ("10.0.0.5", 403), ("[2001:db8::1]", 403)],
)
def test_without_tokens_only_connections_over_loopback_are_answered(reader, server, status):
    """Whatever address uvicorn was started with by hand."""
    client = TestClient(create_app(reader, Settings()), base_url=f"http://{server}:8000")
    assert client.get("/health").status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:8000", 200),
        ("127.8.8.8", 200),
        ("[::1]:8000", 200),
        ("driftline.internal:8000", 200),
        ("attacker.example", 403),
        ("attacker.example:8000", 403),
        ("localhost.attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("10.0.0.5:8000", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
@pytest.mark.parametrize("path", ["/alerts", "/events", "/docs", "/nothing"])
def test_without_tokens_the_host_header_must_name_this_machine(reader, host, status, path):
    """DNS rebinding: a web page whose domain resolves to 127.0.0.1 sends its own domain."""
    settings = Settings(api=ApiSection(host="driftline.internal"))
    streams = StreamControl(poll_s=0.01, close_after_s=0.0)
    app = create_app(reader, settings, streams=streams)
    answer = TestClient(app, base_url="http://127.0.0.1:8000").get(path, headers={"Host": host})
    if status == 403:
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert "is not a name of this machine" in answer.json()["detail"]
    else:
        assert answer.status_code != 403


def test_with_tokens_any_host_header_is_accepted(guarded):
    headers = {**bearer("open sesame"), "Host": "driftline.example"}
    assert guarded.get("/health", headers=headers).status_code == 200


def test_page_of_an_allowed_origin_may_read_the_api(reader):
    """The browser asks first, without the token of the request."""
    portal = "https://portal.example.com"
    section = ApiSection(tokens=TOKENS, cors_origins=[portal])
    client = TestClient(create_app(reader, Settings(api=section)))
    asks = {"Origin": portal, "Access-Control-Request-Method": "GET"}
    assert client.options("/alerts", headers=asks).headers["access-control-allow-origin"] == portal
    answer = client.get("/alerts", headers={"Origin": portal, **bearer("open sesame")})
    assert answer.headers["access-control-allow-origin"] == portal
    other = client.get("/alerts", headers={"Origin": "https://x.example", **bearer("open sesame")})
    assert "access-control-allow-origin" not in other.headers


def test_without_allowed_origins_there_are_no_cors_headers(guarded):
    answer = guarded.get("/alerts", headers={"Origin": "https://x.example"})
    assert "access-control-allow-origin" not in answer.headers
