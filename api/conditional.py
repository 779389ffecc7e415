"""Answers that depend on their address and the findings alone.

Such an answer has an entity tag, and is not sent again to a client that has it (RFC 9110, section
13). The last ones are kept: people who watch the same model ask for the same addresses.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import wraps
from hashlib import blake2b
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from api.answers import Page
from api.dependencies import JSON, database
from api.parameters import TableQuery
from api.table import Format, table_response

MAX_KEPT_BYTES = 32 * 2**20
_RELEASE = version("driftline")


class KeptAnswers:
    """The bodies of answers by address, each with the tag of the findings that it was made of."""

    def __init__(self, max_bytes: int = MAX_KEPT_BYTES) -> None:
        self._bodies: OrderedDict[str, tuple[str, bytes]] = OrderedDict()
        self._left = max_bytes
        self._lock = threading.Lock()  # each request is answered in a thread

    def get(self, address: str, tag: str) -> bytes | None:
        with self._lock:
            kept, body = self._bodies.get(address, ("", b""))
            if kept != tag:
                return None
            self._bodies.move_to_end(address)
            return body

    def add(self, address: str, tag: str, body: bytes) -> None:
        """The ones that were used least recently make room."""
        with self._lock:
            self._drop(address)
            self._bodies[address] = (tag, body)
            self._left -= len(body)
            while self._left < 0:
                self._drop(next(iter(self._bodies)))

    def _drop(self, address: str) -> None:
        self._left += len(self._bodies.pop(address, ("", b""))[1])


def conditional(endpoint: Callable[..., BaseModel]) -> Callable[..., Response]:
    """A route with such answers; ``connection`` of ``endpoint`` is a ``Snapshot``.

    Tag and answer are made in one thread, of one snapshot of the database.
    """

    @wraps(endpoint)
    def answer(connection: Request, **parameters: Any) -> Response:
        request = connection
        with database(request).read_with_meta() as (snapshot, meta):
            tag = _tag(meta)
            headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
            if _matches(request.headers.get("if-none-match"), tag):
                return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
            kept: KeptAnswers = request.app.state.kept
            body = kept.get(_address(request), tag)
            if body is None:
                found = endpoint(snapshot, **parameters)
                if (table_format := _table_format(parameters)) is not None:
                    return _table(found, table_format, request, headers)
                body = found.model_dump_json().encode()
                kept.add(_address(request), tag, body)
        return Response(body, headers=headers, media_type=JSON)

    return answer


def _table_format(parameters: Mapping[str, Any]) -> Format | None:
    query = parameters.get("query")
    return query.format if isinstance(query, TableQuery) and query.format != "json" else None


def _table(
    found: BaseModel, table_format: Format, request: Request, headers: Mapping[str, str]
) -> Response:
    assert isinstance(found, Page)
    response = table_response(found.items, found.next, table_format, _address(request))
    response.headers.update(headers)
    return response


def _tag(meta: Mapping[str, str]) -> str:
    """Names the state of all findings. Heartbeats are no findings."""
    state = f"{meta.get('changes')}/{meta.get('instance')}/{_RELEASE}"
    return f'W/"{blake2b(state.encode(), digest_size=12).hexdigest()}"'


def _matches(header: str | None, tag: str) -> bool:
    given = [one.strip() for one in (header or "").split(",")]
    return "*" in given or tag in given or tag.removeprefix("W/") in given


def _address(request: Request) -> str:
    """Of the scope: ``request.url`` raises for bytes that are no UTF-8."""
    query: bytes = request.scope["query_string"]
    return f"{request.scope['path']}?{query.decode('latin-1')}"
