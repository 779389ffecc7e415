"""What a request, a token and a stream may not exceed, and the headers of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.events import EventStream, StreamControl
from api.limits import MAX_BODY_BYTES, RequestLimit
from tests.consumers.stored import window


@given(gaps_s=st.lists(st.floats(0, 30), max_size=60), per_minute=st.integers(1, 20))
def test_token_sends_at_most_its_requests_a_minute_beyond_those_it_had_left(gaps_s, per_minute):
    now_s = 0.0
    limit = RequestLimit(per_minute, clock_s=lambda: now_s)
    allowed_at = []
    for gap_s in gaps_s:
        now_s += gap_s
        if not limit.take(b"token"):
            allowed_at.append(now_s)
    for i, first_s in enumerate(allowed_at):
        for count, last_s in enumerate(allowed_at[i:], start=1):
            assert count <= per_minute + (last_s - first_s) * per_minute / 60 + 1e-6


def test_token_may_send_again_after_the_time_it_was_told():
    now_s = 0.0
    limit = RequestLimit(2, clock_s=lambda: now_s)
    assert [limit.take(b"one") for _ in range(3)] == [0, 0, 30]
    assert limit.take(b"another") == 0
    now_s = 29.0
    assert limit.take(b"one") == pytest.approx(1)
    now_s = 30.5
    assert limit.take(b"one") == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": str(MAX_BODY_BYTES + 1)},
        {"Content-Length": "9" * 5_000},
        {"Content-Length": "-1"},
        {"Transfer-Encoding": "chunked"},
    ],
)
def test_large_body_is_refused_before_it_is_read(client, headers):
    answer = client.request("GET", "/alerts", headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert "at most 65,536 bytes" in answer.json()["detail"]


def test_body_of_the_allowed_size_is_ignored(client, watched):
    watched(window())
    answer = client.request("GET", "/windows", content=b"x" * MAX_BODY_BYTES)
    assert answer.status_code == 200


def test_streams_beyond_the_limit_are_refused_until_one_has_ended():
    control = StreamControl(most=1)
    assert asyncio.run(_statuses(control)) == [200, 503, 200]
    assert control.open == 0


async def _statuses(control: StreamControl) -> list[int]:
    """Of a stream, of another one while it is open, and of one after its end."""
    statuses: list[int] = []

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive():
        await asyncio.sleep(60)

    async def one() -> AsyncIterator[str]:
        await EventStream(none(), control)({"type": "http", "asgi": {}}, receive, send)
        yield ""

    async def none() -> AsyncIterator[str]:
        yield ""

    scope = {"type": "http", "asgi": {}}
    await EventStream(one(), control)(scope, receive, send)
    await EventStream(none(), control)(scope, receive, send)
    return statuses


@pytest.mark.parametrize("path", ["/windows", "/health", "/docs", "/nothing", "/alerts?limit=0"])
def test_every_answer_tells_browsers_what_not_to_do_with_it(client, watched, path):
    watched(window())
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_denied_request_has_the_same_headers(client):
    answer = client.get("/alerts", headers={"Host": "attacker.example"})
    assert (answer.status_code, answer.headers["x-frame-options"]) == (403, "DENY")


def test_large_answers_are_compressed_for_clients_that_accept_it(client, watched):
    watched(window())
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    packed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (
        None,
        "gzip",
    )
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 3
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
