"""Rows of ``joins``: nothing is lost, and an id keeps its partition."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.joins import (
    JoinRows,
    decode_join_message,
    identity,
    identity_partition,
    join_message,
)
from consumers.messages.records import Record
from monitor.events.event_time import NEVER

rows = st.lists(
    st.tuples(
        st.binary(min_size=16, max_size=16),
        st.sampled_from([None, "1", "2.0-rc_1"]),
        st.integers(0, 2**53),
        st.booleans(),
        st.floats(0, 1),
        st.integers(0, 1),
        st.sampled_from([NEVER, 0, 2**53]),
    ),
    max_size=20,
)


@given(rows=rows)
@settings(max_examples=30, deadline=None)
def test_join_rows_are_read_as_they_were_written(rows):
    columns: Any = list(zip(*rows, strict=True)) or [()] * 7
    types = [np.int64, bool, np.float64, np.int64, np.int64]
    arrays: Any = [np.array(c, dtype=t) for c, t in zip(columns[2:], types, strict=True)]
    written = JoinRows("flight-delay", list(columns[0]), list(columns[1]), *arrays)
    message = join_message(written, 3)
    assert message.partition == 3
    read = decode_join_message(Record("joins", 3, 0, None, message.value, message.headers))
    assert isinstance(read, JoinRows)
    assert (read.model, read.ident, read.version) == (
        written.model,
        written.ident,
        written.version,
    )
    for name in ("time_ms", "late", "score", "value", "seen_ms"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()
        assert getattr(read, name).dtype == getattr(written, name).dtype


def test_an_id_keeps_its_partition():
    """The hash is part of the format: with another one, labels would not find their predictions."""
    ident = identity("flight-delay", "2013-04-01/UA1545/EWR")
    assert ident.hex() == "964b5aa9a41bd907c22c5912988ca3f5"
    assert [identity_partition(ident, n) for n in (1, 4, 7)] == [0, 3, 6]


def test_ids_are_spread_evenly_over_partitions():
    partitions = [identity_partition(identity("m", str(i)), 4) for i in range(4_000)]
    # Binomial(4000, 1/4) lies outside 1000 +- 110 with probability below 1e-4.
    assert all(abs(partitions.count(n) - 1_000) <= 110 for n in range(4))


def test_the_same_id_of_two_models_has_two_identities():
    assert identity("m", "1") != identity("n", "1")
