"""What the records of a topic hold: each path with the values that were seen at it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_POSITIONS = 50  # of an array that is looked into
MOST_DISTINCT = 10_000  # values that are told apart
DEEPEST = 20
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(slots=True)
class Leaf:
    """The values at one path, in the order of the rows."""

    path: str
    values: list[Any] = field(default_factory=list)  # without null

    @property
    def name(self) -> str:
        """The last name in the path, in small letters."""
        names: list[str] = re.findall(r"[A-Za-z0-9_ -]+", self.path)
        return names[-1].lower() if names else ""

    @property
    def kind(self) -> str:
        """``number``, ``text``, ``boolean``, or ``mixed``."""
        kinds = {_kind(value) for value in self.values[:MOST_DISTINCT]}
        return kinds.pop() if len(kinds) == 1 else "mixed"

    @property
    def distinct(self) -> Counter[Any]:
        return Counter(map(repr, self.values[:MOST_DISTINCT]))

    @property
    def is_unique(self) -> bool:
        return len(self.values) > 1 and len(self.distinct) == min(len(self.values), MOST_DISTINCT)

    def within(self, low: float, high: float) -> bool:
        """Whether it holds nothing but numbers of this range."""
        return self.kind == "number" and all(low <= value <= high for value in self.values)


def leaves_of(rows: Sequence[Any], root: str) -> Mapping[str, Leaf]:
    """Every path below ``root`` at which a row has a value."""
    found: dict[str, Leaf] = {}
    for row in rows:
        for path, value in _walk(row, root, 0):
            leaf = found.setdefault(path, Leaf(path))
            if value is not None:
                leaf.values.append(value)
    return {path: leaf for path, leaf in found.items() if leaf.values}


def arrays_of_objects(documents: Iterable[Any]) -> Mapping[str, int]:
    """The paths of arrays of objects, with the number of objects in all documents."""
    found = Counter[str]()
    for document in documents:
        for path, value in _containers(document, "$", 0):
            if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
                found[path] += len(value)
    return found


def _walk(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, path + step(name), depth + 1)
    elif isinstance(value, list):
        for i, inner in enumerate(value[:MOST_POSITIONS]):
            yield from _walk(inner, f"{path}[{i}]", depth + 1)
    else:
        yield path, value


def _containers(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Objects and arrays, without those inside an array."""
    if depth <= DEEPEST and isinstance(value, dict | list):
        yield path, value
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from _containers(inner, path + step(name), depth + 1)


def step(name: str) -> str:
    """As a path spells it."""
    if _PLAIN.fullmatch(name):
        return f".{name}"
    return f'["{name}"]' if "'" in name else f"['{name}']"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "text"
