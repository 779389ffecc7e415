"""Dead letters: read from what ``aggregate`` writes, shown, and turned back into the record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dead_letters.dead_letter import DeadLetter, dead_letter_document, dead_letter_line
from consumers.messages.records import Message, Record
from consumers.roles.aggregate import LIMIT, dead_letter

names = st.text(max_size=20).filter(lambda name: not name.startswith("driftline."))
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=20)), max_size=4)


def received(value: bytes | None = b"{}", **fields: object) -> Record:
    return Record("predictions", 3, 41, b"key", value, **fields)


def written(record: Record, reason: str = "contract") -> DeadLetter:
    """The letter of ``record``, as it stands on the topic."""
    message = dead_letter(record, reason, "the score is no number")
    return DeadLetter.of(
        Record("dead-letters", 1, 7, message.key, message.value, message.headers, 1_370_000_000_000)
    )


def test_it_knows_why_and_where_from():
    letter = written(received())
    assert (letter.reason, letter.error) == ("contract", "the score is no number")
    assert (letter.topic, letter.partition, letter.offset) == ("predictions", 3, 41)
    assert letter.obstacle is None


@given(key=st.none() | st.binary(max_size=30), value=st.none() | st.binary(max_size=99), of=headers)
def test_what_goes_back_is_what_was_received(key, value, of):
    record = Record("labels", 2, 5, key, value, of)
    back = written(record).original()
    assert back == Message("labels", key, value, 2, of)


def test_a_letter_of_which_only_the_beginning_was_kept_stays():
    letter = written(received(b"x" * (LIMIT + 1)))
    assert "only its beginning was kept (sha256=" in str(letter.obstacle)


@pytest.mark.parametrize("topic", ["", "alerts", "profiles"])
def test_a_letter_goes_nowhere_but_to_predictions_and_labels(topic):
    foreign = Record("dead-letters", 0, 0, None, b"", [("driftline.topic", topic.encode())])
    assert "names no topic that it came from" in str(DeadLetter.of(foreign).obstacle)


def test_a_record_without_our_headers_is_shown_all_the_same():
    letter = DeadLetter.of(Record("dead-letters", 0, 9, None, b"?"))
    assert (letter.reason, letter.partition, letter.offset) == ("", None, None)
    assert dead_letter_document(letter, sent_back=False)["letter"] == "dead-letters/0/9"


def test_a_line_is_one_line_that_no_terminal_obeys():
    line = dead_letter_line(written(received(b'{"a":\n1}\x1b[31m' + b"x" * 200)), sent_back=False)
    assert line.startswith(
        "2013-05-31T11:33:20Z  contract       predictions/3/41  the score is no number  | "
    )
    assert '{"a":·1}·[31mx' in line
    assert line.endswith("x…")
    assert len(line) < 160


def test_a_document_holds_the_value_as_text_or_in_base64():
    text, other = (
        dead_letter_document(written(received(v)), sent_back=False) for v in (b"{}", b"\xff")
    )
    assert text["value"] == "{}"
    assert (other["value_base64"], "value" in other) == ("/w==", False)
    assert json.loads(json.dumps(other))["reason"] == "contract"
