"""Mapping: records of other services become rows of the contract, or are refused with a reason."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages.records import Headers, Record
from consumers.sources.mapping.mapping import (
    MappedLabel,
    MappedPrediction,
    MappedRow,
    SourceMapping,
)
from consumers.sources.mapping.record_mapper import RecordMapper
from consumers.sources.mapping.scope import Unmappable
from driftline.configuration.sources import SourceSection
from producers.contract.records import Undecodable

T = 1_700_000_000_000
SCORED: dict[str, Any] = {
    "topic": "orders.scored",
    "id": "$.request",
    "time": {"path": "$.at", "unit": "s"},
    "model": {"value": "orders"},
    "features": "$.input",
    "score": "$.p",
}
RECORD = {"request": "r1", "at": T // 1000, "input": {"amount": 3.5, "country": "DE"}, "p": 0.25}


def record(value: Any, headers: Headers = (), key: bytes | None = b"k") -> Record:
    data = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Record("topic:orders.scored", 2, 7, key, data, headers, T + 5)


def mapped(
    source: dict[str, Any], value: Any, headers: Headers = (), key: bytes | None = b"k"
) -> list[MappedRow] | None:
    given = record(value, headers, key)
    rows = RecordMapper([SourceSection(**source)]).rows(given.value, lambda: given)
    return None if rows is None else list(rows)


def prediction(source: dict[str, Any], value: Any, **more: Any) -> MappedPrediction:
    found = mapped(source, value, **more)
    assert found is not None
    (row,) = found
    assert isinstance(row, MappedPrediction)
    return row


def test_mapping_a_record_with_all_fields():
    assert mapped(SCORED, RECORD) == [
        MappedPrediction("r1", T, "orders", "1", {"amount": 3.5, "country": "DE"}, 0.25, None)
    ]


def test_mapping_reads_places_outside_the_value():
    source = SCORED | {"id": {"key": True}, "version": {"header": "model-version"}, "time": None}
    row = prediction(source, RECORD, headers=[("model-version", b"7")], key=b"abc")
    assert (row.id, row.version, row.time_ms) == ("abc", "7", T + 5)


def test_mapping_without_an_id_takes_the_place_of_the_row():
    rows = mapped(
        SCORED | {"id": None, "rows": "$.all", "features": "@.input", "score": "@.p"},
        {"at": T // 1000, "all": [RECORD, RECORD]},
    )
    assert rows is not None
    assert [row.id for row in rows] == ["orders.scored/2/7/0", "orders.scored/2/7/1"]


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"unit": "s"}, T // 1000),
        ({"unit": "s"}, T / 1000 + 0.0004),
        ({}, T),
        ({"unit": "us"}, T * 1000 + 999),
        ({"unit": "ns"}, T * 1_000_000 + 999_999),
        ({}, "2023-11-14T22:13:20Z"),
        ({}, "2023-11-14T23:13:20.000999+01:00"),
        ({"timezone": "Europe/Berlin"}, "2023-11-14 23:13:20"),
    ],
)
def test_mapping_times(spec: dict[str, Any], value: Any):
    """Rounded down to a millisecond."""
    source = SCORED | {"time": {"path": "$.at", **spec}}
    assert prediction(source, RECORD | {"at": value}).time_ms == T


@given(ms=st.integers(0, 4_102_444_800_000))
def test_mapping_of_whole_nanoseconds_is_exact(ms: int):
    """As doubles they would lose digits."""
    source = SCORED | {"time": {"path": "$.at", "unit": "ns"}}
    assert prediction(source, RECORD | {"at": ms * 1_000_000}).time_ms == ms


@pytest.mark.parametrize(
    "value", ["2023-11-14 23:13:20", "soon", True, [], {}, 1e300, "", -1, 253_400_000_000_000]
)
def test_a_time_that_is_none_is_unmappable(value: Any):
    with pytest.raises(Unmappable, match=r"the time at \$\.at is .*: expected RFC 3339"):
        mapped(SCORED, RECORD | {"at": value})


def test_mapping_scales_and_translates():
    source = SCORED | {
        "score": {"path": "$.p", "scale": 0.01},
        "prediction": {"path": "$.decision", "values": {"approved": 0, "declined": 1}},
    }
    row = prediction(source, RECORD | {"p": 25, "decision": "declined"})
    assert (row.score, row.prediction) == (0.25, 1)
    row = prediction(source, RECORD | {"p": "25", "decision": "unsure"})
    assert (row.score, row.prediction) == ("25", "unsure")  # the contract refuses them


def test_mapping_flattens_inner_features():
    inner = {"a": {"b": 1, "c": [2, {"d": None}]}, "e": "x"}
    row = prediction(SCORED | {"exclude": ["a.b"]}, RECORD | {"input": inner})
    assert row.features == {"a.c.0": 2, "a.c.1.d": None, "e": "x"}


def test_mapping_of_listed_features():
    source = SCORED | {"features": ["$.input.amount", "$.input['country']", "$.input.gone"]}
    assert prediction(source, RECORD).features == {"amount": 3.5, "country": "DE", "gone": None}
    source = SCORED | {"features": {"money": "$.input.amount"}}
    assert prediction(source, RECORD).features == {"money": 3.5}


def test_mapping_of_labels():
    source = {
        "topic": "orders.paid",
        "id": "$.request",
        "model": "$.model",
        "label": {"path": "$.fraud"},
        "label_time": "$.known",
    }
    value = {"request": 12, "model": "orders", "fraud": True, "known": "2023-11-14T22:13:20Z"}
    assert mapped(source, value) == [MappedLabel("12", T, "orders", 1)]
    with pytest.raises(Unmappable, match=r"there is no label at \$\.fraud"):
        mapped(source, value | {"fraud": None})


def test_a_record_can_be_a_prediction_and_a_label():
    source = SCORED | {"label": "$.truth"}
    rows = mapped(source, RECORD | {"truth": 0})
    assert rows is not None
    assert [type(row) for row in rows] == [MappedPrediction, MappedLabel]
    assert mapped(source, RECORD) == mapped(SCORED, RECORD)


def test_where_selects_records():
    source = SCORED | {"where": {"$.type": ["score", 3]}}
    assert mapped(source, RECORD | {"type": "score"}) == mapped(SCORED, RECORD)
    assert mapped(source, RECORD | {"type": 3}) == mapped(SCORED, RECORD)
    for other in ("train", True, None, [], "3"):
        assert mapped(source, RECORD | {"type": other}) is None
    assert mapped(source, RECORD) is None
    assert mapped(SCORED | {"where": {"$.type": [1]}}, RECORD | {"type": True}) is None


def test_since_leaves_out_earlier_rows():
    assert mapped(SCORED | {"since": "2023-11-14T22:13:20Z"}, RECORD) == mapped(SCORED, RECORD)
    assert mapped(SCORED | {"since": "2023-11-14T22:13:20.001Z"}, RECORD) == []


def test_a_record_is_mapped_as_a_whole_or_not_at_all():
    source = SCORED | {"rows": "$.all", "id": "@.id", "features": "@.input", "score": "@.p"}
    good = {"id": "a", "input": {}, "p": 0.5}
    with pytest.raises(Unmappable, match=r"^row 1: there is no id at @\.id$"):
        mapped(source, {"at": 1, "all": [good, good | {"id": None}]})
    for rows in ({}, None, "ab"):
        with pytest.raises(Unmappable, match=r"no array of rows at \$\.all"):
            mapped(source, {"at": 1, "all": rows})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"request": None}, r"there is no id at \$\.request"),
        ({"input": [1]}, r"the features at \$\.input are no object"),
        ({"input": json.loads('{"a":' * 30 + "1" + "}" * 30)}, "nested more than 20 deep"),
    ],
)
def test_unmappable_records_say_why(change: dict[str, Any], message: str):
    with pytest.raises(Unmappable, match=message):
        mapped(SCORED, RECORD | change)
    with pytest.raises(Unmappable, match=r"there are no features at \$\.input"):
        mapped(SCORED, {name: value for name, value in RECORD.items() if name != "input"})


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_undecodable(value: bytes | None):
    with pytest.raises(Undecodable):
        mapped(SCORED, value)


def test_a_row_that_predictions_would_not_accept_is_unmappable():
    large = RECORD | {"input": {f"name-{i:0>90}": i for i in range(11_000)}}
    with pytest.raises(Unmappable, match=r"a row has 1,\d+,\d+ bytes as JSON: expected at most"):
        mapped(SCORED, large)
    assert prediction(SCORED | {"exclude": [*large["input"]][1:]}, large).features == {
        f"name-{0:0>90}": 0
    }


CLOUD = SCORED | {
    "envelope": "cloudevents",
    "id": "$.id",
    "time": "$.time",
    "features": "$.data.input",
    "score": "$.data.p",
}
ATTRIBUTES = {"specversion": "1.0", "id": "e1", "time": "2023-11-14T22:13:20Z", "type": "scored"}


@pytest.mark.parametrize("mode", ["structured", "unmarked", "base64", "binary"])
def test_mapping_of_cloud_events(mode: str):
    """Both modes of the Kafka binding, and an event without its content type."""
    event: dict[str, Any] = ATTRIBUTES | {"data": RECORD}
    headers: list[tuple[str, bytes | None]] = [
        ("content-type", b"application/cloudevents+json; charset=UTF-8")
    ]
    if mode == "unmarked":
        headers = []
    if mode == "base64":
        data = base64.b64encode(json.dumps(RECORD).encode()).decode()
        event = ATTRIBUTES | {"data_base64": data}
    if mode == "binary":
        event = RECORD
        headers = [(f"ce_{name}", text.encode()) for name, text in ATTRIBUTES.items()]
    row = prediction(CLOUD, event, headers=headers)
    assert row == MappedPrediction("e1", T, "orders", "1", RECORD["input"], 0.25, None)


def test_what_is_no_cloud_event_is_undecodable():
    for value in (RECORD, ATTRIBUTES | {"data_base64": "?"}, [1]):
        with pytest.raises(Undecodable, match="not a CloudEvent"):
            mapped(CLOUD, value)


def test_mapping_refuses_bytes_that_it_would_use():
    """Of Avro and Protobuf; JSON has none."""
    document = {"id": "r", "in": {"x": 1.5, "raw": b"\xff"}, "m": "m"}
    source = {"topic": "t", "model": "$.m", "time": {"value": T}, "features": "$.in"}

    def rows(**more: Any) -> list[MappedRow]:
        given = record(None)
        return SourceMapping(SourceSection(**(source | more))).rows(document, lambda: given)

    for features in ("$.in", ["$.in.raw"], {"a": "$.in.raw"}):
        with pytest.raises(Unmappable, match=r"the feature '(raw|a)' is bytes"):
            rows(features=features)
    with pytest.raises(Unmappable, match=r"the value at \$.in.raw is bytes"):
        rows(id="$.in.raw", exclude=["raw"])
    (row,) = rows(exclude=["raw"])
    assert isinstance(row, MappedPrediction)
    assert row.features == {"x": 1.5}


def test_cloud_events_in_binary_mode_have_data_of_the_format():
    source = SCORED | {"format": "json-schema", "envelope": "cloudevents", "id": "$.id"}
    source |= {"time": "$.time", "features": "$.data.in", "score": None}
    headers = [("ce_specversion", b"1.0"), ("ce_id", b"e1"), ("ce_time", b"2023-11-14T22:13:20Z")]
    row = prediction(source, b'\0\0\0\0\1{"in": {"x": 1}}', headers=headers)
    assert (row.id, row.time_ms, row.features) == ("e1", T, {"x": 1})
