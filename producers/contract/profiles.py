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
import numpy as np
import pyarrow as pa
from msgspec import Struct

from driftline.errors import BadInput
from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric, Reference
from monitor.counts.profile import Profile
from monitor.counts.schema import Schema
from monitor.counts.summary import Summary
from producers.contract.summaries import (
    arrays_of_lists,
    decode_summaries,
    decode_table,
    encode_summaries,
    encode_table,
    list_column,
)

PART_BYTES = 500_000
MANIFEST = "manifest"
KEY_EXCERPT = 80  # characters of a key in an error message

Key = tuple[str, str]  # model, version


class InvalidProfile(BadInput):
    """Messages that do not form a profile, or differ from a profile of the same model version."""


def encode_profile(profile: Profile) -> list[tuple[bytes, bytes]]:
    """Keys and values, the manifest last. The same profile gives the same bytes."""
    parts = list(_parts(profile))
    manifest = _Manifest(
        model=profile.model,
        version=profile.version,
        content=content_hash(profile),
        parts=[_Part(name, len(value), _sha256(value)) for name, value in parts],
    )
    parts.append((MANIFEST, msgspec.json.encode(manifest)))
    return [(f"{profile.model}/{profile.version}/{name}".encode(), v) for name, v in parts]


def content_hash(profile: Profile) -> str:
    """SHA-256 of the content of the profile, the same on every machine and in every release."""
    digest = hashlib.sha256()
    for piece in _content(profile):
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
    """Assembles profiles from messages in any order, and keeps the content hash of each."""

    def __init__(self) -> None:
        self.content: dict[Key, str] = {}
        self._manifests: dict[Key, _Manifest] = {}
        self._parts: dict[Key, dict[str, bytes]] = {}

    def add(self, key: bytes | None, value: bytes | None) -> Profile | None:
        """The profile that this message completes, or None.

        A profile never changes: later messages of the same model and version are ignored if their
        content is the same. The tombstone of a manifest (a message without a value) deletes the
        profile, so that it can be published again; tombstones of parts are ignored.

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
            self.content.pop(key, None)
            self._manifests.pop(key, None)
            return
        manifest = _decoded_manifest(key, value)
        if key not in self.content:
            self._manifests[key] = manifest
            return
        self._parts.pop(key, None)  # those of a profile that was published twice
        if self.content[key] != manifest.content:
            raise InvalidProfile(
                f"{_described(key)} was published again with other content: the first profile is"
                " used, publish the other one as a new version"
            )

    def _completed(self, key: Key) -> Profile | None:
        manifest, parts = self._manifests.get(key), self._parts.get(key, {})
        if manifest is None or not manifest.matches(parts):
            return None
        del self._manifests[key], self._parts[key]
        profile = _decoded(key, manifest, parts)
        self.content[key] = manifest.content
        return profile


class _Part(Struct, frozen=True):
    name: str
    size: int
    sha256: str


class _Manifest(Struct, frozen=True, kw_only=True):
    schema: Literal[1] = 1
    model: str
    version: str
    content: str
    parts: list[_Part]

    def matches(self, parts: Mapping[str, bytes]) -> bool:
        """Whether all parts are there with the right hashes."""
        return all(part.name in parts for part in self.parts) and all(
            _sha256(parts[part.name]) == part.sha256 for part in self.parts
        )


class _NumericHead(Struct, frozen=True, tag="numeric"):
    low: float
    high: float


class _CategoricalHead(Struct, frozen=True, tag="categorical"):
    categories: list[str]
    counts: list[int]


class _Head(Struct, frozen=True, kw_only=True):
    """Everything except samples and panes, as readable JSON. Samples have the features' order."""

    schema: Literal[1] = 1
    model: str
    version: str
    pane_ms: int
    threshold: float
    features: dict[str, _NumericHead | _CategoricalHead]
    score: _NumericHead
    errors: _NumericHead | None
    label_delay_ms: dict[str, int]


def _parts(profile: Profile) -> Iterator[tuple[str, bytes]]:
    blobs = {
        "head": msgspec.json.encode(_head(profile)),
        "samples": _encode_samples(profile.schema),
        "panes": encode_summaries(profile.panes),
    }
    if profile.model_file is not None:
        blobs["model"] = profile.model_file
    for name, blob in blobs.items():
        for number, start in enumerate(range(0, len(blob) or 1, PART_BYTES)):
            yield f"{name}-{number}", blob[start : start + PART_BYTES]


