"""What the fields of a row are read from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from consumers.messages.records import Record
from driftline.configuration.json_path import Absent, JsonPath


class Scope(NamedTuple):
    """A row of a record. ``record`` is called only by fields that are outside its value."""

    document: Any
    row: Any
    record: Callable[[], Record]
    number: int  # of the row in its record


Reader = Callable[[Scope], Any]  # raises ``Absent``


class Unmappable(ValueError):
    """A record does not fit the mapping of its topic. The message is one sentence."""


def refuse_bytes(what: str) -> NoReturn:
    raise Unmappable(f"{what} is bytes: expected a text, a number or a boolean")


def path_reader(text: str) -> Reader:
    path = JsonPath.parse(text)
    if path.of_row:
        return lambda scope: path.value(scope.row)
    return lambda scope: path.value(scope.document)


def key_reader(scope: Scope) -> Any:
    return _text(scope.record().key)


def header_reader(name: str) -> Reader:
    def read(scope: Scope) -> Any:
        return _text(next((value for key, value in scope.record().headers if key == name), None))

    return read


def _text(value: bytes | None) -> str:
    if value is None:
        raise Absent
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Absent from None
