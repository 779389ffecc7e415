"""Records with the id of their schema as documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from consumers.messages.records import Record
from consumers.sources.documents import Decode, decode_json
from consumers.sources.schemas.registry import Registry, Schema, SchemaId, UnknownSchema
from consumers.sources.schemas.wire_format import Framed, unframed
from driftline.errors import InvalidSettings
from producers.contract.records import Undecodable

Read = Callable[[Framed], Any]  # raises ``Undecodable``

_KINDS = {"avro": "AVRO", "protobuf": "PROTOBUF"}  # the registry's names


def schema_decoder(format_: str, registry: Registry | None) -> Decode:
    """The decoder raises ``Undecodable``, and ``SchemaRegistryUnavailable``.

    Raises ``InvalidSettings`` if the format needs what is not installed.
    """
    if format_ == "json-schema":
        return _json_with_schema
    if registry is None:
        raise InvalidSettings(f"{format_} needs a Schema Registry: set schema_registry.url")
    reader_of, indexed = _reader_of(format_), format_ == "protobuf"
    readers = _Readers(registry, _KINDS[format_], reader_of)

    def decode(value: bytes | None, record: Callable[[], Record]) -> Any:
        framed = unframed(value, lambda: record().headers, indexed=indexed)
        return readers.of(framed.id)(framed)

    return decode


def _json_with_schema(value: bytes | None, record: Callable[[], Record]) -> Any:
    """JSON tells what it is, so nobody is asked for the schema, and it is not checked."""
    return decode_json(unframed(value, lambda: record().headers, indexed=False).data)


def _reader_of(format_: str) -> Callable[[Schema], Read]:
    try:
        return _avro_reader() if format_ == "avro" else _protobuf_reader()
    except ImportError as error:
        raise InvalidSettings(
            f"{format_} needs {error.name}, which is not installed:"
            f" pip install 'driftline[{format_}]'"
        ) from None


def _avro_reader() -> Callable[[Schema], Read]:
    from consumers.sources.schemas.avro import avro_decoder

    def reader(schema: Schema) -> Read:
        decode = avro_decoder(schema)
        return lambda framed: decode(framed.data)

    return reader


def _protobuf_reader() -> Callable[[Schema], Read]:
    import grpc_tools  # noqa: F401 - compiles schemas in a process of its own

    from consumers.sources.schemas.protobuf import protobuf_decoder

    def reader(schema: Schema) -> Read:
        decode = protobuf_decoder(schema)
        return lambda framed: decode(framed.data, framed.indexes)

    return reader


class _Readers:
    """The reader of each schema, made once. A schema that cannot be used stays so."""

    def __init__(self, registry: Registry, kind: str, make: Callable[[Schema], Read]) -> None:
        self._registry, self._kind, self._make = registry, kind, make
        self._found: dict[SchemaId, Read] = {}

    def of(self, id_: SchemaId) -> Read:
        found = self._found.get(id_)
        if found is None:
            found = self._found[id_] = self._made(id_)
        return found

    def _made(self, id_: SchemaId) -> Read:
        try:
            schema = self._registry.schema(id_)
        except UnknownSchema:
            raise Undecodable(f"the Schema Registry has no schema {id_}") from None
        if schema.kind != self._kind:
            raise Undecodable(f"its schema {id_} is {schema.kind}: expected {self._kind}")
        try:
            return self._make(schema)
        except Undecodable as error:
            return _refuse(str(error))


def _refuse(why: str) -> Read:
    def read(_: Framed) -> Any:
        raise Undecodable(why)

    return read
