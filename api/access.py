"""Access to the API: with a bearer token; without tokens, only from this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.limits import RequestLimit
from api.problems import problem
from driftline.configuration.tokens import AccessToken, digest_of

READING = ("GET", "HEAD", "OPTIONS")


class AccessControl:
    """Checks each request before it is routed, also those for paths that do not exist.

    With tokens, a request carries one whose scope is `read`, or `write` for other methods than
    those that read, and that has not sent too many requests.

    Without tokens, the address that was connected to has to be a loopback address, and the header
    ``Host`` has to name this machine or ``host``. A web page whose domain was made to resolve to
    127.0.0.1 (DNS rebinding) sends its own domain as ``Host``.
    """

    def __init__(
        self, app: ASGIApp, tokens: Sequence[AccessToken], limit: RequestLimit, host: str
    ) -> None:
        self._app, self._tokens, self._limit = app, tokens, limit
        self._host = host.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        denied = self._denied(scope) if scope["type"] == "http" else None
        await (denied or self._app)(scope, receive, send)

    def _denied(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if self._tokens:
            return self._without_permission(scope["method"], headers)
        if not _is_local(scope):
            return _not_loopback()
        host = _hostname(headers.get("host", ""))
        return None if is_loopback(host) or host == self._host else _foreign_host(host)

    def _without_permission(self, method: str, headers: Headers) -> Response | None:
        token = self._token(headers)
        if token is None:
            return _no_token()
        scope = "read" if method in READING else "write"
        if scope not in token.scopes:
            return _missing_scope(scope)
        wait_s = self._limit.take(token.digest)
        return _too_many(wait_s) if wait_s else None

    def _token(self, headers: Headers) -> AccessToken | None:
        """Compares with all tokens, each in constant time."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        digest = digest_of(token.strip().encode("latin-1"))
        matching = [valid for valid in self._tokens if valid.matches(digest)]
        return matching[0] if matching and scheme.lower() == "bearer" else None


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(scope: Scope) -> bool:
    """Whether the address that was connected to is a loopback address or a Unix socket.

    Checked here as well as in the command, because uvicorn may be started with any address.
    """
    host = (scope.get("server") or (None,))[0]
    try:
        return host is None or ip_address(host).is_loopback
    except ValueError:  # not a network address
        return True


def _hostname(header: str) -> str:
    """The name or address in a ``Host`` header, in lower case; empty if it is invalid."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _no_token() -> Response:
    return problem(
        401,
        "a bearer token is required: send the header 'Authorization: Bearer TOKEN' with one of"
        " [api] tokens",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _missing_scope(scope: str) -> Response:
    return problem(
        403,
        f"this token has no scope {scope!r}: use one that `driftline token --scope {scope}` made",
    )


def _too_many(wait_s: float) -> Response:
    return problem(
        429,
        "too many requests with this token: wait, or raise [api] requests_per_minute",
        headers={"Retry-After": str(math.ceil(wait_s))},
    )


def _not_loopback() -> Response:
    return problem(
        403, "without [api] tokens only connections over loopback are answered: set a token"
    )


def _foreign_host(host: str) -> Response:
    return problem(
        403,
        f"the host {host!r} is not a name of this machine: use localhost, 127.0.0.1 or [api] host,"
        " or set [api] tokens",
    )
