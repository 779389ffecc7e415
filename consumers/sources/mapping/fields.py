"""The fields of a row: found at their places, converted as the mapping says.

A value that is not what the mapping expects stays as it is: the contract of ``predictions`` and
``labels`` decides about it, with its own reason. Only a time is needed here, as milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from consumers.messages.times import milliseconds_of
from consumers.sources.mapping.scope import (
    Reader,
    Scope,
    Unmappable,
    header_reader,
    key_reader,
    path_reader,
    refuse_bytes,
)
from driftline.configuration.fields import FieldSection
from driftline.configuration.json_path import Absent
from producers.contract.records import END_MS

_PER_MS = {"s": 1_000.0, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
_EXPECTED_TIME = "RFC 3339, or a number with its unit; years 1970 to 9998"


def field_reader(name: str, spec: FieldSection) -> Reader:
    """Raises ``Unmappable`` if there is no value."""
    read = optional_reader(spec)

    def required(scope: Scope) -> Any:
        value = read(scope)
        if value is None:
            raise Unmappable(f"there is no {name} at {spec.place}")
        return value

    return required


def optional_reader(spec: FieldSection | None) -> Reader:
    """None if there is no value."""
    if spec is None:
        return lambda _: None
    if spec.path is None and spec.header is None and not spec.key:
        return lambda _: spec.value
    find, convert = _place_reader(spec), _converter(spec)

    def read(scope: Scope) -> Any:
        try:
            value = find(scope)
        except Absent:
            return spec.value
        if type(value) is bytes:
            refuse_bytes(f"the value at {spec.place}")
        return spec.value if value is None else convert(value)

    return read


def text_reader(name: str, spec: FieldSection) -> Reader:
    """Of an id or a name: a whole number is its digits."""
    read = field_reader(name, spec)

    def text(scope: Scope) -> Any:
        value = read(scope)
        return str(value) if type(value) is int else value

    return text


def time_reader(name: str, spec: FieldSection | None) -> Reader:
    """Milliseconds since 1970; by default the timestamp of the record."""
    if spec is None:
        return lambda scope: scope.record().append_ms
    read = field_reader(name, spec)
    zone = None if spec.timezone is None else ZoneInfo(spec.timezone)
    per_ms = _PER_MS[spec.unit or "ms"]

    def time_ms(scope: Scope) -> int:
        value = read(scope)
        found = _valid_milliseconds(value, per_ms, zone)
        if found is None:
            seen = repr(value)[:60]
            raise Unmappable(f"the {name} at {spec.place} is {seen}: expected {_EXPECTED_TIME}")
        return found

    return time_ms


def _valid_milliseconds(value: Any, per_ms: float, zone: tzinfo | None) -> int | None:
    """None if it is no time of the years that the contract allows."""
    try:
        found = _milliseconds(value, per_ms, zone)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if 0 <= found < END_MS else None


def _milliseconds(value: Any, per_ms: float, zone: tzinfo | None) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, int):
        return _whole(value, per_ms)
    if isinstance(value, float):
        return int(value * per_ms // 1)
    return _of_datetime(datetime.fromisoformat(value) if isinstance(value, str) else value, zone)


def _of_datetime(at: Any, zone: tzinfo | None) -> int:
    if not isinstance(at, datetime):
        raise TypeError
    if at.tzinfo is None and zone is not None:
        at = at.replace(tzinfo=zone)
    return milliseconds_of(at)


def _whole(value: int, per_ms: float) -> int:
    """Without the rounding of floats."""
    return value * int(per_ms) if per_ms >= 1 else value // round(1 / per_ms)


def _place_reader(spec: FieldSection) -> Reader:
    if spec.path is not None:
        return path_reader(spec.path)
    return key_reader if spec.header is None else header_reader(spec.header)


def _converter(spec: FieldSection) -> Callable[[Any], Any]:
    if spec.values is not None:
        values = spec.values
        return lambda value: values.get(_spelt(value), value)
    if spec.scale is not None:
        scale = spec.scale
        return lambda value: _scaled(value, scale)
    return lambda value: value


def _spelt(value: Any) -> str:
    """As the keys of ``values`` spell it: JSON's words for booleans."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scaled(value: Any, scale: float) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        return value * scale
    except OverflowError:  # an integer beyond all doubles
        return value
