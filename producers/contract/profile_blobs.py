"""The blobs of a profile: head, samples, panes and, if there is one, the model file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import UNSET, Struct, UnsetType, structs

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric, Reference
from monitor.counts.profile import Profile, with_shares
from monitor.counts.schema import Schema
from monitor.counts.segmentation import Segmentation
from monitor.counts.segments import SegmentIndex
from monitor.counts.summary import Summary
from monitor.counts.task import Task
from monitor.tasks.registry import DEFAULT, TASKS
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


class TaskHead(Struct, frozen=True):
    name: str
    parameters: dict[str, Any]


class SegmentationHead(Struct, frozen=True):
    by: list[str]  # as in the settings
    segments: list[str]


class Head(Struct, frozen=True, kw_only=True):
    """Everything except samples and panes, as readable JSON.

    Samples have the order of the features, the outputs and the errors; those of the segments
    follow, one segment after the other. A field that a profile of the default task without segments
    does not need is left out, so that profiles stay the same.
    """

    schema: Literal[1] = 1
    model: str
    version: str
    pane_ms: int
    threshold: float
    features: dict[str, NumericHead | CategoricalHead]
    score: NumericHead | None
    errors: NumericHead | None
    label_delay_ms: dict[str, int]
    other_outputs: dict[str, NumericHead | CategoricalHead] | UnsetType = UNSET  # see ``outputs``
    other_errors: dict[str, NumericHead] | UnsetType = UNSET
    task: TaskHead | UnsetType = UNSET  # the default one
    segmentations: list[SegmentationHead] | UnsetType = UNSET
    segments: dict[str, Head] | UnsetType = UNSET  # each of its rows, by text

    @property
    def kinds(self) -> dict[str, bool]:
        """Whether each feature is numeric."""
        return {name: isinstance(each, NumericHead) for name, each in self.features.items()}

    @property
    def outputs(self) -> dict[str, NumericHead | CategoricalHead]:
        """In their order; ``score`` is one that is the first."""
        first = {} if self.score is None else {"score": self.score}
        return {**first, **(self.other_outputs or {})}

    @property
    def all_errors(self) -> dict[str, NumericHead]:
        """Empty: the reference had no labels."""
        first = {} if self.errors is None else {"errors": self.errors}
        return {**first, **(self.other_errors or {})}

    @property
    def task_name(self) -> str:
        return self.task.name if self.task else DEFAULT


def encode_blobs(profile: Profile) -> dict[str, bytes]:
    """By name; the same profile gives the same bytes with the same release of Arrow."""
    blobs = {
        "head": msgspec.json.encode(head_of(profile)),
        "samples": _encode_samples(profile.schema),
        "panes": encode_summaries(_all_panes(profile)),
    }
    return blobs if profile.model_file is None else {**blobs, "model": profile.model_file}


def decode_blobs(blobs: Mapping[str, bytes]) -> Profile:
    """Raises ``KeyError``, ``ValueError``, ``StopIteration`` or ``msgspec.MsgspecError``."""
    panes = dict[str, list[Summary]]()
    for pane in decode_summaries(blobs["panes"]):
        panes.setdefault(pane.segment, []).append(pane)
    schema, label_delay_ms = decode_schema(blobs), decode_head(blobs).label_delay_ms
    segments = {
        text: Profile(each, tuple(panes.get(text, ())), label_delay_ms)
        for text, each in schema.segments.items()
    }
    own = tuple(panes.get("", ()))
    return with_shares(Profile(schema, own, label_delay_ms, blobs.get("model"), segments=segments))


def decode_head(blobs: Mapping[str, bytes]) -> Head:
    """Raises ``KeyError`` or ``msgspec.MsgspecError``."""
    return msgspec.json.decode(blobs["head"], type=Head)


def decode_schema(blobs: Mapping[str, bytes]) -> Schema:
    """From head and samples. Raises like ``decode_blobs``."""
    head, samples = decode_head(blobs), _decode_samples(blobs["samples"])
    schema = _schema(head, samples)
    indices = tuple(
        SegmentIndex(Segmentation.of(each.by), tuple(each.segments))
        for each in head.segmentations or ()
    )
    segments = {
        text: replace(_schema(each, samples), task=schema.task, segment=text, within=indices)
        for text, each in (head.segments or {}).items()
    }
    return replace(schema, segmentations=indices, segments=segments)


def _schema(head: Head, samples: Iterator[Sample]) -> Schema:
    features = {name: _reference(part, samples) for name, part in head.features.items()}
    return Schema(
        head.model,
        head.version,
        head.pane_ms,
        head.threshold,
        features,
        {name: _reference(part, samples) for name, part in head.outputs.items()},
        {name: _numeric(part, samples) for name, part in head.all_errors.items()},
        _task(head),
    )


def head_of(profile: Profile) -> Head:
    return _whole_head(profile) if profile.segments else _head_of(profile)


def _whole_head(profile: Profile) -> Head:
    """Of a profile with segments."""
    return structs.replace(
        _head_of(profile),
        segmentations=[
            SegmentationHead([str(one) for one in each.segmentation.dimensions], list(each.texts))
            for each in profile.schema.segmentations
        ],
        segments={
            text: structs.replace(_head_of(each), task=UNSET)
            for text, each in profile.segments.items()
        },
    )


def _head_of(profile: Profile) -> Head:
    schema, task = profile.schema, profile.schema.task
    named = TaskHead(task.name, dict(task.parameters()))

    outputs = {name: _reference_head(each) for name, each in schema.outputs.items()}
    errors = {name: _numeric_head(each) for name, each in schema.errors.items()}
    score = outputs.pop("score") if next(iter(outputs), None) == "score" else None
    first_error = errors.pop("errors", None)
    return Head(
        model=schema.model,
        version=schema.version,
        pane_ms=schema.pane_ms,
        threshold=schema.threshold,
        features={name: _reference_head(ref) for name, ref in schema.features.items()},
        score=score if isinstance(score, NumericHead) else None,
        errors=first_error,
        label_delay_ms=dict(profile.label_delay_ms),
        other_outputs=outputs or UNSET,
        other_errors=errors or UNSET,
        task=UNSET if named.name == DEFAULT else named,
    )


def _task(head: Head) -> Task:
    if head.task_name not in TASKS:
        raise ValueError(f"the task {head.task_name!r} is not known to this release")
    return TASKS[head.task_name].decoded(head.task.parameters if head.task else {})


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
    """The samples of the numeric features, the outputs and the errors, in their order."""
    references = (dict(schema.numeric), schema.numeric_outputs, schema.errors)
    own = [numeric.sample for each in references for numeric in each.values()]
    return [*own, *(sample for each in schema.segments.values() for sample in _samples(each))]


def _all_panes(profile: Profile) -> list[Summary]:
    return [*profile.panes, *(pane for one in profile.segments.values() for pane in one.panes)]


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
    for summary in _all_panes(profile):
        yield from _summary_content(summary)
    if profile.model_file is not None:
        yield profile.model_file


def _summary_content(summary: Summary) -> Iterator[bytes]:
    own = [summary.model, summary.version, summary.pane_ms, summary.part.value]
    own += [summary.segment] if summary.segment else []
    yield msgspec.json.encode([own, list(summary.cells), summary.names])
    for counts in summary.cells.values():
        yield counts.index.tobytes()
        yield counts.count.tobytes()
