"""Answers that depend on their address and the findings alone.

Such an answer has an entity tag, and is not sent again to a client that has it (RFC 9110, section
13). The last ones are kept: people who watch the same model ask for the same addresses.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from hashlib import blake2b
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from api.dependencies import database
from api.queries import findings_state

MAX_KEPT_BYTES = 32 * 2**20
_RELEASE = version("driftline")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class KeptAnswers:
    """The bodies of answers by address, each with the tag of the findings that it was made of."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._bodies: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._left = max_bytes

    def get(self, address: str, tag: str) -> bytes | None:
        kept, body = self._bodies.get(address, ("", b""))
        if kept != tag:
            return None
        self._bodies.move_to_end(address)
        return body

    def add(self, address: str, tag: str, body: bytes) -> None:
        """The ones that were used least recently make room."""
        self._drop(address)
        self._bodies[address] = (tag, body)
        self._left -= len(body)
        while self._left < 0:
            self._drop(next(iter(self._bodies)))

    def _drop(self, address: str) -> None:
        self._left += len(self._bodies.pop(address, ("", b""))[1])


class ConditionalRoute(APIRoute):
    """A route with such answers.

    The entity tag names the state of all findings before they were read, so an answer is never
    older than its tag.
    """

    def get_route_handler(self) -> Handler:
        answer = super().get_route_handler()

        async def handler(request: Request) -> Response:
            tag, address = await run_in_threadpool(_tag, request), str(request.url)
            headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
            if _matches(request.headers.get("if-none-match"), tag):
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
            kept: KeptAnswers = request.app.state.kept
            body = kept.get(address, tag)
            if body is not None:
                return Response(body, headers=headers, media_type="application/json")
            response = await answer(request)
            if response.status_code == HTTPStatus.OK:
                response.headers.update(headers)
                kept.add(address, tag, bytes(response.body))
            return response

        return handler


def _tag(request: Request) -> str:
    with database(request).read() as connection:
        state = (*findings_state(connection), _RELEASE)
    return f'W/"{blake2b("/".join(state).encode(), digest_size=12).hexdigest()}"'


def _matches(header: str | None, tag: str) -> bool:
    given = [one.strip() for one in (header or "").split(",")]
    return "*" in given or tag in given or tag.removeprefix("W/") in given
