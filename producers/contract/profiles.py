"""Encoding of a reference profile: parts that fit into a message, and a manifest at the end.

Theory of operation
-------------------
A profile consists of *blobs* (its head, samples, panes and, if Driftline trained it, the model
file). Each blob is split into parts of at most ``PART_BYTES``. A part is one message with the key
``model/version/part``; the manifest lists the parts with sizes and hashes. Parts may be in several
partitions and arrive in any order, so a profile is complete once all parts of its manifest arrived.

The content hash covers the decoded content, not the compressed bytes, so that another release of
Arrow does not make the same content look new.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from driftline.errors import BadInput
from monitor.counts.profile import Profile
from producers.contract.profile_blobs import decode_blobs, encode_blobs, profile_content
from producers.contract.version_info import VersionInfo

PART_BYTES = 500_000
MANIFEST = "manifest"
KEY_EXCERPT = 80  # characters of a key in an error message

Key = tuple[str, str]  # model, version


class InvalidProfile(BadInput):
    """Messages that do not form a profile, or differ from a profile of the same model version."""


class Part(Struct, frozen=True):
    name: str
    size: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    schema: Literal[1] = 1
    model: str
    version: str
    content: str  # hash
    parts: list[Part]
    info: VersionInfo = VersionInfo()
    registered_ms: int | None = None  # of the first manifest, in those that replace it

    def matches(self, parts: Mapping[str, bytes]) -> bool:
        """Whether all parts are there with the right hashes."""
        return all(part.name in parts for part in self.parts) and all(
            _sha256(parts[part.name]) == part.sha256 for part in self.parts
        )

    def message(self) -> tuple[bytes, bytes]:
        key = f"{self.model}/{self.version}/{MANIFEST}"
        return key.encode(), msgspec.json.encode(self)


def encode_profile(profile: Profile, info: VersionInfo | None = None) -> list[tuple[bytes, bytes]]:
    """Keys and values, the manifest last. The same profile gives the same bytes."""
    parts = list(_parts(profile))
    manifest = Manifest(
        model=profile.model,
        version=profile.version,
        content=content_hash(profile),
        parts=[Part(name, len(value), _sha256(value)) for name, value in parts],
        info=info or VersionInfo(),
    )
    own = [(f"{profile.model}/{profile.version}/{name}".encode(), value) for name, value in parts]
    return [*own, manifest.message()]


def content_hash(profile: Profile) -> str:
    """SHA-256 of the content of the profile, the same on every machine and in every release."""
    digest = hashlib.sha256()
    for piece in profile_content(profile):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


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


class ProfileReader:
    """Assembles profiles from messages in any order, and keeps the newest manifest of each."""

    def __init__(self) -> None:
        self.manifests: dict[Key, Manifest] = {}  # also of profiles that are not complete yet
        self._complete: set[Key] = set()
        self._parts: dict[Key, dict[str, bytes]] = {}

    def add(self, key: bytes | None, value: bytes | None) -> Profile | None:
        """The profile that this message completes, or None.

        A profile never changes: a later manifest of the same model and version with the same
        content changes only the info. The tombstone of a manifest (a message without a value)
        deletes the profile, so that it can be published again; tombstones of parts are ignored.

        Raises ``InvalidProfile`` if the content differs, or if the message is not part of a
        profile; everything read before stays valid.
        """
        model, version, part = split_key(key)
        if part == MANIFEST:
            self._add_manifest((model, version), value)
        elif value is not None:
            self._parts.setdefault((model, version), {})[part] = value
        return self._completed((model, version))

    def _add_manifest(self, key: Key, value: bytes | None) -> None:
        if value is None:
            self.manifests.pop(key, None)
            self._complete.discard(key)
            return
        manifest = _decoded_manifest(key, value)
        if key in self._complete:
            self._parts.pop(key, None)  # those of a profile that was published twice
            if self.manifests[key].content != manifest.content:
                raise InvalidProfile(
                    f"{_described(key)} was published again with other content: the first profile"
                    " is used, publish the other one as a new version"
                )
        self.manifests[key] = manifest

    def _completed(self, key: Key) -> Profile | None:
        manifest, parts = self.manifests.get(key), self._parts.get(key, {})
        if key in self._complete or manifest is None or not manifest.matches(parts):
            return None
        del self.manifests[key], self._parts[key]
        profile = _decoded(key, manifest, parts)
        self.manifests[key] = manifest
        self._complete.add(key)
        return profile


def _parts(profile: Profile) -> Iterator[tuple[str, bytes]]:
    for name, blob in encode_blobs(profile).items():
        for number, start in enumerate(range(0, len(blob) or 1, PART_BYTES)):
            yield f"{name}-{number}", blob[start : start + PART_BYTES]


def _decoded_manifest(key: Key, value: bytes) -> Manifest:
    try:
        return msgspec.json.decode(value, type=Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidProfile(
            f"the manifest of {_described(key)} cannot be read: {error}"
        ) from error


def _decoded(key: Key, manifest: Manifest, parts: Mapping[str, bytes]) -> Profile:
    blobs: dict[str, bytes] = {}
    for part in manifest.parts:
        name = part.name.rpartition("-")[0]
        blobs[name] = blobs.get(name, b"") + parts[part.name]
    try:
        profile = decode_blobs(blobs)
    except (KeyError, ValueError, StopIteration, msgspec.MsgspecError) as error:
        raise InvalidProfile(
            f"the parts of {_described(key)} do not form a profile: {error}"
        ) from error
    if content_hash(profile) != manifest.content or (profile.model, profile.version) != key:
        raise InvalidProfile(f"the parts of {_described(key)} do not match its manifest")
    return profile


def _described(key: Key) -> str:
    return f"model {key[0]!r} version {key[1]!r}"


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()
