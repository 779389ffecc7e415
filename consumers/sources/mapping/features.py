"""The features of a row as a flat object."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from consumers.sources.mapping.scope import Reader, Scope, Unmappable, path_reader, refuse_bytes
from driftline.configuration.json_path import Absent
from driftline.configuration.sources import last_step

Features = dict[str, Any]
DEEPEST = 20  # inner objects
_NO_FEATURES = {dict, list, bytes}


def features_reader(
    given: str | Sequence[str] | Mapping[str, str], exclude: Sequence[str]
) -> Callable[[Scope], Features]:
    """As the setting ``features`` says. A feature without a value is missing."""
    if isinstance(given, str):
        return _subtree_reader(given, frozenset(exclude))
    named = given if isinstance(given, Mapping) else {last_step(path): path for path in given}
    return _list_reader({name: path_reader(path) for name, path in named.items()}, exclude)


def _list_reader(
    readers: Mapping[str, Reader], exclude: Sequence[str]
) -> Callable[[Scope], Features]:
    kept = [(name, read) for name, read in readers.items() if name not in exclude]

    def features(scope: Scope) -> Features:
        found = Features()
        for name, read in kept:
            try:
                found[name] = read(scope)
            except Absent:
                found[name] = None
        if bytes in map(type, found.values()):
            found = dict(_leaves(found, "", 0, frozenset()))
        return found

    return features


def _subtree_reader(path: str, exclude: frozenset[str]) -> Callable[[Scope], Features]:
    read = path_reader(path)

    def features(scope: Scope) -> Features:
        try:
            found = read(scope)
        except Absent:
            raise Unmappable(f"there are no features at {path}") from None
        if not isinstance(found, dict):
            raise Unmappable(f"the features at {path} are no object")
        return _flat(found, exclude)

    return features


def _flat(found: Features, exclude: frozenset[str]) -> Features:
    if not _NO_FEATURES.isdisjoint(map(type, found.values())):
        return dict(_leaves(found, "", 0, exclude))
    if exclude:
        return {name: value for name, value in found.items() if name not in exclude}
    return found


def _leaves(
    value: Any, name: str, depth: int, exclude: frozenset[str]
) -> Iterator[tuple[str, Any]]:
    """The values inside, with their dotted names, without those of ``exclude``."""
    if depth > DEEPEST:
        raise Unmappable(f"its features are nested more than {DEEPEST} deep")
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in inner:
        at = f"{name}.{key}" if name else str(key)
        if isinstance(below, dict | list):
            yield from _leaves(below, at, depth + 1, exclude)
        elif at not in exclude:
            if isinstance(below, bytes):
                refuse_bytes(f"the feature {at!r}")
            yield at, below
