"""A Schema Registry in memory, behind the real HTTP client."""

from __future__ import annotations

import json
from typing import Any

import httpx

from consumers.sources.schemas.registry import Registry
from driftline.configuration.schema_registry import SchemaRegistrySection

GUID = "89791762-2336-4186-9674-299b90a802e2"  # of the schema 1


class FakeRegistry:
    """``asked`` remembers the requests, ``away`` makes it refuse connections."""

    def __init__(self) -> None:
        self.schemas: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.away = False
        self.status = 200

    def register(
        self, schema: object, kind: str = "AVRO", references: tuple[tuple[str, int], ...] = ()
    ) -> int:
        """Its id. ``references``: the names of schemas, and their ids."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        names = [{"name": n, "subject": str(i), "version": 1} for n, i in references]
        kinds = {} if kind == "AVRO" else {"schemaType": kind}  # Confluent leaves Avro out
        self.schemas.append({"schema": text, "references": names, **kinds})
        return len(self.schemas)

    def client(self, **section: Any) -> Registry:
        url = section.pop("url", "https://registry.example/api")
        transport = httpx.MockTransport(self._answer)
        return Registry(SchemaRegistrySection(url=url, **section), transport)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        path = request.url.path.removeprefix("/api/")
        self.asked.append(path)
        self.authorization = request.headers.get("authorization")
        if self.status != 200:
            return httpx.Response(self.status, text="<html>")
        return self._found(path)

    def _found(self, path: str) -> httpx.Response:
        if path == "subjects":
            return httpx.Response(200, json=[])
        path = path.replace(f"schemas/guids/{GUID}", "schemas/ids/1")
        number = path.removeprefix("schemas/ids/").removeprefix("subjects/").split("/")[0]
        if number.isdecimal() and 1 <= int(number) <= len(self.schemas):
            return httpx.Response(200, json=self.schemas[int(number) - 1])
        return httpx.Response(404, json={"error_code": 40403, "message": "Schema not found"})


def framed(id_: int, data: bytes) -> bytes:
    return b"\0" + id_.to_bytes(4) + data
