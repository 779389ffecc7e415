"""Tokens for OAUTHBEARER from a function of the user's (``kafka.oauth_cb``)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from driftline.errors import InvalidSettings
from producers.kafka.errors import KafkaUnavailable

Token = tuple[str, float]  # and when it expires, seconds since 1970
Callback = Callable[[str], Token]


def oauth_callback(name: str) -> Callback:
    """``module:function``, for the client library. Raises ``InvalidSettings``.

    An error of the function is an outage: it is called again.
    """
    function = _function(name)

    def token(config: str) -> Token:
        try:
            return function(config)
        except Exception as error:  # the function is not ours
            raise KafkaUnavailable(
                f"kafka.oauth_cb {name} gave no token: {type(error).__name__}"
            ) from error

    return token


def _function(name: str) -> Callback:
    module, _, attribute = name.partition(":")
    try:
        found: Callback = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InvalidSettings(
            f"kafka.oauth_cb: {error}; expected a function that can be imported, as module:function"
        ) from None
    if not callable(found):
        raise InvalidSettings(f"kafka.oauth_cb: {name} is no function")
    return found
