"""Secret values: read from files, and recognized so that logs can hide them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr

FILE_PREFIX = "file:"  # of a value that is the path of a file with the actual value

_SECRET_NAME = re.compile("password|secret|[.]pem|token|oauthbearer.config|jaas")


def value_or_file_content(value: object) -> object:
    """For ``file:PATH`` the content of that file without surrounding whitespace.

    Any other value is returned as it is. Raises ``ValueError`` if the file cannot be used.
    """
    if not isinstance(value, str) or not value.startswith(FILE_PREFIX):
        return value
    path = value.removeprefix(FILE_PREFIX)
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the file {path!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path!r} is not UTF-8 text") from None
    if not text:
        raise ValueError(f"the file {path!r} is empty")
    return text


Secret = Annotated[str, BeforeValidator(value_or_file_content)]
SecretToken = Annotated[SecretStr, Field(min_length=1), BeforeValidator(value_or_file_content)]


def client_secrets(properties: Mapping[str, str]) -> Iterator[str]:
    """The values of those librdkafka properties whose name marks a secret."""
    yield from (value for name, value in properties.items() if _SECRET_NAME.search(name))


def url_secrets(url: str) -> Iterator[str]:
    """The password of a database URL, as it is written and decoded."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return
    if password:
        yield from (password, unquote(password))
