"""Positions: read as they were written, and found under the number of their partition."""

from __future__ import annotations

import json

import pytest

from consumers.messages.positions import (
    PositionEntry,
    SourcePosition,
    decode_position,
    offset_messages,
    position_message,
    seen_message,
)
from consumers.messages.reading import ForeignMessage, MalformedMessage
from consumers.messages.records import Message, Record, TopicPartition
from monitor.events.progress import Seen

P5 = TopicPartition("predictions", 5)
POSITION = SourcePosition(next_offset=3, append_ms=9, counts={"received": 3}, dead={"contract": 1})
SEEN = Seen(7, 9, 8, 9)


def record(message: Message) -> Record:
    return Record(message.topic, message.partition or 0, 0, message.key, message.value)


def test_positions_are_read_as_they_were_written():
    assert decode_position(record(position_message(P5, POSITION, 4))) == PositionEntry(
        P5, None, POSITION
    )
    of_labels = TopicPartition("labels", 0)
    for source, key in ((P5, ("m", "1")), (of_labels, ("m",))):
        message = seen_message(source, key, SEEN, 4)
        assert decode_position(record(message)) == PositionEntry(source, key, SEEN)


@pytest.mark.parametrize("topic", ["joins", "summaries", "retraining"])
def test_positions_of_own_topics_are_offsets(topic):
    source = TopicPartition(topic, 5)
    offsets = {source: 7, P5: 3}  # the position of a source has counts
    (message,) = offset_messages(offsets, {"positions": 4}.__getitem__)
    entry = decode_position(record(message))
    assert (entry.source, entry.key) == (source, None)
    assert isinstance(entry.content, SourcePosition)
    assert entry.content.next_offset == 7


def test_positions_of_a_source_partition_are_in_one_partition():
    messages = [position_message(P5, POSITION, 4), seen_message(P5, ("m", "1"), SEEN, 4)]
    assert {message.partition for message in messages} == {5 % 4}
    assert [message.key for message in messages] == [b"predictions/5", b"predictions/5/m/1"]


def test_the_json_of_positions_is_that_of_schema_1():
    """A field that is renamed needs another schema."""
    position, seen = (
        json.loads(message.value or b"")
        for message in (position_message(P5, POSITION, 4), seen_message(P5, ("m", "1"), SEEN, 4))
    )
    assert position == {
        **{"schema": 1, "next_offset": 3, "append_ms": 9},
        **{"counts": {"received": 3}, "dead": {"contract": 1}},
    }
    assert seen == {
        "schema": 1,
        "seen": {
            "newest_ms": 7,
            "newest_append_ms": 9,
            "first_append_ms": 8,
            "last_append_ms": 9,
        },
    }


@pytest.mark.parametrize("key", [None, b"", b"predictions", b"predictions/x", b"windows/0"])
def test_position_with_another_key_is_foreign(key):
    with pytest.raises(ForeignMessage):
        decode_position(Record("positions", 0, 0, key, b'{"schema": 1}'))


@pytest.mark.parametrize("key", [b"predictions/0", b"labels/0/m"])
def test_position_of_another_schema_is_refused(key):
    """Skipping it would count rows twice."""
    with pytest.raises(MalformedMessage):
        decode_position(Record("positions", 0, 0, key, b'{"schema": 2}'))
