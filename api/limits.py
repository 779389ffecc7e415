"""Limits on requests: how many a token may send, and how large the body of one may be."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem

MAX_BODY_BYTES = 65_536  # no route reads one


class RequestLimit:
    """So many requests a minute for each token, at most as many at once (a token bucket)."""

    def __init__(self, per_minute: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._per_minute, self._clock_s = per_minute, clock_s
        self._left: dict[bytes, tuple[float, float]] = {}  # at a time, by hash of the token

    def take(self, token: bytes) -> float:
        """Seconds to wait before the token may send a request; 0: it may send this one."""
        now_s = self._clock_s()
        left, at_s = self._left.get(token, (float(self._per_minute), now_s))
        left = min(self._per_minute, left + (now_s - at_s) * self._per_minute / 60)
        allowed = left >= 1
        self._left[token] = (left - allowed, now_s)
        return 0.0 if allowed else (1 - left) * 60 / self._per_minute


class BodyLimit:
    """Refuses a request with a large body, or one whose length is not told, before it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _has_large_body(Headers(scope=scope)):
            detail = f"a request has a body of at most {MAX_BODY_BYTES:,} bytes, with its length"
            answer = problem(413, detail, headers={"Connection": "close"})
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _has_large_body(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    is_small = len(length) < 10 and length.isdecimal() and int(length) <= MAX_BODY_BYTES
    return not is_small or "transfer-encoding" in headers
