"""Avro as documents. A record is read by the schema with which it was written.

Dates, times and UUIDs are texts of RFC 3339 and 9562, decimals the numbers that JSON spells with
these digits, 32-bit floats the doubles of their shortest digits. Bytes stay bytes, and are refused
where a mapping uses them. fastavro converts them while it reads: types are renamed in the schema to
logical types of ours, which have converters.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
from fastavro import _read_py

from consumers.sources.schemas.registry import Schema
from producers.contract.records import Undecodable
from producers.contract.short_floats import shortest_double

_OURS = "driftline-"  # begins the names of logical types
_FLOAT = "float"


def avro_decoder(schema: Schema) -> Callable[[bytes], Any]:
    """The decoder raises ``Undecodable``. Raises it if the schema is not valid."""
    parsed, known = _parsed(schema)
    if _has_array_of_nothing(parsed, known, ()):
        raise Undecodable(
            "its Avro schema has an array whose items take no bytes, such as null or a record"
            " without fields: a few bytes could make it of any length"
        )
    # The compiled reader ends the process when a value that contains itself is too deep.
    is_recursive = _is_recursive(parsed, known, ())
    read = _read_py.schemaless_reader if is_recursive else fastavro.schemaless_reader

    def decode(data: bytes) -> Any:
        file = io.BytesIO(data)
        try:
            found = read(file, parsed, None)
        except Exception as error:  # whatever it raises for bytes from outside
            raise Undecodable(f"not Avro of its schema: {_sentence(error)}") from None
        if file.tell() < len(data):
            raise Undecodable(f"not Avro of its schema: {len(data) - file.tell()} bytes are left")
        return found

    return decode


def _parsed(schema: Schema) -> tuple[Any, Mapping[str, Any]]:
    """With all types that have names."""
    known: dict[str, Any] = {}
    try:
        for text in schema.references.values():
            fastavro.parse_schema(_loaded(text), known)
        return fastavro.parse_schema(_loaded(schema.text), known), known
    except Exception as error:  # whatever fastavro raises for a schema from outside
        raise Undecodable(f"its Avro schema is not valid: {_sentence(error)}") from None


def _sentence(error: Exception) -> str:
    """Without the bytes, which some of them hold."""
    return f"{type(error).__name__}: {str(error)[:200]}"


def _loaded(text: str) -> Any:
    """The name of a type may stand without quotes."""
    try:
        return _renamed(json.loads(text))
    except ValueError:
        return _renamed(text.strip())


def _is_recursive(schema: Any, known: Mapping[str, Any], within: tuple[str, ...]) -> bool:
    if isinstance(schema, str):
        return schema in within or (schema in known and _is_recursive(known[schema], known, within))
    return any(_is_recursive(one, known, _named(schema, within)) for one in _inner(schema))


def _has_array_of_nothing(schema: Any, known: Mapping[str, Any], within: tuple[str, ...]) -> bool:
    if isinstance(schema, str):
        named = None if schema in within else known.get(schema)
        return named is not None and _has_array_of_nothing(named, known, within)
    if isinstance(schema, dict) and "items" in schema and _is_nothing(schema["items"], known, ()):
        return True
    within = _named(schema, within)
    return any(_has_array_of_nothing(one, known, within) for one in _inner(schema))


def _is_nothing(schema: Any, known: Mapping[str, Any], within: tuple[str, ...]) -> bool:
    """Whether a value takes no bytes."""
    if isinstance(schema, str):
        named = None if schema in within else known.get(schema)
        return schema == "null" if named is None else _is_nothing(named, known, within)
    if isinstance(schema, list):
        return False  # of a union, its number
    if schema["type"] == "fixed":
        return bool(schema["size"] == 0)
    if "fields" in schema:
        return all(_is_nothing(one, known, _named(schema, within)) for one in _inner(schema))
    return _is_nothing(schema["type"], known, within)


def _named(schema: Any, within: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the types that a part of ``schema`` lies in."""
    is_named = isinstance(schema, dict) and "name" in schema
    return (*within, schema["name"]) if is_named else within


def _inner(schema: Any) -> list[Any]:
    """The schemas of the parts of a value."""
    if isinstance(schema, list):
        return schema
    inner = [field["type"] for field in schema.get("fields", ())]
    inner += [schema[key] for key in ("items", "values") if key in schema]
    return inner + ([schema["type"]] if isinstance(schema["type"], dict | list) else [])


def _renamed(schema: Any) -> Any:
    """With our logical types, and without defaults, which only other schemas need."""
    if isinstance(schema, str):
        return {"type": _FLOAT, "logicalType": _OURS + _FLOAT} if schema == _FLOAT else schema
    if isinstance(schema, list):
        return list(map(_renamed, schema))
    inner = {key: _renamed(schema[key]) for key in ("items", "values") if key in schema}
    if "fields" in schema:
        fields = schema["fields"]
        inner["fields"] = [{"name": one["name"], "type": _renamed(one["type"])} for one in fields]
    return {**schema, **inner, **_renamed_type(schema)}


def _renamed_type(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    kind, logical = schema["type"], schema.get("logicalType", _FLOAT)
    if not isinstance(kind, str):
        return {"type": _renamed(kind)}
    is_ours = f"{kind}-{_OURS}{logical}" in fastavro.read.LOGICAL_READERS
    return {"logicalType": _OURS + logical} if is_ours else {}


def _number(value: Decimal) -> int | float:
    return int(value) if value.as_tuple().exponent == 0 else float(value)


_CONVERSIONS: Mapping[type, Callable[[Any], Any]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    UUID: str,
    Decimal: _number,
}


def _register_converters() -> None:
    """For the names of logical types that begin as ours do."""
    readers = fastavro.read.LOGICAL_READERS
    for name, read in list(readers.items()):
        kind, _, logical = name.partition("-")
        readers[f"{kind}-{_OURS}{logical}"] = _converting(read)
    readers[f"{_FLOAT}-{_OURS}{_FLOAT}"] = lambda value, *_: shortest_double(value)


def _converting(read: Callable[..., Any]) -> Callable[..., Any]:
    def converted(*given: Any) -> Any:
        value = read(*given)
        convert = _CONVERSIONS.get(type(value))
        return value if convert is None else convert(value)

    return converted


_register_converters()
