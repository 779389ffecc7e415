"""Mapped rows as messages: Arrow or JSON, they mean what the rows say."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages.records import Message
from consumers.sources.mapping.mapped_messages import FEWEST_ROWS, messages_of
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction
from producers.contract.arrow_columns import ARROW_HEADER, USUAL_BYTES

T = 1_700_000_000_000
PARTITIONS = {"predictions": 3, "labels": 1}


def sent(rows: list[Any]) -> list[Message]:
    return list(messages_of(rows, PARTITIONS.__getitem__))


def documents(messages: list[Message]) -> list[dict[str, Any]]:
    """What JSON says, and what Arrow says as the same JSON."""
    found = []
    for message in messages:
        if ARROW_HEADER not in message.headers:
            found.append(json.loads(message.value or b""))
            continue
        for row in pa.ipc.open_stream(message.value).read_all().to_pylist():
            fields = ("id", "time", "model", "version", "score", "prediction", "label")
            taken = {name: row.pop(name, None) for name in fields}
            own = {name: value for name, value in taken.items() if value is not None}
            features = {} if message.topic == "labels" else {"features": row}
            found.append(own | features)
    return found


def prediction(i: int = 0, **fields: Any) -> MappedPrediction:
    row = {
        **{"id": f"r{i}", "time_ms": T + i, "model": "m", "version": "1"},
        **{"features": {"x": i / 2, "c": "ab"[i % 2]}, "score": 0.5, "prediction": None},
    }
    return MappedPrediction(**(row | fields))


def expected(row: MappedPrediction | MappedLabel) -> dict[str, Any]:
    named = {"id": row.id, "time": row.time_ms, "model": row.model}
    if isinstance(row, MappedLabel):
        return named | {"label": row.label}
    outputs = {"score": row.score, "prediction": row.prediction, "scores": row.scores}
    given = {name: value for name, value in outputs.items() if value is not None}
    return named | {"version": row.version, "features": row.features} | given


def test_many_rows_of_a_version_are_arrow():
    rows = [prediction(i) for i in range(2_500)]
    messages = sent(rows)
    assert [ARROW_HEADER in message.headers for message in messages] == [True] * 3
    assert {message.partition for message in messages} == {3}
    assert documents(messages) == list(map(expected, rows))


def test_few_rows_are_json():
    rows = [prediction(i) for i in range(FEWEST_ROWS - 1)]
    messages = sent(rows)
    assert not any(ARROW_HEADER in message.headers for message in messages)
    assert documents(messages) == list(map(expected, rows))


@pytest.mark.parametrize(
    "odd",
    [
        {"features": {"x": True}},  # a number of Arrow would be 1.0
        {"features": {"x": "3"}},
        {"features": {"x": 2**70}},
        {"features": {"x": 2**53 + 1}},  # beside halves
        {"features": {"score": 1}},
        {"features": {"x": [1]}},
        {"id": 5.5},
        {"model": ["m"]},
        {"score": "0.5"},
        {"score": True},
        {"score": {}},
        {"prediction": {"a": 1}},
        {"scores": {"a": 0.25, "b": 0.75}},
    ],
)
def test_rows_that_arrow_cannot_hold_as_they_are_are_json(odd: dict[str, Any]):
    rows = [prediction(i) for i in range(50)] + [prediction(50, **odd)]
    found = documents(sent(rows))
    assert found == list(map(expected, rows)) or "model" in odd
    assert found[50] == json.loads(json.dumps(expected(rows[50])))


values = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "1", "é"])
values |= st.floats(-3, 3) | st.integers(2**53, 2**70)


@given(
    rows=st.lists(
        st.builds(
            prediction,
            st.integers(0, 99),
            version=st.sampled_from(["1", "2"]),
            features=st.dictionaries(st.sampled_from(["x", "y", "score"]), values, max_size=2),
            score=st.none() | st.floats(0, 1),
        ),
        min_size=30,
        max_size=60,
    )
)
def test_messages_mean_what_the_rows_say(rows: list[MappedPrediction]):
    """In their order within a version. An absent feature is null beside others."""

    def seen(document: dict[str, Any]) -> str:
        given = {k: v for k, v in document["features"].items() if v is not None}
        return repr(document | {"features": {k: (type(v), v) for k, v in sorted(given.items())}})

    found = [seen(document) for document in documents(sent(rows))]
    alike = {repr(expected(row)["version"]) for row in rows}
    assert Counter(map(_whole, found)) == Counter(_whole(seen(expected(row))) for row in rows)
    for version in alike:
        mine = [_whole(seen(expected(row))) for row in rows if repr(row.version) == version]
        assert [_whole(text) for text in found if f"'version': {version}" in text] == mine


def _whole(text: str) -> str:
    """A whole number has one identity, as an integer and as a double of Arrow."""
    return text.replace("<class 'int'>", "<class 'float'>").replace(".0)", ")")


@pytest.mark.parametrize("count", [1, FEWEST_ROWS])
def test_an_infinite_feature_is_not_missing_in_either_form(count: int):
    """JSON, which has no such numbers, says it as a text."""
    rows = [prediction(i, features={"x": float("inf")}) for i in range(count)]
    assert {float(row["features"]["x"]) for row in documents(sent(rows))} == {float("inf")}


def test_labels_are_messages_of_their_own_topic():
    rows = [MappedLabel(f"r{i}", T + i, "mn"[i % 2], i % 2) for i in range(100)]
    messages = sent([*rows, prediction()])
    assert Counter(message.topic for message in messages) == {"labels": 2, "predictions": 1}
    found = documents([message for message in messages if message.topic == "labels"])
    assert found == sorted(map(expected, rows), key=lambda label: str(label["model"]))


def test_no_message_is_larger_than_kafka_takes():
    """Rows that differ in size are spread; one that is too large for Arrow is JSON."""
    sizes = [10] * 100 + [400_000, 400_000, 10, 900_000, 10]
    rows = [prediction(i, features={"x": f"{i}" * (size // 3)}) for i, size in enumerate(sizes)]
    messages = sent(rows)
    assert documents(messages) == list(map(expected, rows))
    assert max(len(message.value or b"") for message in messages[:-2]) <= USUAL_BYTES
