"""The blobs of a profile: head, samples, panes and, if there is one, the model file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric, Reference
from monitor.counts.profile import Profile
from monitor.counts.schema import Schema
from monitor.counts.summary import Summary
from monitor.counts.task import Task
from producers.contract.summaries import (
    arrays_of_lists,
    decode_summaries,
    decode_table,
    encode_summaries,
    encode_table,
    list_column,
)


class NumericHead(Struct, frozen=True, tag="numeric"):
    low: float
    high: float


class CategoricalHead(Struct, frozen=True, tag="categorical", omit_defaults=True):
    categories: list[str]
    counts: list[int]
    rarer: bytes = b""  # little-endian hashes of 32 bits; omitted if there are none


class Head(Struct, frozen=True, kw_only=True):
    """Everything except samples and panes, as readable JSON. Samples have the features' order."""

    schema: Literal[1] = 1
    model: str
    version: str
    pane_ms: int
    threshold: float
    features: dict[str, NumericHead | CategoricalHead]
    score: NumericHead
    errors: NumericHead | None
    label_delay_ms: dict[str, int]

    @property
    def kinds(self) -> dict[str, bool]:
        """Whether each feature is numeric."""
        return {name: isinstance(each, NumericHead) for name, each in self.features.items()}


def encode_blobs(profile: Profile) -> dict[str, bytes]:
    """By name; the same profile gives the same bytes with the same release of Arrow."""
    blobs = {
        "head": msgspec.json.encode(head_of(profile)),
        "samples": _encode_samples(profile.schema),
        "panes": encode_summaries(profile.panes),
    }
    return blobs if profile.model_file is None else {**blobs, "model": profile.model_file}


def decode_blobs(blobs: Mapping[str, bytes], task: Task) -> Profile:
    """Raises ``KeyError``, ``ValueError``, ``StopIteration`` or ``msgspec.MsgspecError``."""
    panes = tuple(decode_summaries(blobs["panes"]))
    label_delay_ms = decode_head(blobs).label_delay_ms
    return Profile(decode_schema(blobs, task), panes, label_delay_ms, blobs.get("model"))


def decode_head(blobs: Mapping[str, bytes]) -> Head:
    """Raises ``KeyError`` or ``msgspec.MsgspecError``."""
    return msgspec.json.decode(blobs["head"], type=Head)


def decode_schema(blobs: Mapping[str, bytes], task: Task) -> Schema:
    """From head and samples. Raises like ``decode_blobs``."""
    head, samples = decode_head(blobs), _decode_samples(blobs["samples"])
    features = {name: _reference(part, samples) for name, part in head.features.items()}
    return Schema(
        head.model,
        head.version,
        head.pane_ms,
        head.threshold,
        features,
        _numeric(head.score, samples),
        None if head.errors is None else _numeric(head.errors, samples),
        task,
    )


def head_of(profile: Profile) -> Head:
    schema = profile.schema
    return Head(
        model=schema.model,
        version=schema.version,
        pane_ms=schema.pane_ms,
        threshold=schema.threshold,
        features={name: _reference_head(ref) for name, ref in schema.features.items()},
        score=_numeric_head(schema.score),
        errors=None if schema.errors is None else _numeric_head(schema.errors),
        label_delay_ms=dict(profile.label_delay_ms),
    )


def _reference_head(reference: Reference) -> NumericHead | CategoricalHead:
    if isinstance(reference, Categorical):
        rarer = reference.rarer.astype("<u4").tobytes()
        return CategoricalHead(list(reference.categories), reference.counts.tolist(), rarer)
    return _numeric_head(reference)


def _numeric_head(numeric: Numeric) -> NumericHead:
    return NumericHead(numeric.low, numeric.high)


def _reference(head: NumericHead | CategoricalHead, samples: Iterator[Sample]) -> Reference:
    if isinstance(head, CategoricalHead):
        counts = np.array(head.counts, dtype=np.int64)
        rarer = np.frombuffer(head.rarer, dtype="<u4").astype(np.uint32)
        return Categorical(tuple(head.categories), counts, rarer)
    return _numeric(head, samples)


def _numeric(head: NumericHead, samples: Iterator[Sample]) -> Numeric:
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


def profile_content(profile: Profile) -> Iterator[bytes]:
    """The content of a profile in pieces, uncompressed."""
    yield msgspec.json.encode(head_of(profile))
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
