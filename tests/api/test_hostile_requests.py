"""Requests that no client in its right mind sends: each gets an answer, never an error of ours.

They are given to the application as a server gives them, so that no client library mends them.
``test_schemathesis.py`` asks what the OpenAPI document allows.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from urllib.parse import quote

import pytest

from api.app import create_app
from api.events import StreamControl
from driftline.settings import Settings
from tests.api.test_openapi import PATHS
from tests.consumers.stored import NOW, alert, decision, heartbeat, version_state, window

PART = 25_000
REQUESTS = [
    pytest.param(range(200), id="200"),
    *(  # 100,000, in parts that can be run beside each other
        pytest.param(range(first, first + PART), id=f"from {first}", marks=pytest.mark.long)
        for first in range(0, 4 * PART, PART)
    ),
]
WITHIN_S = 10.0

METHODS = (
    ["GET"] * 12 + ["HEAD"] * 3 + ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "G\0T"]
)
OTHER_PATHS = [
    "/",
    "",
    "//",
    "/docs",
    "/openapi.json",
    "/../../etc/passwd",
    "/health/",
    "/%2e%2e/x",
]
PARAMETERS = [
    *(
        "model",
        "version",
        "segment",
        "start",
        "end",
        "limit",
        "cursor",
        "order",
        "feature",
        "state",
    ),
    *("kind", "subject", "status", "severity", "metric", "after", "since", "n", "", "model[]"),
]
VALUES = [
    *(
        "",
        "flight-delay",
        "1",
        "0",
        "-1",
        "1e9",
        "9" * 30,
        "NaN",
        "null",
        "true",
        "\x00",
        "ü",
        "\ud800",
    ),
    *("2013-04-01T00:00:00Z", "2013-04-01", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    *(
        "2013-04-01T00:00:00+99:99",
        "' or 1=1 --",
        "%",
        "_",
        "../..",
        "a" * 5_000,
        "x=1&y=2",
        "{{7*7}}",
    ),
    *(
        "2013-04-02T00:00:00Z",
        "-9223372036854775808",
        "9223372036854775807",
        "open",
        "data",
        "desc",
    ),
]
HEADERS = [
    *("host", "origin", "range", "accept", "accept-encoding", "authorization", "if-none-match"),
    *("last-event-id", "content-type", "content-length", "transfer-encoding", "x-forwarded-for"),
    *("cookie", "if-modified-since", "access-control-request-method", "x-http-method-override"),
]
HEADER_VALUES = [
    *(b"", b"localhost", b"evil.example", b"bytes=0-99999999", b"*", b"W/", b'"', b'W/"x", *'),
    *(b"Bearer ", b"Basic QQ==", b"application/json", b"-1", b"chunked", b"\xff\xfe", b"a" * 9_000),
    *(b"text/event-stream", b"1", b"gzip;q=0", b"2013-04-01T00:00:00Z", b"deadbeef"),
]
BODIES = [b"", b"{}", b"\xff" * 100, b"[" * 10_000, b"a=1&b=2"]


@pytest.fixture
def application(watched, reader):
    """With findings of every kind in the database. Event streams end by themselves."""
    watched(window(), alert(), decision(), heartbeat("detect"), version_state("1", "live"))
    streams = StreamControl(poll_s=0.01, comment_s=0.02, close_after_s=0.02)
    return create_app(reader, Settings(), clock_ms=lambda: NOW, streams=streams)


def hostile(rng: random.Random) -> tuple[dict[str, Any], bytes]:
    """A request as ASGI describes it, and its body."""
    path = rng.choice([*PATHS * 2, *OTHER_PATHS]).replace("{id}", rng.choice(VALUES))
    if rng.random() < 0.1:
        at = rng.randrange(len(path) + 1)
        path = path[:at] + rng.choice(["\x00", "/", "?", "#", "ü", "%", "\n", " "]) + path[at:]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": rng.choice(["1.0", "1.1", "2"]),
        "method": rng.choice(METHODS),
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="replace"),
        "root_path": "",
        "query_string": _query(rng),
        "headers": _headers(rng),
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8_000),
    }
    return scope, rng.choice(BODIES)


def _query(rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return rng.choice(
            [b"\xff\xfe", b"&&&", b"=", b"%zz", b"a" * 20_000, b"model=%00", b"?" * 9]
        )
    pairs = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 6])):
        value = rng.choice(VALUES).encode(errors="surrogatepass")
        written = quote(value) if rng.random() < 0.9 else value.decode("latin-1")
        pairs.append(f"{rng.choice(PARAMETERS)}={written}")
    if rng.random() < 0.7:  # most paths need it
        pairs.append("model=flight-delay")
    return "&".join(pairs).encode(errors="replace")


def _headers(rng: random.Random) -> list[tuple[bytes, bytes]]:
    found = [(b"host", b"localhost")] if rng.random() < 0.9 else []
    names = rng.choices(HEADERS, k=rng.choice([0, 0, 1, 2, 5]))
    return [*found, *((name.encode(), rng.choice(HEADER_VALUES)) for name in names)]


async def answer(app: Any, scope: dict[str, Any], body: bytes) -> int:
    """The status. Raises what the application raises."""
    sent, left = list[dict[str, Any]](), [{"type": "http.request", "body": body}]
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop()
        await gone.wait()  # the client stays until it has its answer
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), WITHIN_S)
    assert sent[0]["type"] == "http.response.start", scope
    return int(sent[0]["status"])


@pytest.mark.parametrize("requests", REQUESTS)
def test_hostile_requests_get_an_answer_that_is_no_error_of_the_server(application, requests):
    async def ask() -> Counter[int]:
        found = Counter[int]()
        for number in requests:
            scope, body = hostile(random.Random(number))
            status = await answer(application, scope, body)
            assert status < 500, (number, status, scope)
            found[status] += 1
        return found

    statuses = asyncio.run(ask())
    print(f"{len(requests):,} hostile requests, by status: {dict(sorted(statuses.items()))}")  # noqa: T201 - `make guarantee` keeps it
    assert statuses.total() == len(requests)
    assert statuses[200] > len(requests) / 30  # the others show nothing about what answers
    assert statuses[400] + statuses[422] > len(requests) / 20
