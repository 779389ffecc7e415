"""Who is answered: with tokens, whoever brings one; without, whoever is on this machine."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from api.app import create_app
from driftline.configuration.sections import ApiSection
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
def test_with_tokens_every_call_needs_one(guarded, path):
    answer = guarded.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "sesame" not in answer.text


@pytest.mark.parametrize("token", ["open sesame", "zweites-Wörtchen"])
def test_any_of_the_tokens_will_do(guarded, token):
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
def test_anything_else_will_not(guarded, header):
    assert guarded.get("/health", headers={"Authorization": header}).status_code == 401


def test_the_scheme_may_be_written_in_any_case(guarded):
    answer = guarded.get("/health", headers={"Authorization": "bearer open sesame"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("server", "status"),
    [("127.0.0.1", 200), ("[::1]", 200), ("10.0.0.5", 403), ("[2001:db8::1]", 403)],
)
def test_without_tokens_only_loopback_is_answered_however_it_was_started(reader, server, status):
    client = TestClient(create_app(reader, Settings()), base_url=f"http://{server}:8000")
    assert client.get("/health").status_code == status
