"""Tokens of the API: made at random, kept as SHA-256 hashes, each with its scopes.

A setting is ``SCOPES:sha256:HEX`` with the scopes joined by ``+``, or a token as it is, which has
all scopes. A token of ``new_token`` has 256 random bits, so its hash needs no salt and no slow
function: nobody can try them out.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from driftline.configuration.secrets import SecretToken

SCOPES = ("read", "write")
_HASHED = re.compile(r"(?P<scopes>[^:]*):sha256:(?P<digest>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AccessToken:
    digest: bytes  # SHA-256 of the token
    scopes: frozenset[str]

    @classmethod
    def parse(cls, setting: str) -> AccessToken:
        """Raises ``ValueError``, whose message does not contain the setting."""
        found = _HASHED.fullmatch(setting)
        if found is None:
            return cls(digest_of(setting.encode()), frozenset(SCOPES))
        scopes = frozenset(found["scopes"].split("+"))
        if not scopes <= set(SCOPES) or re.fullmatch("[0-9a-f]{64}", found["digest"]) is None:
            raise ValueError(
                "expected SCOPES:sha256:HEX, with scopes `read`, `write` or `read+write` and 64"
                " hexadecimal digits, as `driftline token` prints it"
            )
        return cls(bytes.fromhex(found["digest"]), scopes)

    def matches(self, digest: bytes) -> bool:
        """In constant time."""
        return hmac.compare_digest(self.digest, digest)


def digest_of(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def is_hashed(setting: str) -> bool:
    return _HASHED.fullmatch(setting) is not None


def new_token(scopes: Collection[str]) -> tuple[str, str]:
    """A random token, and its setting."""
    token = secrets.token_urlsafe(32)
    named = "+".join(scope for scope in SCOPES if scope in scopes)
    return token, f"{named}:sha256:{digest_of(token.encode()).hex()}"


def _checked(setting: SecretStr) -> SecretStr:
    AccessToken.parse(setting.get_secret_value())
    return setting


ApiToken = Annotated[SecretToken, AfterValidator(_checked)]
