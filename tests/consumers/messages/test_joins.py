"""Rows of ``joins``: nothing is lost, and an id keeps its partition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.arrow import ARROW_HEADERS, arrow_metadata, read_arrow
from consumers.messages.joins import (
    JoinColumns,
    JoinRows,
    decode_join_message,
    identity,
    identity_partition,
    join_message,
    most_rows,
)
from consumers.messages.reading import MalformedMessage
from consumers.messages.records import Record
from monitor.events.event_time import NEVER
from producers.contract.column_checks import END_MS
from producers.contract.summaries import encode_table

rows = st.lists(
    st.tuples(
        st.binary(min_size=16, max_size=16),
        st.sampled_from([None, "1", "2.0-rc_1"]),
        st.integers(0, END_MS - 1),
        st.booleans(),
        st.floats(0, 1),
        st.integers(0, 1),
        st.sampled_from([NEVER, 0, 2**53]),
        st.sampled_from([0, 1, 65_535]),
    ),
    max_size=20,
)


@given(rows=rows)
@settings(max_examples=30, deadline=None)
def test_join_rows_are_read_as_they_were_written(rows):
    columns: Any = list(zip(*rows, strict=True)) or [()] * 8
    types = [np.int64, bool, np.float64, np.float64, np.int64, np.int64]
    arrays: Any = [np.array(c, dtype=t) for c, t in zip(columns[2:], types, strict=True)]
    written = JoinRows("flight-delay", list(columns[0]), list(columns[1]), *arrays)
    message = join_message(written, 3)
    assert message.partition == 3
    read = decode_join_message(Record("joins", 3, 0, None, message.value, message.headers))
    assert isinstance(read, JoinColumns)
    versions = [*read.versions, None]  # -1: None
    assert read.model == written.model
    assert [one.tobytes() for one in read.ident] == written.ident
    assert [versions[number] for number in read.version] == written.version
    for name in ("time_ms", "late", "score", "value", "seen_ms", "life"):
        assert getattr(read, name).tolist() == getattr(written, name).tolist()
        assert getattr(read, name).dtype == getattr(written, name).dtype


def test_scores_of_classes_are_read_as_they_were_written_and_bound_the_rows_of_a_message():
    scores = np.array([[0.25, 0.75, 0.0], [np.nan, np.nan, np.nan]])
    one, flag = np.ones(2, dtype=np.int64), np.ones(2, dtype=bool)
    rows = JoinRows("m", [bytes(16)] * 2, ["1", "1"], one, flag, scores, one * 1.0, one, one)
    message = join_message(rows, 0)
    read = decode_join_message(Record("joins", 0, 0, None, message.value, message.headers))
    assert isinstance(read, JoinColumns)
    assert read.scores == [row.tobytes() for row in scores]
    assert most_rows(10_000, np.zeros(1)) == 10_000
    assert most_rows(10_000, np.zeros((1, 100))) == 10_000 * 60 // 860


def message_of(columns: dict[str, Any]) -> Record:
    ones = {"time_ms": [1], "late": [False], "score": [0.5], "value": [1.0], "seen_ms": [1]}
    table = pa.table({"ident": [bytes(16)], "version": ["1"], **ones, **columns})
    metadata = {**arrow_metadata("joins"), "model": "m"}
    value = encode_table(table.replace_schema_metadata(metadata))
    return Record("joins", 0, 0, None, value, ARROW_HEADERS)


def test_join_rows_have_values_as_float64_and_a_list_of_segments():
    one: Any = np.array([1])
    flag, number = one.astype(bool), one.astype(float)
    rows = JoinRows("m", [bytes(16)], ["1"], one, flag, number, one, one, one)
    message = join_message(rows, 0)
    _, table = read_arrow(message.value, "joins")
    assert table.schema.field("value").type == pa.float64()
    assert table.schema.field("segments").type == pa.list_(pa.string())
    assert table["segments"].to_pylist() == [[]]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"value": pa.array([1], pa.int8())}, id="of an earlier release"),
        pytest.param({"segments": [["country=fr", "tier=1"]]}, id="with segments"),
        pytest.param({"later": [1]}, id="of a later release"),
    ],
)
def test_join_rows_of_other_releases_are_read(columns):
    read = decode_join_message(message_of(columns))
    assert isinstance(read, JoinColumns)
    assert (read.value.tolist(), read.value.dtype) == ([1], np.float64)
    assert (read.life.tolist(), read.life.dtype) == ([0], np.int64)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_predictions_of_a_class_that_is_not_whole_are_refused_and_not_rounded(value):
    with pytest.raises(MalformedMessage, match="not whole numbers"):
        decode_join_message(message_of({"value": [value]}))


def test_a_label_is_any_finite_number():
    label = {"version": pa.array([None], pa.string())}
    read = decode_join_message(message_of({"value": [-0.5], **label}))
    assert isinstance(read, JoinColumns)
    assert read.value.tolist() == [-0.5]
    for value in (np.nan, np.inf):
        with pytest.raises(MalformedMessage, match="not a finite number"):
            decode_join_message(message_of({"value": [value], **label}))


def test_an_id_keeps_its_partition():
    """The hash is part of the format: with another one, labels would not find their predictions."""
    ident = identity("flight-delay", "2013-04-01/UA1545/EWR")
    assert ident.hex() == "e3fdb2f73a7d0ac75ad19e0db13e1013"
    assert [identity_partition(ident, n) for n in (1, 4, 7)] == [0, 3, 0]


def test_ids_are_spread_evenly_over_partitions():
    partitions = [identity_partition(identity("m", str(i)), 4) for i in range(4_000)]
    # Binomial(4000, 1/4) lies outside 1000 +- 110 with probability below 1e-4.
    assert all(abs(partitions.count(n) - 1_000) <= 110 for n in range(4))


def test_the_same_id_of_two_models_has_two_identities():
    assert identity("m", "1") != identity("n", "1")
