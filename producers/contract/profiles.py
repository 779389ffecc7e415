"""The bytes of a reference profile: parts small enough for any broker, and a manifest, last.

Theory of operation
-------------------
A profile is cut into *blobs* (its head, samples, panes and, if Driftline trained it, the model's
file), and each blob into parts of at most ``PART_BYTES``. Every part is one message with the key
``model/version/part``; the manifest lists them with their sizes and hashes. Parts lie in several
partitions and arrive in any order, so a profile is read when its manifest's parts are all there.

The content hash is taken over what a profile means, not over its compressed bytes, so that another
release of Arrow does not make the same content look new.
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
    arrays,
    decode_summaries,
    decode_table,
    encode_summaries,
    encode_table,
    lists,
)

PART_BYTES = 500_000
MANIFEST = "manifest"


class InvalidProfile(BadInput):
    """Messages that make no profile, or another one under a name that is taken."""


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
    """SHA-256 over everything that the profile says; the same wherever and whenever it is taken."""
    digest = hashlib.sha256()
    for piece in _content(profile):
        digest.update(len(piece).to_bytes(8, "little"))
        digest.update(piece)
    return digest.hexdigest()


class ProfileReader:
    """Puts profiles together from messages in any order. Remembers the content of each."""

    def __init__(self) -> None:
        self.content: dict[tuple[str, str], str] = {}
        self._manifests: dict[tuple[str, str], _Manifest] = {}
        self._parts: dict[tuple[str, str], dict[str, bytes]] = {}

    def add(self, key: bytes | None, value: bytes | None) -> Profile | None:
        """The profile that this message completes, if it does.

        A profile never changes: what comes later under the same model and version is passed over
        if it is the same, and raises ``InvalidProfile`` if it is not, as does a message that is no
        part of a profile. Either way everything read before stands.
        """
        if value is None:  # deleted: whatever was read of it before stays
            return None
        model, version, part = _split(key)
        if part == MANIFEST:
            self._take_manifest((model, version), value)
        elif (model, version) not in self.content:
            self._parts.setdefault((model, version), {})[part] = value
        return self._completed((model, version))

    def _take_manifest(self, of: tuple[str, str], value: bytes) -> None:
        try:
            manifest = msgspec.json.decode(value, type=_Manifest)
        except msgspec.MsgspecError as error:
            raise InvalidProfile(f"the manifest of {_named(of)} cannot be read: {error}") from error
        known = self.content.get(of) or manifest.content
        if known != manifest.content:
            raise InvalidProfile(f"{_named(of)} came again with other content: the first one stays")
        if of not in self.content:
            self._manifests[of] = manifest

    def _completed(self, of: tuple[str, str]) -> Profile | None:
        manifest, parts = self._manifests.get(of), self._parts.get(of, {})
        if manifest is None or not manifest.matches(parts):
            return None
        del self._manifests[of], self._parts[of]
        profile = _decoded(of, manifest, parts)
        self.content[of] = manifest.content
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
        """Hashes nothing before everything is there."""
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
    """The part of a profile that people can read. Samples follow in the order of the features."""

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


def _decoded(of: tuple[str, str], manifest: _Manifest, parts: Mapping[str, bytes]) -> Profile:
    blobs: dict[str, bytes] = {}
    for part in manifest.parts:
        name = part.name.rpartition("-")[0]
        blobs[name] = blobs.get(name, b"") + parts[part.name]
    try:
        profile = _profile(blobs)
    except (KeyError, ValueError, StopIteration, msgspec.MsgspecError) as error:
        raise InvalidProfile(f"the parts of {_named(of)} make no profile: {error}") from error
    if content_hash(profile) != manifest.content or (profile.model, profile.version) != of:
        raise InvalidProfile(f"the parts of {_named(of)} are not what its manifest promises")
    return profile


def _profile(blobs: Mapping[str, bytes]) -> Profile:
    head = msgspec.json.decode(blobs["head"], type=_Head)
    samples = _decode_samples(blobs["samples"])
    features = {name: _reference(of, samples) for name, of in head.features.items()}
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
        features={name: _reference_head(of) for name, of in schema.features.items()},
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
    """Of the numeric features in their order, then of the score, then of the errors."""
    features = [numeric.sample for _, numeric in schema.numeric]
    last = [] if schema.errors is None else [schema.errors.sample]
    return [*features, schema.score.sample, *last]


def _encode_samples(schema: Schema) -> bytes:
    samples = _samples(schema)
    columns = {
        "values": lists([sample.values for sample in samples], pa.float64()),
        "weights": lists([sample.weights for sample in samples], pa.int64()),
    }
    return encode_table(pa.table(columns))


def _decode_samples(blob: bytes) -> Iterator[Sample]:
    table = decode_table(blob)
    return map(Sample, arrays(table["values"], np.float64), arrays(table["weights"], np.int64))


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


def _split(key: bytes | None) -> tuple[str, str, str]:
    pieces = (key or b"").decode(errors="replace").split("/")
    if len(pieces) != 3:
        raise InvalidProfile(f"{'/'.join(pieces)!r} is no key of a profile: model/version/part")
    return pieces[0], pieces[1], pieces[2]


def _named(of: tuple[str, str]) -> str:
    return f"model {of[0]!r} version {of[1]!r}"


def _sha256(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()
