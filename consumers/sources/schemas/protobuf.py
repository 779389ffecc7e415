"""Protobuf as documents: the names of the schema file, enums as text, and what is not set as null.

A field that cannot tell whether it was set (of proto3, without ``optional``) has its default value.
Google's own types are what they stand for: a ``Timestamp`` is RFC 3339, a ``DoubleValue`` a number.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.message import DecodeError

from consumers.sources.schemas.registry import Schema
from producers.contract.records import Undecodable
from producers.contract.short_floats import shortest_double

MAIN = "driftline_main.proto"
COMPILED_WITHIN_S = 60.0
MOST_SAID = 300  # characters of what the compiler says

Read = Callable[[Any], Any]


def protobuf_decoder(schema: Schema) -> Callable[[bytes, tuple[int, ...]], Any]:
    """The decoder takes the indexes of a message in the file, and raises ``Undecodable``.

    Raises ``Undecodable`` if the schema is not valid.
    """
    file, documents = _compiled(schema), _Documents()

    @lru_cache
    def message_class(indexes: tuple[int, ...]) -> Any:
        return message_factory.GetMessageClass(_message_at(file, indexes))

    def decode(data: bytes, indexes: tuple[int, ...]) -> Any:
        kind = message_class(indexes)
        try:
            return documents.of(kind.FromString(data))
        except (DecodeError, ValueError) as error:
            raise Undecodable(f"not Protobuf of its schema: {error}") from None

    return decode


def _message_at(file: FileDescriptor, indexes: tuple[int, ...]) -> Descriptor:
    messages, found = list(file.message_types_by_name.values()), None
    for index in indexes:
        if not 0 <= index < len(messages):
            raise Undecodable(f"its schema has no message at {list(indexes)}")
        found = messages[index]
        messages = list(found.nested_types)
    assert found is not None
    return found


# -- from .proto -------------------------------------------------------------------------------


def _compiled(schema: Schema) -> FileDescriptor:
    with tempfile.TemporaryDirectory(prefix="driftline-proto-") as directory:
        root = Path(directory).resolve()
        for name, text in {**schema.references, MAIN: schema.text}.items():
            _write(root, name, text)
        files = descriptor_pb2.FileDescriptorSet.FromString(_protoc(root))
    pool = descriptor_pool.DescriptorPool()
    try:
        for file in files.file:  # each after those that it imports
            pool.Add(file)
        return pool.FindFileByName(MAIN)
    except (TypeError, KeyError) as error:
        raise Undecodable(f"its Protobuf schema is not valid: {error}") from None


def _write(root: Path, name: str, text: str) -> None:
    file = (root / name).resolve()
    if not file.is_relative_to(root):
        raise Undecodable(f"its schema refers to {name!r}, which is no relative path")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _protoc(root: Path) -> bytes:
    """A process of its own, because what the compiler finds wrong it writes to standard error."""
    options = ["--include_imports", "--descriptor_set_out=out", f"-I{root}", MAIN]
    ended = subprocess.run(
        [sys.executable, "-c", _RUN_PROTOC, *options],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMPILED_WITHIN_S,
    )
    if ended.returncode:
        said = " ".join(ended.stderr.split())[-MOST_SAID:]  # warnings come first
        raise Undecodable(f"its Protobuf schema is not valid: {said}")
    return (root / "out").read_bytes()


_RUN_PROTOC = """
import sys
from importlib.resources import files
from grpc_tools import protoc
sys.exit(protoc.main(["protoc", "-I" + str(files("grpc_tools") / "_proto"), *sys.argv[1:]]))
"""


# -- to documents ------------------------------------------------------------------------------


class _Documents:
    """Reads messages of one schema; how a type is read is found out once."""

    def __init__(self) -> None:
        self._fields: dict[str, list[tuple[str, bool, Read]]] = {}

    def of(self, message: Any) -> Any:
        """A field that was not set is None."""
        descriptor = message.DESCRIPTOR
        if own := _GOOGLES.get(descriptor.full_name):
            return own(message)
        fields = self._fields.get(descriptor.full_name)
        if fields is None:
            fields = [(f.name, f.has_presence, self._reader(f)) for f in descriptor.fields]
            self._fields[descriptor.full_name] = fields
        return {
            name: None
            if has_presence and not message.HasField(name)
            else read(getattr(message, name))
            for name, has_presence, read in fields
        }

    def _reader(self, field: FieldDescriptor) -> Read:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            read = self._one(entry.fields_by_name["value"])
            return lambda found: {str(key): read(found[key]) for key in found}
        one = self._one(field)
        return (lambda found: list(map(one, found))) if field.is_repeated else one

    def _one(self, field: FieldDescriptor) -> Read:
        if field.message_type is not None:
            return self.of
        if field.enum_type is not None:
            names = {value.number: value.name for value in field.enum_type.values}
            return lambda number: names.get(number, number)
        return shortest_double if field.type == FieldDescriptor.TYPE_FLOAT else _same


def _same(value: Any) -> Any:
    return value


def _duration_s(message: Any) -> float:
    return float(message.seconds + message.nanos / 1e9)


_WRAPPERS = ("Double", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
_GOOGLES: Mapping[str, Read] = {
    "google.protobuf.Timestamp": lambda message: message.ToJsonString(),
    "google.protobuf.Duration": _duration_s,
    **{f"google.protobuf.{name}": json_format.MessageToDict for name in ("Struct", "ListValue")},
    "google.protobuf.Value": json_format.MessageToDict,
    **{f"google.protobuf.{name}Value": lambda message: message.value for name in _WRAPPERS},
    "google.protobuf.FloatValue": lambda message: shortest_double(message.value),
}
