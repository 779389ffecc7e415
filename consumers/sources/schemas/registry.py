"""A Schema Registry with the API of Confluent's: schemas by their ids, with all that they refer to.

A schema never changes, so each is asked for once. That an id is unknown is believed for some
seconds: the schema may be registered meanwhile, and a topic full of such records must not ask for
each of them.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import httpx

from driftline.configuration.schema_registry import SchemaRegistrySection
from driftline.errors import InvalidSettings, SchemaRegistryUnavailable

TIMEOUT_S = 5.0
UNKNOWN_S = 10.0  # that an unknown id is not asked for again
MOST_REFERENCES = 1_000
_MISSING_CODES = range(40400, 40500)  # Confluent's, of schemas, subjects and versions
_ACCEPT = {"accept": "application/vnd.schemaregistry.v1+json, application/json"}

SchemaId = int | UUID


@dataclass(frozen=True, slots=True)
class Schema:
    """``references``: the texts of other schemas by name, each after those that it refers to."""

    kind: str  # AVRO, PROTOBUF or JSON
    text: str
    references: Mapping[str, str]


class UnknownSchema(LookupError):
    """The registry does not have the schema."""


class Registry:
    """``transport`` replaces the network."""

    def __init__(
        self, section: SchemaRegistrySection, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.name = f"the Schema Registry at {_without_user(section.url or '')}"
        self._client = httpx.Client(
            base_url=f"{(section.url or '').rstrip('/')}/",
            auth=_credentials(section),
            headers=_ACCEPT | _token(section),
            verify=_trusted(section.ca),
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_keepalive_connections=0),  # it is asked too rarely
            transport=transport,
        )
        self._schemas: dict[SchemaId, Schema] = {}
        self._unknown_until_s: dict[SchemaId, float] = {}

    def schema(self, id_: SchemaId) -> Schema:
        """Raises ``UnknownSchema``, or ``SchemaRegistryUnavailable``."""
        found = self._schemas.get(id_)
        if found is None:
            if time.monotonic() < self._unknown_until_s.get(id_, 0.0):
                raise UnknownSchema
            found = self._schemas[id_] = self._asked(id_)
        return found

    def answers(self) -> bool:
        try:
            self._json("subjects", lambda _: False)
        except SchemaRegistryUnavailable:
            return False
        return True

    def _asked(self, id_: SchemaId) -> Schema:
        by_guid = isinstance(id_, UUID)
        path = f"schemas/guids/{id_}" if by_guid else f"schemas/ids/{id_}"
        try:
            # A registry that has no GUIDs does not know the path.
            found = self._json(path, lambda answer: by_guid or _is_missing(answer))
            return Schema(found.get("schemaType", "AVRO"), found["schema"], self._references(found))
        except UnknownSchema:
            self._unknown_until_s[id_] = time.monotonic() + UNKNOWN_S
            raise

    def _references(self, schema: Mapping[str, Any]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        found.update(self._below(schema, set()))
        return found

    def _below(
        self, schema: Mapping[str, Any], seen: set[tuple[str, int]]
    ) -> Iterator[tuple[str, str]]:
        """The names and texts of the schemas that a schema refers to, the deepest first."""
        for reference in schema.get("references") or ():
            subject, version = reference["subject"], int(reference["version"])
            if (subject, version) in seen:
                continue
            seen.add((subject, version))
            if len(seen) > MOST_REFERENCES:
                raise UnknownSchema
            path = f"subjects/{quote(subject, safe='')}/versions/{version}"
            other = self._json(path, _is_missing)
            yield from self._below(other, seen)
            yield reference["name"], other["schema"]

    def _json(self, path: str, is_missing: Callable[[httpx.Response], bool]) -> Any:
        """The answer. Raises ``UnknownSchema`` for 404 if ``is_missing``."""
        try:
            answer = self._client.get(path)
        except httpx.HTTPError as error:
            why = str(error) or type(error).__name__
            raise SchemaRegistryUnavailable(f"{self.name} does not answer: {why}") from None
        if answer.status_code == httpx.codes.NOT_FOUND and is_missing(answer):
            raise UnknownSchema
        return self._content(answer)

    def _content(self, answer: httpx.Response) -> Any:
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise SchemaRegistryUnavailable(
                f"{self.name} refuses the credentials ({answer.status_code}): check user, password"
                " and token in [schema_registry]"
            )
        try:
            return answer.raise_for_status().json()
        except (httpx.HTTPStatusError, ValueError):
            raise SchemaRegistryUnavailable(
                f"{self.name} answers {answer.status_code} and no schema: is schema_registry.url"
                " complete? That of Apicurio ends with /apis/ccompat/v7"
            ) from None


def registry_of(section: SchemaRegistrySection) -> Registry | None:
    """None if there is none."""
    return None if section.url is None else Registry(section)


def _is_missing(answer: httpx.Response) -> bool:
    """Whether 404 says that there is no such schema, and not that the address is wrong."""
    try:
        return answer.json().get("error_code") in _MISSING_CODES
    except (ValueError, AttributeError):
        return False


def _credentials(section: SchemaRegistrySection) -> tuple[str, str] | None:
    return None if section.user is None else (section.user, section.password or "")


def _token(section: SchemaRegistrySection) -> dict[str, str]:
    return {} if section.token is None else {"authorization": f"Bearer {section.token}"}


def _trusted(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise InvalidSettings(
            f"schema_registry.ca: {str(ca)!r} is no file of certificates: {error}"
        ) from None


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
