"""Tokens of the API: only a hash and the scopes are kept."""

from __future__ import annotations

import hashlib

import pytest

from driftline.configuration.tokens import AccessToken, digest_of, new_token
from driftline.errors import InvalidSettings
from driftline.settings import load_settings


def test_setting_of_a_new_token_holds_its_hash_and_scopes_and_not_the_token():
    token, setting = new_token(["write", "read"])
    assert setting == f"read+write:sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    assert token not in setting
    assert new_token(["read"])[0] != token


def test_new_token_has_256_random_bits():
    assert len(new_token(["read"])[0]) * 6 >= 256


def test_setting_is_read_back_with_the_scopes_it_was_made_with():
    token, setting = new_token(["read"])
    parsed = AccessToken.parse(setting)
    assert (parsed.matches(digest_of(token.encode())), parsed.scopes) == (True, {"read"})
    assert not parsed.matches(digest_of(setting.encode()))


def test_setting_that_is_a_token_itself_has_all_scopes():
    parsed = AccessToken.parse("open sesame")
    assert parsed.matches(digest_of(b"open sesame"))
    assert parsed.scopes == {"read", "write"}


@pytest.mark.parametrize(
    "setting",
    [
        "read:sha256:s3cret",
        f"admin:sha256:{'0' * 64}",
        f":sha256:{'0' * 64}",
        f"read:sha256:{'0' * 64}\n",
        f"read:sha256:{'A' * 64}",
    ],
)
def test_setting_that_is_no_valid_hash_is_refused_without_being_quoted(setting, monkeypatch):
    monkeypatch.setenv("DRIFTLINE_API__TOKENS", f"[{setting!r}]".replace("'", '"'))
    with pytest.raises(InvalidSettings, match="as `driftline token` prints it") as refused:
        load_settings()
    assert "setting 'api.tokens.0'" in str(refused.value)
    assert setting not in str(refused.value)
