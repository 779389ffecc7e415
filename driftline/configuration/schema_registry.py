"""The section ``[schema_registry]``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from driftline.configuration.secrets import Secret
from driftline.configuration.sections import Section


class SchemaRegistrySection(Section):
    """The Schema Registry of `[[sources]]` in Avro or Protobuf, with the API of Confluent's."""

    url: Secret | None = Field(
        default=None,
        repr=False,
        description="Its address; that of Apicurio ends with `/apis/ccompat/v7`.",
    )
    user: Secret | None = Field(default=None, description="User, or key of an API.")
    password: Secret | None = Field(
        default=None, repr=False, description="Password, or secret of an API."
    )
    token: Secret | None = Field(default=None, repr=False, description="Bearer token.")
    ca: Path | None = Field(
        default=None, description="File of the certificates that are trusted, if it is private."
    )
