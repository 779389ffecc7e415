"""Confluent's wire format: https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/"""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.sources.schemas.wire_format import HEADER, unframed
from producers.contract.records import Undecodable
from tests.consumers.sources.schemas.fake_registry import GUID

GUID_BYTES = UUID(GUID).bytes
ONE = b"\0\0\0\0\1"


@pytest.mark.parametrize(
    ("value", "header", "expected"),
    [
        (b"\0\0\0\1\2data", None, (258, (), b"data")),
        (b"\1" + GUID_BYTES + b"data", None, (UUID(GUID), (), b"data")),
        (b"\0data", ONE, (1, (), b"\0data")),
        (b"data", b"\1" + GUID_BYTES, (UUID(GUID), (), b"data")),
    ],
)
def test_the_id_precedes_the_data_or_is_in_a_header(value, header, expected):
    headers = [("other", b"x"), (HEADER, header)]
    assert unframed(value, lambda: headers, indexed=False) == expected


@pytest.mark.parametrize(
    ("indexes", "expected"),
    [(b"\0", (0,)), (b"\2\0", (0,)), (b"\4\2\0", (1, 0)), (b"\2\xc8\1", (100,))],
)
def test_message_indexes_of_protobuf_are_zigzag_varints(indexes, expected):
    assert unframed(ONE + indexes + b"x", lambda: (), indexed=True) == (1, expected, b"x")
    in_header = [(HEADER, ONE + indexes)]
    assert unframed(b"x", lambda: in_header, indexed=True) == (1, expected, b"x")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "a tombstone"),
        (b"", "end within the id"),
        (b"\0\0\0", "end within the id"),
        (b'{"a": 1}', "begins with byte 123: expected 0 or 1"),
        (ONE, "end within"),  # no message indexes
        (ONE + b"\2", "end within"),
        (ONE + b"\1", "has -1 message indexes"),
        (ONE + b"\xff" * 20, "too long"),
    ],
)
def test_other_bytes_are_refused_with_a_sentence(value, said):
    with pytest.raises(Undecodable, match=said):
        unframed(value, lambda: (), indexed=True)


@given(value=st.binary(max_size=40), header=st.none() | st.binary(max_size=20))
def test_any_bytes_are_framed_or_refused(value: bytes, header: bytes | None):
    for indexed in (True, False):
        try:
            found = unframed(value, lambda: [(HEADER, header)], indexed=indexed)
        except Undecodable:
            continue
        assert value.endswith(found.data)
