"""Encoding of a reference profile: parts that fit into a message, and a manifest at the end.

Theory of operation
-------------------
A profile consists of *blobs* (its head, samples, panes and, if Driftline trained it, the model
file). Each blob is split into parts of at most ``PART_BYTES``. A part is one message with the key
``model/version/part``; the manifest lists the parts with sizes and hashes. Parts may be in several
partitions and arrive in any order, so a profile is complete once all parts of its manifest arrived
(``producers.contract.profile_index``).

*Derived* blobs are computed from the others and published with them, so that no reader has to. They
may be missing, and readers ignore those that they do not know.

The content hash covers the decoded content, not the compressed bytes, so that another release of
Arrow does not make the same content look new. It does not cover derived blobs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import msgspec

from monitor.counts.profile import Profile
from producers.contract.profile_blobs import decode_blobs, encode_blobs, profile_content
from producers.contract.profile_index import (
    InvalidProfile,
    Manifest,
    PartEntry,
    ProfileIndex,
    blob_of,
    described,
    sha256,
)
from producers.contract.version_info import VersionInfo

PART_BYTES = 500_000
T = TypeVar("T")


def encode_profile(
    profile: Profile,
    info: VersionInfo | None = None,
    derived: Mapping[str, bytes] | None = None,
    reference_end_ms: int | None = None,
) -> list[tuple[bytes, bytes]]:
    """Keys and values, the manifest last. The same profile gives the same bytes."""
    parts = list(_parts({**encode_blobs(profile), **(derived or {})}))
    manifest = Manifest(
        model=profile.model,
        version=profile.version,
        content=content_hash(profile),
        parts=[PartEntry(name, len(value), sha256(value)) for name, value in parts],
        info=info or VersionInfo(),
        task=profile.schema.task.name,
        reference_end_ms=reference_end_ms,
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


def decode_profile(manifest: Manifest, parts: Mapping[str, bytes]) -> Profile:
    """The profile of all its parts, by name. Raises ``InvalidProfile``."""
    profile = decode_parts(manifest, parts, decode_blobs)
    key = (profile.model, profile.version)
    if content_hash(profile) != manifest.content or key != manifest.key:
        raise InvalidProfile(f"the parts of {described(manifest.key)} do not match its manifest")
    return profile


def decode_parts(
    manifest: Manifest, parts: Mapping[str, bytes], decode: Callable[[Mapping[str, bytes]], T]
) -> T:
    """What some blobs of a profile hold, from all of their parts. Raises ``InvalidProfile``."""
    blobs: dict[str, bytes] = {}
    for part in manifest.parts:
        if part.name in parts:
            name = blob_of(part.name)
            blobs[name] = blobs.get(name, b"") + parts[part.name]
    try:
        return decode(blobs)
    except (KeyError, ValueError, StopIteration, msgspec.MsgspecError) as error:
        raise InvalidProfile(
            f"the parts of {described(manifest.key)} do not form a profile: {error}"
        ) from error


class ProfileReader:
    """Assembles whole profiles from messages in any order."""

    def __init__(self) -> None:
        self._index = ProfileIndex[bytes]()

    def add(self, key: bytes | None, value: bytes | None) -> Profile | None:
        """The profile that this message completes, or None. Raises as ``ProfileIndex.add``."""
        completed = self._index.add(key, value, value or b"")
        if completed is None:
            return None
        found = self._index.complete[completed]
        try:
            return decode_profile(found.manifest, found.places)
        except InvalidProfile:
            self._index.discard(completed)
            raise


def _parts(blobs: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    for name, blob in blobs.items():
        for number, start in enumerate(range(0, len(blob) or 1, PART_BYTES)):
            yield f"{name}-{number}", blob[start : start + PART_BYTES]
