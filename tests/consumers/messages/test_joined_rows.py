"""Joined rows in messages: nothing is lost, and no message grows too large."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from consumers.messages.arrow import ARROW_HEADERS, arrow_metadata
from consumers.messages.joined_rows import MOST_ROWS, joined_rows_messages
from consumers.messages.reading import MalformedMessage
from consumers.messages.records import Record
from consumers.messages.summaries import decode_summary_message
from monitor.counts.joined_rows import JoinedRows
from producers.contract.partitions import model_partition
from producers.contract.summaries import encode_table

COLUMNS = [field.name for field in fields(JoinedRows)][2:]


def random_rows(rows: int) -> JoinedRows:
    rng = np.random.default_rng(7)
    times: Any = [rng.integers(-(2**62), 2**62, rows) for _ in range(2)]
    small: Any = [rng.integers(-2, 2, rows) for _ in range(4)]
    return JoinedRows(
        "flight-delay",
        "1",
        times[0],
        rng.random(rows),
        small[0],
        rng.normal(size=rows),
        times[1],
        *small[2:],
        abs(times[1]) % 7,
    )


@pytest.mark.parametrize("rows", [0, 1, MOST_ROWS, 2 * MOST_ROWS + 1])
def test_joined_rows_are_read_as_they_were_written_from_small_messages(rows):
    written = random_rows(rows)
    messages = list(joined_rows_messages(written, 5))
    assert {m.partition for m in messages} <= {model_partition("flight-delay", 5)}
    assert all(len(m.value or b"") < 512_000 for m in messages)
    read: Any = [
        decode_summary_message(Record("summaries", 0, 0, m.key, m.value, m.headers))
        for m in messages
    ]
    assert {(piece.model, piece.version) for piece in read} <= {("flight-delay", "1")}
    for name in COLUMNS:
        column: Any = getattr(written, name)
        assert [value for piece in read for value in getattr(piece, name)] == column.tolist()
        assert {getattr(piece, name).dtype for piece in read} <= {column.dtype}


@pytest.mark.parametrize("column", [{"label": ["x"]}, {"score": ["x"]}, {}])
def test_message_with_other_columns_is_malformed(column):
    table = pa.table({"time_ms": [1], "predicted": [1.0], **column})
    metadata = {**arrow_metadata("joined_rows"), "model": "m", "version": "1"}
    value = encode_table(table.replace_schema_metadata(metadata))
    with pytest.raises(MalformedMessage):
        decode_summary_message(Record("summaries", 0, 0, None, value, ARROW_HEADERS))