def _decoded_manifest(key: Key, value: bytes) -> _Manifest:
    try:
        return msgspec.json.decode(value, type=_Manifest)
    except msgspec.MsgspecError as error:
        raise InvalidProfile(
            f"the manifest of {_described(key)} cannot be read: {error}"
        ) from error


def _decoded(key: Key, manifest: _Manifest, parts: Mapping[str, bytes]) -> Profile:
    blobs: dict[str, bytes] = {}
    for part in manifest.parts:
        name = part.name.rpartition("-")[0]
        blobs[name] = blobs.get(name, b"") + parts[part.name]
    try:
        profile = _profile(blobs)
    except (KeyError, ValueError, StopIteration, msgspec.MsgspecError) as error:
        raise InvalidProfile(
            f"the parts of {_described(key)} do not form a profile: {error}"
        ) from error
    if content_hash(profile) != manifest.content or (profile.model, profile.version) != key:
        raise InvalidProfile(f"the parts of {_described(key)} do not match its manifest")
    return profile


def _profile(blobs: Mapping[str, bytes]) -> Profile:
    head = msgspec.json.decode(blobs["head"], type=_Head)
    samples = _decode_samples(blobs["samples"])
    features = {name: _reference(part, samples) for name, part in head.features.items()}
    schema = Schema(
        head.model,
        head.version,
        head.pane_ms,
        head.threshold,
        features,
        _numeric(head.score, samples),
        None if head.errors is None else _numeric(head.errors, samples),
    )
    panes = tuple(decode_summaries(blobs["panes"]))
    return Profile(schema, panes, head.label_delay_ms, blobs.get("model"))


def _head(profile: Profile) -> _Head:
    schema = profile.schema
    return _Head(
        model=schema.model,
        version=schema.version,
        pane_ms=schema.pane_ms,
        threshold=schema.threshold,
        features={name: _reference_head(ref) for name, ref in schema.features.items()},
        score=_numeric_head(schema.score),
        errors=None if schema.errors is None else _numeric_head(schema.errors),
        label_delay_ms=dict(profile.label_delay_ms),
    )


def _reference_head(reference: Reference) -> _NumericHead | _CategoricalHead:
    if isinstance(reference, Categorical):
        return _CategoricalHead(list(reference.categories), reference.counts.tolist())
    return _numeric_head(reference)


def _numeric_head(numeric: Numeric) -> _NumericHead:
    return _NumericHead(numeric.low, numeric.high)


def _reference(head: _NumericHead | _CategoricalHead, samples: Iterator[Sample]) -> Reference:
    if isinstance(head, _CategoricalHead):
        return Categorical(tuple(head.categories), np.array(head.counts, dtype=np.int64))
    return _numeric(head, samples)


def _numeric(head: _NumericHead, samples: Iterator[Sample]) -> Numeric:
    return Numeric(next(samples), head.low, head.high)


def _samples(schema: Schema) -> list[Sample]:
    """The samples of the numeric features in their order, of the score and of the errors."""
    features = [numeric.sample for _, numeric in schema.numeric]
    last = [] if schema.errors is None else [schema.errors.sample]
    return [*features, schema.score.sample, *last]


def _encode_samples(schema: Schema) -> bytes:
    samples = _samples(schema)
    columns = {
        "values": list_column([sample.values for sample in samples], pa.float64()),
        "weights": list_column([sample.weights for sample in samples], pa.int64()),
    }
    return encode_table(pa.table(columns))


def _decode_samples(blob: bytes) -> Iterator[Sample]:
    table = decode_table(blob)
    values = arrays_of_lists(table["values"], np.float64)
    return map(Sample, values, arrays_of_lists(table["weights"], np.int64))


def _content(profile: Profile) -> Iterator[bytes]:
    yield msgspec.json.encode(_head(profile))
    for sample in _samples(profile.schema):
        yield sample.values.tobytes()
        yield sample.weights.tobytes()
    for summary in profile.panes:
        yield from _summary_content(summary)
    if profile.model_file is not None:
        yield profile.model_file


def _summary_content(summary: Summary) -> Iterator[bytes]:
    own = [summary.model, summary.version, summary.pane_ms, summary.part.value]
    yield msgspec.json.encode([own, list(summary.cells), summary.names])
    for counts in summary.cells.values():
        yield counts.index.tobytes()
        yield counts.count.tobytes()


def _described(key: Key) -> str:
    return f"model {key[0]!r} version {key[1]!r}"


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()
