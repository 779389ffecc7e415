"""Which profiles are complete, and where their parts are, from messages in any order."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, structs

from driftline.errors import BadInput
from monitor.tasks.registry import DEFAULT, TASKS
from producers.contract.version_info import VersionInfo

MANIFEST = "manifest"
KEY_EXCERPT = 80  # characters of a key in an error message

Key = tuple[str, str]  # model, version
P = TypeVar("P")


class InvalidProfile(BadInput):
    """Messages that do not form a profile, or differ from a profile of the same model version."""


class PartEntry(Struct, frozen=True):
    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    schema: Literal[1] = 1
    model: str
    version: str
    content: str  # hash
    parts: list[PartEntry]
    info: VersionInfo = VersionInfo()
    registered_ms: int | None = None  # of the first manifest, in those that replace it
    task: str = DEFAULT
    reference_end_ms: int | None = None  # of a reference from a stream: later rows are watched

    @property
    def key(self) -> Key:
        return self.model, self.version

    def message(self) -> tuple[bytes, bytes]:
        key = f"{self.model}/{self.version}/{MANIFEST}"
        return key.encode(), msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class CompleteProfile(Generic[P]):
    """The manifest of a profile, and the place of each of its parts."""

    manifest: Manifest
    places: Mapping[str, P]  # by part

    def places_of(self, blobs: Container[str]) -> dict[str, P]:
        """The places of the parts of some blobs."""
        return {name: place for name, place in self.places.items() if blob_of(name) in blobs}

    def holds(self, parts: Mapping[str, bytes]) -> bool:
        """Whether these are parts of the profile, unchanged."""
        hashes = {part.name: part.sha256 for part in self.manifest.parts}
        return all(hashes[name] == sha256(value) for name, value in parts.items())


class _Arrived(NamedTuple, Generic[P]):
    sha256: str
    place: P


class ProfileIndex(Generic[P]):
    """Indexes profiles by model and version. A place is whatever finds the value of a part again.

    The values themselves are not kept.
    """

    def __init__(self) -> None:
        self.complete: dict[Key, CompleteProfile[P]] = {}
        self._manifests: dict[Key, Manifest] = {}  # of profiles that lack parts
        # Kept for good: a deleted profile may be published again with the same parts, which may
        # lie in other partitions than the manifest and have been read before its deletion.
        self._parts: dict[Key, dict[str, _Arrived[P]]] = {}

    def add(self, key: bytes | None, value: bytes | None, place: P) -> Key | None:
        """The model version whose profile this message completes, or None.

        A profile never changes: a later manifest of the same model and version with the same
        content changes only the info, and the places of parts that are published again. The
        tombstone of a manifest (a message without a value) deletes the profile, so that it can be
        published again; tombstones of parts are ignored.

        Raises ``InvalidProfile`` if the content differs, or if the message is not part of a
        profile; everything indexed before stays valid.
        """
        model, version, part = split_key(key)
        if part == MANIFEST:
            self._add_manifest((model, version), value)
        elif value is not None:
            self._parts.setdefault((model, version), {})[part] = _Arrived(sha256(value), place)
        return self._completed((model, version))

    def discard(self, key: Key) -> None:
        """Forget a complete profile, so that it can be published again."""
        self.complete.pop(key, None)

    def _add_manifest(self, key: Key, value: bytes | None) -> None:
        if value is None:
            self.complete.pop(key, None)
            self._manifests.pop(key, None)
            return
        manifest, known = _decoded_manifest(key, value), self.complete.get(key)
        if known is not None and known.manifest.content != manifest.content:
            raise InvalidProfile(
                f"{described(key)} was published again with other content: the first profile is"
                " used, publish the other one as a new version"
            )
        if known is not None:
            informed = structs.replace(known.manifest, info=manifest.info)
            self.complete[key] = CompleteProfile(informed, known.places)
        self._manifests[key] = manifest

    def _completed(self, key: Key) -> Key | None:
        manifest, parts = self._manifests.get(key), self._parts.get(key, {})
        if manifest is None or not _matches(manifest, parts):
            return None
        places = {part.name: parts[part.name].place for part in manifest.parts}
        is_new = key not in self.complete
        self.complete[key] = CompleteProfile(manifest, places)
        del self._manifests[key]
        return key if is_new else None


def split_key(key: bytes | None) -> tuple[str, str, str]:
    """Model, version and part of the key of a message. Raises ``InvalidProfile``."""
    try:
        pieces = (key or b"").decode().split("/")
    except UnicodeDecodeError:
        pieces = []
    if len(pieces) != 3:
        excerpt = (key or b"").decode(errors="replace")[:KEY_EXCERPT]
        raise InvalidProfile(
            f"{excerpt!r} is not the key of a profile: expected model/version/part"
        )
    return pieces[0], pieces[1], pieces[2]


def blob_of(part: str) -> str:
    """The blob that a part belongs to: ``panes`` of ``panes-3``."""
    return part.rpartition("-")[0]


def sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def described(key: Key) -> str:
    return f"model {key[0]!r} version {key[1]!r}"


def _matches(manifest: Manifest, parts: Mapping[str, _Arrived[P]]) -> bool:
    """Whether all parts are there with the right hashes."""
    return all(
        part.name in parts and parts[part.name].sha256 == part.sha256 for part in manifest.parts
    )


def _decoded_manifest(key: Key, value: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(value, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidProfile(f"the manifest of {described(key)} cannot be read: {error}") from error
    if manifest.key != key:
        other = described(manifest.key)
        raise InvalidProfile(f"the manifest of {described(key)} is that of {other}")
    if manifest.task not in TASKS:
        raise InvalidProfile(
            f"{described(key)} has the task {manifest.task!r}, which this release does not know:"
            f" expected {', '.join(TASKS)}"
        )
    return manifest
