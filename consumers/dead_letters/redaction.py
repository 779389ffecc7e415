"""Records without the values of redacted features, for dead letters (the setting ``redact``)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from consumers.messages.records import Record

VALUE = "the value"
FEATURES = "features"


class Redacted(NamedTuple):
    """``hidden`` says what of the record was not kept, None if all was."""

    record: Record
    hidden: str | None


def redacted(record: Record, names: Collection[str]) -> Redacted:
    """A record in the form of Driftline, with null for what has one of these names.

    A record that is no JSON object has no value, because nobody knows what is in it. What was read
    is written anew: of a name that occurs twice in an object, only the last value was seen.
    """
    if not names or record.value is None:
        return Redacted(record, None)
    hidden: set[str] = set()
    try:
        document = _scrubbed(msgspec.json.decode(record.value), names, hidden)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return without_value(record)
    if not isinstance(document, dict):
        return without_value(record)
    if not isinstance(document.get(FEATURES, {}), dict):
        document[FEATURES] = None
        hidden.add(FEATURES)
    value = msgspec.json.encode(document)
    return Redacted(replace(record, value=value), ", ".join(sorted(hidden)) or None)


def without_value(record: Record) -> Redacted:
    """Of a record in another form."""
    return Redacted(replace(record, value=None), None if record.value is None else VALUE)


def _scrubbed(value: Any, names: Collection[str], hidden: set[str]) -> Any:
    if isinstance(value, list):
        return [_scrubbed(inner, names, hidden) for inner in value]
    if not isinstance(value, dict):
        return value
    hidden.update(name for name in value if name in names)
    return {
        name: None if name in names else _scrubbed(inner, names, hidden)
        for name, inner in value.items()
    }
