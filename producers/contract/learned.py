"""What was learned from a reference, as bytes: exactly what was encoded is decoded again.

A MessagePack document, zstd, with arrays as they are in memory. The key is a hash of everything
that learning depends on. Bytes with another key, or of another release with another form, are of no
use: the figures are computed again.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Struct
from numpy.typing import NDArray

from monitor.budget import Length
from monitor.counts.measured import Expectation, Metric
from monitor.counts.task import Task
from monitor.performance.degradation import Overdispersion
from monitor.plan import Plan
from monitor.statistics.natural_variation import Blocks, NaturalVariation, VariationFactors
from monitor.windows.learned import LEARNING, Learned

_CODEC = "zstd"


class _Array(Struct, frozen=True, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    data: bytes

    @classmethod
    def of(cls, array: NDArray[Any]) -> _Array:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return cls(little.dtype.str, array.shape, little.tobytes())

    def array(self) -> NDArray[Any]:
        little = np.frombuffer(self.data, dtype=self.dtype).reshape(self.shape)
        return little.astype(little.dtype.newbyteorder("="))


class _Blocks(Struct, frozen=True, array_like=True):
    panes: int
    rows: _Array
    excess: _Array
    excess_square: float


class _Variation(Struct, frozen=True, array_like=True):
    factors: VariationFactors
    lengths: list[_Blocks]


class _Expectation(Struct, frozen=True):
    """What ``Task.saved`` returns, by the type of each part."""

    arrays: dict[str, _Array]
    numbers: dict[str, float]
    overdispersions: dict[str, dict[str, Overdispersion]]


class _Document(Struct, frozen=True):
    variations: dict[str, _Variation]
    baseline: dict[str, Metric]
    dispersions: list[tuple[Length, dict[str, Overdispersion]]]
    expectation: _Expectation | None


class _Envelope(Struct, frozen=True):
    key: str
    size: int  # of the document, in bytes
    checksum: int  # of the document
    compressed: bytes


def learned_key(plan: Plan, content: str) -> str:
    """A hash of what learning depends on: the windows, and the content hash of the profile."""
    basis = msgspec.json.encode([LEARNING, plan.windows, content])
    return hashlib.sha256(basis).hexdigest()


def encode_learned(learned: Learned, key: str, task: Task) -> bytes:
    document = _ENCODER.encode(
        _Document(
            {name: _encoded_variation(each) for name, each in learned.variations.items()},
            dict(learned.baseline),
            [(length, dict(each)) for length, each in learned.dispersions.items()],
            None
            if learned.expectation is None
            else _encoded_expectation(task.saved(learned.expectation)),
        )
    )
    compressed = pa.compress(document, codec=_CODEC, asbytes=True)
    return _ENCODER.encode(_Envelope(key, len(document), zlib.crc32(document), compressed))


def decode_learned(value: bytes, key: str, task: Task) -> Learned | None:
    """None if the bytes belong to another key or release, or are damaged."""
    try:
        envelope = msgspec.msgpack.decode(value, type=_Envelope)
        if envelope.key != key:
            return None
        document = pa.decompress(envelope.compressed, envelope.size, codec=_CODEC, asbytes=True)
        if zlib.crc32(document) != envelope.checksum:
            return None
        return _decoded(msgspec.msgpack.decode(document, type=_Document), task)
    except (ValueError, TypeError, OSError):  # also msgspec's and Arrow's own errors
        return None


def encode_learned_segments(by_segment: Mapping[str, bytes]) -> bytes:
    """What was learned from the segments of a reference, each encoded by itself."""
    return _ENCODER.encode(dict(by_segment))


def decode_learned_segment(value: bytes | None, segment: str) -> bytes | None:
    """That of one segment. None if there is none, or the bytes are damaged."""
    try:
        return (
            None if value is None else msgspec.msgpack.decode(value, type=dict[str, bytes])[segment]
        )
    except (KeyError, msgspec.MsgspecError):
        return None


def _decoded(document: _Document, task: Task) -> Learned:
    expectation = document.expectation
    return Learned(
        {name: _decoded_variation(each) for name, each in document.variations.items()},
        document.baseline,
        dict(document.dispersions),
        None if expectation is None else _decoded_expectation(expectation, task),
    )


def _encoded_variation(variation: NaturalVariation) -> _Variation:
    lengths = [
        _Blocks(each.panes, _Array.of(each.rows), _Array.of(each.excess), each.excess_square)
        for each in variation.lengths
    ]
    return _Variation(variation.factors, lengths)


def _decoded_variation(variation: _Variation) -> NaturalVariation:
    lengths = tuple(
        Blocks(each.panes, each.rows.array(), each.excess.array(), each.excess_square)
        for each in variation.lengths
    )
    return NaturalVariation(lengths, variation.factors)


def _encoded_expectation(saved: Mapping[str, Any]) -> _Expectation:
    arrays = {name: _Array.of(v) for name, v in saved.items() if isinstance(v, np.ndarray)}
    mappings = {name: dict(v) for name, v in saved.items() if isinstance(v, Mapping)}
    numbers = {name: v for name, v in saved.items() if name not in {*arrays, *mappings}}
    return _Expectation(arrays, numbers, mappings)


def _decoded_expectation(saved: _Expectation, task: Task) -> Expectation:
    arrays = {name: array.array() for name, array in saved.arrays.items()}
    return task.restored({**arrays, **saved.numbers, **saved.overdispersions})


def _number(value: object) -> float | int | bool:
    """A scalar of NumPy, which MessagePack does not know."""
    if isinstance(value, np.generic):
        return value.item()  # type: ignore[no-any-return]
    raise NotImplementedError(f"{type(value).__name__} cannot be encoded")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_number)
