"""What is left of records whose redacted features nobody may see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import DeadLetter, dead_letter_message
from consumers.dead_letters.redaction import redacted
from consumers.messages.records import Record

NAMES = frozenset({"name", "card.number"})
SECRET = "Bob-4711"


def received(value: bytes | None) -> Record:
    return Record("predictions", 3, 41, b"key", value)


@pytest.mark.parametrize(
    ("value", "kept", "hidden"),
    [
        (b'{"features": {"name": "Bob", "x": 1}}', {"features": {"name": None, "x": 1}}, "name"),
        (
            b'{"name": "Bob", "f": [{"card.number": 7}]}',
            {"name": None, "f": [{"card.number": None}]},
            "card.number, name",
        ),
        (b'{"features": {"x": 1.5}}', {"features": {"x": 1.5}}, None),
        (b'{"features": {"name": "Bob"}, "features": {}}', {"features": {}}, None),
        (b'{"features": [["name", "Bob"]]}', {"features": None}, "features"),
    ],
)
def test_redacted_features_are_null_wherever_they_are(value, kept, hidden):
    record, what = redacted(received(value), NAMES)
    assert (json.loads(record.value or b""), what) == (kept, hidden)


@pytest.mark.parametrize("value", [b"Bob", b'"Bob"', b'["Bob"]', b'{"name": "Bob"', b"\xff", b""])
def test_a_record_that_is_no_object_has_no_value(value):
    record, what = redacted(received(value), NAMES)
    assert (record.value, what) == (None, "the value")


def test_without_the_setting_a_record_stays_byte_for_byte():
    record = received(b'{ "name":"Bob" }')
    assert redacted(record, ()) == (record, None)


def test_a_redacted_dead_letter_is_not_sent_again():
    record, hidden = redacted(received(b'{"features": {"name": "Bob"}}'), NAMES)
    message = dead_letter_message(record, "contract", "why", hidden=hidden)
    letter = DeadLetter.from_record(
        Record("dead-letters", 0, 0, message.key, message.value, message.headers)
    )
    assert letter.unsendable == "what the setting 'redact' names was not kept (name)"


leaves = st.none() | st.integers() | st.sampled_from(["a", "b"])
keys = st.sampled_from(["name", "card.number", "features", "x"])


def with_secret(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A redacted name holds the secret, at any depth and in any form."""
    secrets = st.sampled_from([SECRET, [SECRET], {"x": SECRET}])
    objects = st.dictionaries(keys, inner, max_size=3)
    hidden = st.tuples(objects, st.sampled_from(sorted(NAMES)), secrets)
    return st.lists(inner, max_size=3) | objects | hidden.map(lambda t: {**t[0], t[1]: t[2]})


@given(document=st.recursive(leaves, with_secret, max_leaves=8), cut=st.integers(0, 3))
def test_no_value_of_a_redacted_feature_is_left(document: Any, cut: int):
    text = json.dumps(document).encode()
    record, _ = redacted(received(text[: len(text) - cut]), NAMES)
    assert SECRET.encode() not in (record.value or b"")
