"""Who may ask: with tokens, whoever brings one; without, whoever is on this machine."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem


class Access:
    """Refuses before anything else is looked at, also for paths that do not exist."""

    def __init__(self, app: ASGIApp, tokens: Sequence[str]) -> None:
        self._app, self._tokens = app, [token.encode() for token in tokens]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if not self._tokens:
            return None if _is_local(scope) else _elsewhere()
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._knows(given.strip()):
            return None
        return problem(
            401,
            "a bearer token is needed: send the header 'Authorization: Bearer TOKEN' with one of"
            " [api] tokens",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _knows(self, given: str) -> bool:
        """Compares with all of them, each in a time that does not tell how much was right."""
        matches = [hmac.compare_digest(given.encode("latin-1"), token) for token in self._tokens]
        return any(matches)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_local(scope: Scope) -> bool:
    """By the address that was connected to; a server without addresses (a socket file) is local.

    Whoever starts uvicorn by hand decides where it listens, and this is where it can be told.
    """
    host = (scope.get("server") or (None,))[0]
    try:
        return host is None or ip_address(host).is_loopback
    except ValueError:
        return True


def _elsewhere() -> Response:
    return problem(
        403, "without [api] tokens only connections over loopback are answered: set a token"
    )
