"""Requests of the API over HTTP; every failure is a ``DriftlineError``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from driftline_client.errors import DriftlineError

CONNECT_TIMEOUT_S = 3.0
PAGE_LIMIT = 500  # the most items that the API returns at once
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class Connection:
    """Does not connect before the first request.

    An address of this machine is never requested through a proxy.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        timeout_s: float,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._http = httpx.Client(
            base_url=self._url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            transport=transport,
            mounts={f"all://{host}": None for host in LOCAL_HOSTS} if transport is None else None,
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """The document of an answer. Parameters that are None are left out."""
        given = {name: value for name, value in parameters.items() if value is not None}
        response = self._response(path, given)
        document = _document(response)
        if response.status_code != httpx.codes.OK:
            raise DriftlineError(self._sentence(response, document), response.status_code)
        if document is None:
            raise DriftlineError(f"{self._url} did not answer with JSON: is it Driftline's API?")
        return document

    def items(self, path: str, **parameters: Any) -> Iterator[Any]:
        """The items of all pages of a list, in its order."""
        cursor: str | None = None
        while True:
            page = self.get(path, **parameters, limit=PAGE_LIMIT, cursor=cursor)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def _response(self, path: str, parameters: Mapping[str, Any]) -> httpx.Response:
        try:
            return self._http.get(path, params=parameters)
        except httpx.TimeoutException as error:
            raise DriftlineError(f"The API at {self._url} did not answer in time.") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise DriftlineError(
                f"The API at {self._url} is not reachable ({error}): is `driftline api` running"
                " there?"
            ) from error

    def _sentence(self, response: httpx.Response, document: Any) -> str:
        """The detail of a problem document (RFC 9457), with the models that may be asked for."""
        problem = document if isinstance(document, dict) else {}
        detail = problem.get("detail") or f"{self._url} answered with {response.status_code}"
        known = [f"{one['model']} {one['version']}" for one in problem.get("models") or ()]
        return f"{detail} (registered: {', '.join(known)})" if known else str(detail)


def _document(response: httpx.Response) -> Any:
    """None if it is no JSON."""
    try:
        return response.json()
    except ValueError:
        return None
