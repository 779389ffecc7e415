"""The address of the API and its token, from the environment or from the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from driftline.configuration.tokens import is_hashed
from driftline.settings import Settings

API_VARIABLE, TOKEN_VARIABLE = "DRIFTLINE_DASHBOARD__API", "DRIFTLINE_DASHBOARD__TOKEN"

# A server that listens on all addresses is reached on the loopback address.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class ApiAddress(NamedTuple):
    address: str
    token: str | None


def resolve_api_address(
    environment: Mapping[str, str], load_settings: Callable[[], Settings]
) -> ApiAddress:
    """The environment takes precedence; settings are only loaded without it, and may raise."""
    token = environment.get(TOKEN_VARIABLE)
    if address := environment.get(API_VARIABLE):
        return ApiAddress(address, token)
    api = load_settings().api
    settings = [configured.get_secret_value() for configured in api.tokens]
    tokens = [setting for setting in settings if not is_hashed(setting)]
    host = _LOOPBACK.get(api.host, api.host)
    scheme = "http" if api.tls_certificate is None else "https"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{api.port}"
    return ApiAddress(address, token or (tokens[0] if tokens else None))
