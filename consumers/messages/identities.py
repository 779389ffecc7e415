"""Hashes of record ids, of a whole column at once.

The hash of an id is MurmurHash3 (x64, 128 bits), with two seeds that follow from its model. It is
not cryptographic: it keeps ids apart that were not made to collide.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint64]

_C1, _C2 = np.uint64(0x87C37B91114253D5), np.uint64(0x4CF5AD432745937F)
_BLOCK = 16  # bytes
_AT_ONCE = 4_000  # texts; the columns of more do not fit into the cache of a core
_MASKS = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)  # keep the first n bytes


def identities(model: str, ids: pa.StringArray) -> Words:
    """The hash of each id, shape (n, 2); a collision is not expected in any lifetime."""
    digest = hashlib.blake2b(model.encode(), digest_size=16).digest()
    first, second = np.frombuffer(digest, dtype=np.uint64)
    return murmur3(ids, first, second)


def murmur3(
    texts: pa.StringArray, seed1: np.uint64 = _MASKS[0], seed2: np.uint64 = _MASKS[0]
) -> Words:
    """Of the UTF-8 of each text, shape (n, 2). Both seeds are equal in the reference."""
    start, size, words = _bytes(texts)
    hashes = np.empty((len(texts), 2), dtype=np.uint64)
    for first in range(0, len(texts), _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        hashes[some] = _hashed(words, start[some], size[some], seed1, seed2)
    return hashes


def _hashed(
    words: Words,
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    seed1: np.uint64,
    seed2: np.uint64,
) -> Words:
    h1, h2 = np.full(size.shape, seed1), np.full(size.shape, seed2)
    for at in range(0, int(size.max(initial=0)) + 1, _BLOCK):
        rows = np.flatnonzero(size >= at) if size.min() < at else slice(None)
        k1, k2 = (_word(words, start[rows], size[rows], at + i) for i in (0, 8))
        h1[rows], h2[rows] = _mixed(h1[rows], h2[rows], k1, k2, size[rows] >= at + _BLOCK)
    return _finished(h1, h2, size.astype(np.uint64))


def _bytes(texts: pa.StringArray) -> tuple[NDArray[np.int64], NDArray[np.int64], Words]:
    """Where each text starts, its bytes, and the word that starts at each position."""
    _, ends, data = texts.buffers()
    offsets = np.frombuffer(ends, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    padded = np.zeros(int(offsets[-1]) + _BLOCK, dtype=np.uint8)
    padded[: offsets[-1]] = np.frombuffer(data or b"", dtype=np.uint8)[: offsets[-1]]
    words = np.ndarray((padded.size - 7,), dtype="<u8", buffer=padded, strides=(1,))
    return offsets[:-1].astype(np.int64), np.diff(offsets).astype(np.int64), words


def _word(words: Words, start: NDArray[np.int64], size: NDArray[np.int64], at: int) -> Words:
    """Eight bytes of each text from position ``at``; zeros beyond its end."""
    left = np.clip(size - at, 0, 8)
    return words[np.where(left > 0, start + at, 0)] & _MASKS[left]


def _mixed(
    h1: Words, h2: Words, k1: Words, k2: Words, whole: NDArray[np.bool_]
) -> tuple[Words, Words]:
    """One block, or the rest of a text where it is not ``whole``."""
    h1 = h1 ^ _rotated(k1 * _C1, 31) * _C2
    next1 = (_rotated(h1, 27) + h2) * np.uint64(5) + np.uint64(0x52DCE729)
    h2 = h2 ^ _rotated(k2 * _C2, 33) * _C1
    next2 = (_rotated(h2, 31) + next1) * np.uint64(5) + np.uint64(0x38495AB5)
    return np.where(whole, next1, h1), np.where(whole, next2, h2)


def _finished(h1: Words, h2: Words, size: Words) -> Words:
    h1, h2 = h1 ^ size, h2 ^ size
    h1 = h1 + h2
    h2 = h2 + h1
    h1, h2 = _avalanche(h1), _avalanche(h2)
    h1 = h1 + h2
    return np.column_stack([h1, h2 + h1])


def _avalanche(h: Words) -> Words:
    h = (h ^ h >> np.uint64(33)) * np.uint64(0xFF51AFD7ED558CCD)
    h = (h ^ h >> np.uint64(33)) * np.uint64(0xC4CEB9FE1A85EC53)
    return h ^ h >> np.uint64(33)


def _rotated(words: Words, bits: int) -> Words:
    return words << np.uint64(bits) | words >> np.uint64(64 - bits)
