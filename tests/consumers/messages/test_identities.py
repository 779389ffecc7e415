"""Hashes of ids: MurmurHash3 of each text, whatever the column around it."""

from __future__ import annotations

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages import identities as module
from consumers.messages.identities import identities, murmur3

MASK = 2**64 - 1


def reference(data: bytes) -> tuple[int, int]:
    """MurmurHash3_x64_128 of Austin Appleby, with seed 0, one block after the other."""
    c1, c2, h1, h2 = 0x87C37B91114253D5, 0x4CF5AD432745937F, 0, 0
    for at in range(0, len(data) - len(data) % 16, 16):
        k1, k2 = struct.unpack_from("<QQ", data, at)
        h1 = (rotated(h1 ^ rotated(k1 * c1, 31) * c2 & MASK, 27) + h2) * 5 + 0x52DCE729 & MASK
        h2 = (rotated(h2 ^ rotated(k2 * c2, 33) * c1 & MASK, 31) + h1) * 5 + 0x38495AB5 & MASK
    tail = data[len(data) - len(data) % 16 :].ljust(16, b"\0")
    k1, k2 = struct.unpack("<QQ", tail)
    h2 ^= rotated(k2 * c2, 33) * c1 & MASK
    h1 ^= rotated(k1 * c1, 31) * c2 & MASK
    h1, h2 = h1 ^ len(data), h2 ^ len(data)
    h1 = h1 + h2 & MASK
    h2 = h2 + h1 & MASK
    h1, h2 = avalanche(h1), avalanche(h2)
    h1 = h1 + h2 & MASK
    return h1, h2 + h1 & MASK


def rotated(k: int, bits: int) -> int:
    k &= MASK
    return (k << bits | k >> 64 - bits) & MASK


def avalanche(h: int) -> int:
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCD & MASK
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53 & MASK
    return h ^ h >> 33


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0)),
        ("hello", (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19)),
        ("hello, world", (0x342FAC623A5EBC8E, 0x4CDCBC079642414D)),
        ("19 Jan 2038 at 3:14:07 AM", (0xB89E5988B737AFFC, 0x664FC2950231B2CB)),
        (
            "The quick brown fox jumps over the lazy dog.",
            (0xCD99481F9EE902C9, 0x695DA1A38987B6E7),
        ),
    ],
)
def test_murmur3_of_the_published_examples(text, expected):
    assert tuple(murmur3(pa.array([text])).tolist()[0]) == expected
    assert reference(text.encode()) == expected


@given(st.lists(st.text(max_size=70), max_size=12), st.integers(0, 12))
def test_murmur3_of_each_text_does_not_depend_on_the_others(texts, first):
    column = pa.array(texts, pa.string())[first:]
    expected = [reference(text.encode()) for text in texts[first:]]
    assert [tuple(row) for row in murmur3(column).tolist()] == expected


def test_murmur3_of_a_column_longer_than_a_chunk(monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    texts = [str(i) * (i % 40) for i in range(100)]
    expected = [reference(text.encode()) for text in texts]
    assert [tuple(row) for row in murmur3(pa.array(texts)).tolist()] == expected


def test_identities_of_the_same_ids_of_two_models_differ():
    ids = pa.array([str(i) for i in range(1_000)])
    assert np.unique(np.concatenate([identities(m, ids) for m in "mn"]), axis=0).shape == (2_000, 2)
