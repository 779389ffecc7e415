"""Arrow as columns: row by row what the same rows come to as JSON."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from consumers.messages.records import RecordBlock
from consumers.sources.groups import Decoded
from monitor.counts.summary import Quality
from producers.contract.arrow_columns import MAX_ROWS, MAX_VALUES
from tests.consumers.in_memory import T0
from tests.consumers.sources.arrow_messages import (
    ARROW_HEADERS,
    as_json,
    labels,
    message,
    predictions,
)
from tests.consumers.sources.decoded import (
    block,
    in_order,
    labels_by_place,
    predictions_by_place,
    validator,
)
from tests.consumers.sources.mutations import Fields

ROWS = [6_000, pytest.param(200_000, marks=pytest.mark.long)]


def some_messages(rng: random.Random, make: Any) -> tuple[list[bytes | None], list[Fields]]:
    """Messages of all sizes, clean and dirty ones, some compressed; and all of their rows."""
    values: list[bytes | None] = []
    rows: list[Fields] = []
    for _ in range(rng.choice([1, 2, 5])):
        dirt = rng.choice([0.0, 0.02, 0.3])
        table, fields = make(rng, rng.choice([0, 1, 2, 30, 400]), dirt)
        compression = rng.choice([None, "lz4", "zstd"])
        in_batches = rng.choice([None, 1, 7])
        for _again in range(rng.choice([1, 1, 2])):  # of the same schema, in one table
            values.append(message(table, in_batches, compression=compression))
            rows += fields
    return values, rows


def arrow(values: list[bytes | None], topic: str = "predictions") -> RecordBlock:
    return block(values, topic, ARROW_HEADERS)


@pytest.mark.parametrize("rows", ROWS)
def test_predictions_come_to_what_they_come_to_as_json(rows):
    rng, done, refused = random.Random(rows), 0, 0
    while done < rows:
        values, fields = some_messages(rng, predictions)
        found = in_order(predictions_by_place(validator().predictions(arrow(values))))
        documents: list[bytes | None] = [as_json(one) for one in fields]
        expected = in_order(predictions_by_place(validator().predictions(block(documents))))
        for is_, should_be, one in zip(found, expected, fields, strict=True):
            assert is_ == should_be, one
        done += len(fields)
        refused += sum(len(row) == 2 for row in expected)
    assert 0.1 < refused / done < 0.6, "both sides of the contract are met often"


@pytest.mark.parametrize("rows", ROWS)
def test_labels_come_to_what_they_come_to_as_json(rows):
    rng, done, refused = random.Random(rows), 0, 0
    while done < rows:
        values, fields = some_messages(rng, labels)
        found = in_order(labels_by_place(validator().labels(arrow(values, "labels"))))
        documents: list[bytes | None] = [as_json(one) for one in fields]
        expected = in_order(labels_by_place(validator().labels(block(documents, "labels"))))
        for is_, should_be, one in zip(found, expected, fields, strict=True):
            assert is_ == should_be, one
        done += len(fields)
        refused += sum(len(row) == 2 for row in expected)
    assert 0.1 < refused / done < 0.6, "both sides of the contract are met often"


def test_rows_that_the_row_decoder_accepts_after_all_are_in_their_order(monkeypatch):
    """A check by columns that is too strict costs time only."""
    rng = random.Random(3)
    monkeypatch.setattr("consumers.sources.arrow_rows.MAX_ID_LENGTH", 2)
    for make, places, topic in (
        (predictions, predictions_by_place, "predictions"),
        (labels, labels_by_place, "labels"),
    ):
        table, fields = make(rng, 300, 0.02)
        found = getattr(validator(), topic)(arrow([message(table)], topic))
        documents: list[bytes | None] = [as_json(one) for one in fields]
        expected = getattr(validator(), topic)(block(documents, topic))
        assert in_order(places(found)) == in_order(places(expected))  # type: ignore[operator]


# -- values that JSON does not have ------------------------------------------------------------


def row(**columns: Any) -> pa.Table:
    """One prediction; a column of None is left out."""
    plain = {"id": ["r1"], "time": [T0], "model": ["m"], "version": ["1"], "score": [0.7]}
    given = {**plain, "x": [0.1], "c": ["a"], **columns}
    return pa.table({name: values for name, values in given.items() if values is not None})


def the_row(table: pa.Table) -> Any:
    (found,) = predictions_by_place(validator().predictions(arrow([message(table)]))).values()
    return found


def test_a_time_is_rounded_down_to_a_millisecond():
    for unit, time in (("us", T0 * 1_000 + 999), ("ns", T0 * 1_000_000 + 999_999)):
        assert the_row(row(time=pa.array([time], pa.timestamp(unit))))[2] == T0


def test_a_time_with_a_time_zone_is_the_instant_and_one_without_is_utc():
    for zone in ("Europe/Paris", None):
        assert the_row(row(time=pa.array([T0], pa.timestamp("ms", zone))))[2] == T0


def test_a_float32_is_the_double_of_its_shortest_digits():
    features = the_row(row(x=pa.array([0.1], pa.float32()), c=pa.array([0.1], pa.float32())))[5]
    assert features["x"] == (0.1, None)
    assert features["c"] == ("0.1", None)


def test_an_infinite_number_is_not_finite():
    assert the_row(row(x=[-np.inf]))[5]["x"] == (-np.inf, Quality.NOT_FINITE)


# -- messages that are refused as a whole ------------------------------------------------------

NUMBERS = "expected numbers, booleans or text, dictionary-encoded or not"


@pytest.mark.parametrize(
    ("value", "reason", "error"),
    [
        pytest.param(None, "undecodable", "a tombstone: the record has no value", id="tombstone"),
        pytest.param(b"", "undecodable", "not an Arrow stream: ", id="nothing"),
        pytest.param(b'{"id": "r1"}', "undecodable", "not an Arrow stream: ", id="JSON"),
        pytest.param(message(row())[:-30], "undecodable", "not an Arrow stream: ", id="cut"),
        pytest.param(
            message(row(time=None)),
            "contract",
            "column 'time' is missing: expected timestamps, or integers: milliseconds since 1970"
            " UTC",
            id="a column is missing",
        ),
        pytest.param(
            message(row(time=["2013-04-01T09:15:00Z"])),
            "contract",
            "column 'time' has type string: expected timestamps, or integers: milliseconds since"
            " 1970 UTC",
            id="a time as text",
        ),
        pytest.param(
            message(row(model=[1])),
            "contract",
            "column 'model' has type int64: expected text, dictionary-encoded or not",
            id="a model as number",
        ),
        pytest.param(
            message(row(score=["0.5"])),
            "contract",
            "column 'score' has type string: expected numbers",
            id="a score as text",
        ),
        pytest.param(
            message(row(x=[[1.0]])),
            "contract",
            f"column 'x' has type list<item: double>: {NUMBERS}",
            id="a nested feature",
        ),
        pytest.param(
            message(row().append_column("x", pa.array(["1"]))),
            "contract",
            "column 'x' is there 2 times: expected one",
            id="a column twice",
        ),
        pytest.param(
            message(row().replace_schema_metadata({"schema": "2"})),
            "contract",
            "its metadata have schema=2: expected 1",
            id="another schema",
        ),
    ],
)
def test_a_message_that_cannot_be_rows_is_one_dead_letter(value, reason, error):
    values = [message(row()), value, message(row())]
    decoded = validator().predictions(arrow(values))
    (rejected,) = decoded.rejected
    assert (rejected.record, rejected.reason, rejected.value) == (1, reason, None)
    assert rejected.error.startswith(error)
    assert len(decoded) == 3


def rows_of(size: int, **columns: Any) -> pa.Table:
    """Predictions; a column may be given as one value."""
    plain = {"id": "r1", "time": T0, "model": "m", "version": "1", "score": 0.7, **columns}
    return pa.table(
        {
            name: value if isinstance(value, pa.Array) else pa.repeat(pa.scalar(value), size)
            for name, value in plain.items()
        }
    )


def spelt_out(size: int, text: str) -> Mapping[str, pa.Array]:
    """A column that holds the text once, in each way that Arrow knows."""
    dictionary = pa.DictionaryArray.from_arrays(np.zeros(size, dtype=np.int32), [text])
    view = np.frombuffer(
        np.array([len(text)] + [0] * 3, np.int32).tobytes()[:4] + text[:4].encode() + bytes(8),
        np.int32,
    )
    buffers = [None, pa.py_buffer(np.tile(view, size)), pa.py_buffer(text.encode())]
    views = pa.Array.from_buffers(pa.string_view(), size, buffers)
    return {"dictionary": dictionary, "views": views}


@pytest.mark.parametrize(
    ("table", "error"),
    [
        pytest.param(rows_of(MAX_ROWS + 1), "50,001 rows: expected at most 50,000", id="rows"),
        pytest.param(
            rows_of(MAX_ROWS, **{f"f{i}": None for i in range(MAX_VALUES // MAX_ROWS)}),
            "8,600,000 values (rows times columns): expected at most 8,388,608",
            id="columns that take no bytes",
        ),
        pytest.param(
            rows_of(1_000, x=pa.repeat("x" * 70_000, 1_000)),
            " bytes after decompression: expected at most 67,108,864",
            id="bytes",
        ),
        pytest.param(
            rows_of(40_000, x=spelt_out(40_000, "x" * 4_000)["dictionary"]),
            "bytes of texts and names, spelt out in each row: expected at most 134,217,728",
            id="a text in a dictionary",
        ),
        pytest.param(
            rows_of(40_000, x=spelt_out(40_000, "x" * 4_000)["views"]),
            "bytes of texts and names, spelt out in each row: expected at most 134,217,728",
            id="a text seen often",
        ),
        pytest.param(
            rows_of(40_000, **{"x" * 4_000: 1.0}),
            "bytes of texts and names, spelt out in each row: expected at most 134,217,728",
            id="a long name",
        ),
    ],
)
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_message_that_would_take_too_much_memory_is_one_dead_letter(table, error, compression):
    value = message(table, compression=compression)
    (rejected,) = validator().predictions(arrow([value])).rejected
    assert (rejected.reason, rejected.value) == ("contract", None)
    assert error in rejected.error


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("batch", ["dictionary", "record batch"])
def test_what_a_buffer_claims_to_hold_is_checked_before_it_is_decompressed(compression, batch):
    """Arrow would allocate what is claimed: here a tebibyte."""
    texts = pa.array([f"text {i}" * 20 for i in range(400)])
    column = texts.dictionary_encode() if batch == "dictionary" else texts
    value = bytearray(message(rows_of(400, x=column), compression=compression))
    size = len("".join(texts.to_pylist())).to_bytes(8, "little")
    at = value.rindex(size)  # before it, the last offset of a text may be the same number
    value[at : at + 8] = (2**40).to_bytes(8, "little")
    (rejected,) = validator().predictions(arrow([bytes(value)])).rejected
    assert "bytes after decompression: expected at most" in rejected.error


def test_compression_as_before_arrow_1_is_refused_because_its_sizes_are_not_known():
    sink, table = pa.BufferOutputStream(), row()
    options = pa.ipc.IpcWriteOptions(metadata_version=pa.ipc.MetadataVersion.V4)
    with pa.ipc.new_stream(sink, table.schema, options=options) as out:
        out.write_batch(table.to_batches()[0], {"ARROW:experimental_compression": "lz4"})
    (rejected,) = validator().predictions(arrow([sink.getvalue().to_pybytes()])).rejected
    assert "of before Arrow 1.0" in rejected.error


def test_a_nan_that_signals_is_missing():
    """Arithmetic with it warns, and warnings are errors in tests."""
    signalling = np.array([0x7FF0000000000001], np.uint64).view(np.float64)
    row_found = the_row(row(x=signalling, prediction=signalling))
    assert (row_found[4], row_found[5]["x"]) == (1, (None, Quality.MISSING))


def test_a_view_of_null_may_point_anywhere():
    """Arrow does not check it, and would read there."""
    views = np.array([[1, ord("a"), 0, 0], [2**30, 0, 2**30, 2**30]], np.int32)
    buffers = [pa.py_buffer(b"\x01"), pa.py_buffer(views)]
    column = pa.Array.from_buffers(pa.string_view(), 2, buffers)
    found = validator().predictions(arrow([message(rows_of(2, c=column))]))
    categories = [row[5]["c"] for row in in_order(predictions_by_place(found))]
    assert categories == [("a", None), (None, Quality.MISSING)]


# -- whatever was sent -------------------------------------------------------------------------


WORDS = [0, 1, -1, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63)]


def broken(rng: random.Random, value: bytes) -> bytes:
    """Bytes of a message that are changed, removed or doubled."""
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(value) + 1)
        some = value[at : at + rng.randrange(1, 64)]
        word = rng.choice([*WORDS, rng.getrandbits(62)]).to_bytes(8, "little", signed=True)
        changes = [(at, 1, rng.randbytes(1)), (at // 8 * 8, 8, word)]
        moves = [(at, len(some), b""), (at, 0, some)]
        start, size, new = rng.choice(changes if rng.random() < 0.95 else moves)
        value = value[:start] + new + value[start + size :]
    return value


@pytest.mark.parametrize("messages", [4_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_broken_messages_raise_nothing_and_every_row_is_accounted_for(messages):
    rng, refused = random.Random(messages), 0
    for number in range(messages // 4):
        make, topic = rng.choice([(predictions, "predictions"), (labels, "labels")])
        table, _ = make(rng, rng.choice([1, 40, 200]), 0.1)
        whole = message(table, rng.choice([None, 3]), compression=rng.choice([None, "lz4", "zstd"]))
        values: list[bytes | None] = [broken(rng, whole) for _ in range(4)]
        part = arrow(values, topic)
        decoded: Decoded[Any] = getattr(validator(), topic)(part)
        places = predictions_by_place if topic == "predictions" else labels_by_place
        found = places(decoded)
        whole_messages = {one.record for one in decoded.rejected if one.value is None}
        for record in range(4):
            rows = sorted(row for of, row in found if of == record)
            assert rows == list(range(len(rows))), number
            assert record not in whole_messages or rows == [0]
        refused += len(whole_messages)
    assert 0.3 < refused / messages < 0.95, "many are refused, and many are not"
