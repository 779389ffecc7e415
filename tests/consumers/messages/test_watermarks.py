"""Watermarks: what ``aggregate`` and ``join`` write is what ``join`` and ``detect`` read."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.joins import decode_join_message
from consumers.messages.records import Message, Record
from consumers.messages.summaries import decode_summary_message
from consumers.messages.watermarks import JoinWatermarks, SourceWatermarks, watermark_messages
from monitor.events.event_time import Progress, Sources
from monitor.windows.state import JoinWatermark, WatermarkUpdate

times_ms = st.none() | st.integers(0, 2**53)
sources = st.builds(
    Sources,
    st.integers(0, 99),
    st.dictionaries(st.integers(0, 99), st.builds(Progress, times_ms, st.booleans()), max_size=5),
)


def record(message: Message) -> Record:
    return Record(
        message.topic, message.partition or 0, 0, message.key, message.value, message.headers
    )


@given(predictions=sources, labels=sources)
@settings(max_examples=40, deadline=None)
def test_source_watermarks_are_read_by_join_and_detect_as_they_were_written(predictions, labels):
    watermarks = SourceWatermarks(schema=1, predictions=predictions, labels=labels)
    (of_joins,) = watermark_messages("joins", watermarks, 1)
    (of_summaries,) = watermark_messages("summaries", watermarks, 1)
    assert decode_join_message(record(of_joins)) == watermarks
    assert decode_summary_message(record(of_summaries)) == WatermarkUpdate(predictions)


@given(
    total=st.integers(1, 99),
    joins=st.dictionaries(
        st.integers(0, 99), st.builds(JoinWatermark, times_ms, times_ms), max_size=5
    ),
)
@settings(max_examples=40, deadline=None)
def test_join_watermarks_are_read_by_detect_as_they_were_written(total, joins):
    watermarks = JoinWatermarks(schema=1, total=total, partitions=joins)
    (message,) = watermark_messages("summaries", watermarks, 1)
    assert decode_summary_message(record(message)) == WatermarkUpdate(None, total, joins)


def test_watermarks_go_to_every_partition_of_a_topic():
    watermarks = SourceWatermarks(schema=1, predictions=Sources(), labels=Sources())
    messages = watermark_messages("joins", watermarks, 3)
    assert [message.partition for message in messages] == [0, 1, 2]
    assert len({message.value for message in messages}) == 1


def test_the_json_of_watermarks_is_that_of_schema_1():
    """A field that is renamed needs another schema."""
    sources = SourceWatermarks(
        schema=1, predictions=Sources(2, {0: Progress(7, True)}), labels=Sources(1)
    )
    joins = JoinWatermarks(schema=1, total=1, partitions={0: JoinWatermark(7, None)})
    assert json.loads(watermark_messages("joins", sources, 1)[0].value or b"") == {
        "type": "sources",
        "schema": 1,
        "predictions": {"total": 2, "partitions": {"0": {"newest_ms": 7, "idle": True}}},
        "labels": {"total": 1, "partitions": {}},
    }
    assert json.loads(watermark_messages("joins", joins, 1)[0].value or b"") == {
        "type": "joins",
        "schema": 1,
        "total": 1,
        "partitions": {"0": {"predictions_ms": 7, "labels_ms": None}},
    }
