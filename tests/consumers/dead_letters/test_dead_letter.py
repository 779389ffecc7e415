"""Dead letters: written and read again, rendered, and turned back into the record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import MAX_BYTES, DeadLetter, dead_letter_message
from consumers.dead_letters.rendering import dead_letter_document, dead_letter_line
from consumers.messages.records import Message, Record

names = st.text(max_size=20).filter(lambda name: not name.startswith("driftline."))
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=20)), max_size=4)


def received(value: bytes | None = b"{}", **fields: object) -> Record:
    return Record("predictions", 3, 41, b"key", value, **fields)


def written(record: Record, reason: str = "contract") -> DeadLetter:
    """The dead letter of ``record``, as it is read from the topic."""
    message = dead_letter_message(record, reason, "the score is no number")
    return DeadLetter.from_record(
        Record("dead-letters", 1, 7, message.key, message.value, message.headers, 1_370_000_000_000)
    )


def test_a_dead_letter_has_the_reason_and_the_source_of_its_record():
    letter = written(received())
    assert (letter.reason, letter.error) == ("contract", "the score is no number")
    assert (letter.topic, letter.partition, letter.offset) == ("predictions", 3, 41)
    assert letter.unsendable is None


@given(
    key=st.none() | st.binary(max_size=30), value=st.none() | st.binary(max_size=99), own=headers
)
def test_the_original_of_a_dead_letter_is_the_record_as_it_was_received(key, value, own):
    record = Record("labels", 2, 5, key, value, own)
    back = written(record).original()
    assert back == Message("labels", key, value, 2, own)


def test_a_truncated_dead_letter_is_unsendable():
    letter = written(received(b"x" * (MAX_BYTES + 1)))
    assert "only the first part of the value was kept (sha256=" in str(letter.unsendable)


@pytest.mark.parametrize("topic", ["", "alerts", "profiles"])
def test_a_dead_letter_of_another_topic_than_the_sources_is_unsendable(topic):
    foreign = Record("dead-letters", 0, 0, None, b"", [("driftline.topic", topic.encode())])
    assert "its headers name no source topic" in str(DeadLetter.from_record(foreign).unsendable)


def test_a_record_without_the_headers_is_rendered():
    letter = DeadLetter.from_record(Record("dead-letters", 0, 9, None, b"?"))
    assert (letter.reason, letter.partition, letter.offset) == ("", None, None)
    assert dead_letter_document(letter, sent_back=False)["letter"] == "dead-letters/0/9"


def test_a_rendered_line_has_no_control_characters():
    line = dead_letter_line(written(received(b'{"a":\n1}\x1b[31m' + b"x" * 200)), sent_back=False)
    assert line.startswith(
        "2013-05-31T11:33:20Z  contract       predictions/3/41  the score is no number  | "
    )
    assert '{"a":·1}·[31mx' in line
    assert line.endswith("x…")
    assert len(line) < 160


def test_a_document_has_the_value_as_text_or_in_base64():
    text, other = (
        dead_letter_document(written(received(v)), sent_back=False) for v in (b"{}", b"\xff")
    )
    assert text["value"] == "{}"
    assert (other["value_base64"], "value" in other) == ("/w==", False)
    assert json.loads(json.dumps(other))["reason"] == "contract"
