"""Where the API is, and the token it asks for: from the environment, else from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from driftline.settings import Settings

API, TOKEN = "DRIFTLINE_DASHBOARD__API", "DRIFTLINE_DASHBOARD__TOKEN"

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what listens on all addresses is here too


class ApiAddress(NamedTuple):
    address: str
    token: str | None


def reach(environment: Mapping[str, str], settings: Callable[[], Settings]) -> ApiAddress:
    """Settings are read only if the environment does not say it. They may raise."""
    token = environment.get(TOKEN)
    if address := environment.get(API):
        return ApiAddress(address, token)
    api = settings().api
    tokens = [known.get_secret_value() for known in api.tokens]
    host = _EVERYWHERE.get(api.host, api.host)
    address = f"http://{f'[{host}]' if ':' in host else host}:{api.port}"
    return ApiAddress(address, token or (tokens[0] if tokens else None))
