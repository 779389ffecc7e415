"""Predictions and labels as bytes: what the contract allows comes through, the rest is refused."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.contract.records import (
    END_MS,
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
    encode_label,
    encode_prediction,
)

PREDICTION = {
    "schema": 1,
    "id": "2013-04-01/UA1545/EWR",
    "time": "2013-04-01T09:15:00Z",
    "model": "flight-delay",
    "version": "1",
    "features": {"dep_delay": 4.0, "carrier": "UA", "temp": None},
    "score": 0.31,
    "prediction": 0,
}
LABEL = {"schema": 1, "id": "a", "time": 1_364_807_700_000, "model": "flight-delay", "label": 1}
AT_MS = 1_364_807_700_000

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
names = st.from_regex(r"\A[A-Za-z0-9._-]{1,100}\Z")
times = st.integers(0, END_MS - 1)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


def prediction(**changed: object) -> bytes:
    """The example of the contract, with other fields; ``...`` leaves one out."""
    fields = {**PREDICTION, **changed}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


def label(**changed: object) -> bytes:
    fields = {**LABEL, **changed}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}).encode()


predictions = st.builds(
    PredictionRecord,
    id=texts,
    time_ms=times,
    model=names,
    version=names,
    features=st.dictionaries(texts, st.none() | st.booleans() | numbers | texts, max_size=5),
    score=st.floats(0, 1),
    prediction=st.sampled_from([None, 0, 1]),
)
labels = st.builds(LabelRecord, id=texts, time_ms=times, model=names, label=st.sampled_from([0, 1]))


@given(predictions)
def test_decoding_a_prediction_is_the_inverse_of_encoding_it(record):
    assert decode_prediction(encode_prediction(record)) == record


@given(labels)
def test_decoding_a_label_is_the_inverse_of_encoding_it(record):
    assert decode_label(encode_label(record)) == record


def test_example_of_the_contract_is_decoded():
    assert decode_prediction(prediction()) == PredictionRecord(
        id="2013-04-01/UA1545/EWR",
        time_ms=AT_MS,
        model="flight-delay",
        version="1",
        features={"dep_delay": 4.0, "carrier": "UA", "temp": None},
        score=0.31,
        prediction=0,
    )
    assert decode_label(label()) == LabelRecord("a", AT_MS, "flight-delay", 1)


@pytest.mark.parametrize(
    ("written", "expected_ms"),
    [
        ("2013-04-01T11:15:00+02:00", AT_MS),
        ("2013-04-01T09:15:00.0019Z", AT_MS + 1),
        (AT_MS, AT_MS),
        (0, 0),
        ("9998-12-31T23:59:59.999Z", END_MS - 1),
    ],
)
def test_time_with_offset_or_in_milliseconds_is_decoded(written, expected_ms):
    assert decode_prediction(prediction(time=written)).time_ms == expected_ms


def test_encoded_prediction_is_readable_json():
    written = json.loads(encode_prediction(decode_prediction(prediction())))
    assert written == PREDICTION


def test_nan_is_encoded_as_null():
    record = PredictionRecord("a", 0, "m", "1", {"x": float("nan"), "y": float("inf")}, 0.5)
    assert decode_prediction(encode_prediction(record)).features == {"x": None, "y": None}


@pytest.mark.parametrize("field", ["prediction", "schema"])
def test_fields_prediction_and_schema_are_optional(field):
    assert decode_prediction(prediction(**{field: ...})).id == PREDICTION["id"]


def test_unknown_fields_of_a_record_are_ignored():
    extended = prediction(trace={"span": [1, 2]})
    assert decode_prediction(extended) == decode_prediction(prediction())


@pytest.mark.parametrize("field", ["id", "time", "model", "version", "features", "score"])
def test_error_for_a_missing_field_names_it(field):
    with pytest.raises(ContractViolation, match=f"'{field}' is missing: expected "):
        decode_prediction(prediction(**{field: ...}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", "x" * 201),
        ("id", 7),
        ("time", "2013-04-01T09:15:00"),
        ("time", "yesterday"),
        ("time", 1.5),
        ("time", -1),
        ("time", END_MS),
        ("time", 10**30),
        ("time", "1969-12-31T23:59:59Z"),
        ("time", "9999-12-31T23:59:59-23:59"),
        ("time", True),
        ("model", "a b"),
        ("model", "a\n"),
        ("model", ""),
        ("model", "x" * 101),
        ("version", 1),
        ("version", "ü"),
        ("features", None),
        ("features", []),
        ("features", {"nested": {}}),
        ("features", {"nested": [1]}),
        ("score", "0.3"),
        ("score", -0.01),
        ("score", 1.01),
        ("score", True),
        ("score", None),
        ("prediction", 2),
        ("prediction", 0.5),
        ("prediction", True),
        ("schema", 2),
    ],
)
def test_error_for_a_wrong_field_names_it_with_what_was_expected(field, value):
    with pytest.raises(ContractViolation, match=f"'{field}' .*expected "):
        decode_prediction(prediction(**{field: value}))


@pytest.mark.parametrize(
    ("field", "value"), [("label", 2), ("label", True), ("label", ...), ("time", "now"), ("id", 1)]
)
def test_wrong_field_of_a_label_is_refused(field, value):
    with pytest.raises(ContractViolation, match=f"'{field}' .*expected "):
        decode_label(label(**{field: value}))


@pytest.mark.parametrize("value", [b"[]", b"null", b'"text"', b"1"])
def test_json_that_is_not_an_object_violates_the_contract(value):
    with pytest.raises(ContractViolation, match="expected a JSON object"):
        decode_prediction(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "tombstone"),
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (prediction() + b"}", "not JSON"),
        (prediction().replace(b"4.0", b"NaN"), "not JSON"),
        (prediction().replace(b"4.0", b"-Infinity"), "not JSON"),
        (prediction().replace(b"UA1545", b"\xff"), "not UTF-8"),
        (prediction().replace(b"UA1545", rb"\ud800"), "not JSON"),
        (b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
    ],
)
def test_bytes_that_are_not_json_are_undecodable(value, why):
    with pytest.raises(Undecodable, match=why):
        decode_prediction(value)


@given(st.binary(max_size=60))
def test_any_bytes_are_decoded_or_raise_one_of_two_errors(value):
    with pytest.raises((Undecodable, ContractViolation)):
        decode_prediction(value)


@given(texts, st.recursive(st.none() | numbers | texts, lambda of: st.lists(of, max_size=2)))
def test_error_for_any_wrong_field_is_one_sentence(name, value):
    try:
        decode_prediction(prediction(**{name: value}))
    except ContractViolation as refusal:
        said = str(refusal)
    else:
        said = "nothing: the contract does not name this field"
    assert "\n" not in said


def test_largest_time_leaves_room_for_a_window():
    assert datetime.fromtimestamp(END_MS / 1000, UTC).year == 9999
