"""The policy for internal topics: foreign messages are skipped and counted, others refused."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from msgspec import inspect

from consumers.messages.alerts import AlertMessage, decode_alert
from consumers.messages.arrow import ARROW_HEADERS, JSON_HEADERS
from consumers.messages.decisions import RetrainingDecision, decode_decision
from consumers.messages.heartbeats import HeartbeatMessage, decode_heartbeat
from consumers.messages.joins import JoinRows, decode_join_message, join_message
from consumers.messages.reading import MessageReader, UnreadableMessage
from consumers.messages.records import Message, Record, TopicPartition
from consumers.messages.summaries import decode_summary_message, summary_messages
from consumers.messages.windows import WindowMessage, decode_window
from driftline.errors import Trouble
from monitor.counts.counts import Counts
from monitor.counts.summary import Part, Summary
from monitor.decisions.incidents import Change
from producers.contract.summaries import encode_table
from tests.consumers import stored

DECODERS: Any = {
    "windows": decode_window,
    "alerts": decode_alert,
    "retraining": decode_decision,
    "heartbeats": decode_heartbeat,
    "summaries": decode_summary_message,
    "joins": decode_join_message,
}
DOCUMENTS = dict(
    (
        stored.window(),
        stored.alert(),
        stored.decision(),
        stored.heartbeat("join", partitions={"joins/0": {"offset": 1, "end": 2}}),
    )
)
SUMMARY = Summary("m", "1", 0, Part.ON_TIME, {"rows": Counts.of([0])})
ONE: Any = np.array([1])
ROWS = JoinRows("m", [bytes(16)], ["1"], ONE, ONE.astype(bool), ONE.astype(float), ONE, ONE, ONE)
ARROW_TOPICS: dict[str, Message] = {
    "summaries": summary_messages("m", [SUMMARY], 1)[0],
    "joins": join_message(ROWS, 0),
}


def record(topic: str, value: object, headers: Any = (), offset: int = 17) -> Record:
    encoded = value if isinstance(value, bytes | None) else json.dumps(value).encode()
    return Record(topic, 3, offset, b"key", encoded, headers)


def read(a_record: Record) -> Any:
    return MessageReader(DECODERS).read(a_record)


def of_schema(topic: str, schema: object) -> Any:
    document = DOCUMENTS[topic]
    if topic == "alerts":
        return {**document, "data": {**document["data"], "schema": schema}}
    return {**document, "schema": schema}


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_a_message_with_fields_of_a_later_release_is_read(topic):
    document = {**DOCUMENTS[topic], "later": {"field": 1}}
    assert read(record(topic, document)) == read(record(topic, DOCUMENTS[topic]))


def parts(found: inspect.Type) -> Iterator[inspect.Type]:
    """A type and all types inside it."""
    yield found
    if isinstance(found, inspect.StructType):
        inside = [field.type for field in found.fields if field.name != "schema"]
    else:
        names = ("types", "item_type", "key_type", "value_type")
        inside = list(itertools.chain(*(_listed(getattr(found, name, ())) for name in names)))
    for one in inside:
        yield from parts(one)


def _listed(found: Any) -> Iterable[inspect.Type]:
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize(
    "message", [WindowMessage, AlertMessage, RetrainingDecision, HeartbeatMessage]
)
def test_no_field_of_a_message_refuses_fields_or_values_of_a_later_release(message):
    found = list(parts(inspect.type_info(message)))
    assert not [one for one in found if isinstance(one, inspect.EnumType | inspect.LiteralType)]
    structs = [one for one in found if isinstance(one, inspect.StructType)]
    assert structs
    assert not any(one.forbid_unknown_fields for one in structs)


def test_closed_enumerations_of_a_message_would_be_found():
    class Closed(msgspec.Struct):
        inside: list[Change | None]
        state: Literal["open", "resolved"]

    kinds = [type(one) for one in parts(inspect.type_info(Closed))]
    assert inspect.EnumType in kinds
    assert inspect.LiteralType in kinds


@pytest.mark.parametrize("topic", DOCUMENTS)
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(None, id="tombstone"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00\xff junk", id="junk"),
        pytest.param(b"{", id="broken JSON"),
        pytest.param(b"[" * 100_000, id="deep nesting"),
        pytest.param({}, id="empty object"),
        pytest.param([], id="array"),
        pytest.param({"model": "m", "version": "1"}, id="without a schema"),
        pytest.param({"schema": {"type": "struct"}, "payload": {}}, id="Kafka Connect"),
        pytest.param(b'{"schema": 1, "x": NaN}', id="NaN"),
    ],
)
def test_a_foreign_json_message_is_skipped(topic, value):
    assert read(record(topic, value)) is None


@pytest.mark.parametrize("topic", ARROW_TOPICS)
@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(None, (), id="tombstone"),
        pytest.param(b"junk", (), id="junk"),
        pytest.param(b"{}", (), id="JSON without headers"),
        pytest.param(b"junk", ARROW_HEADERS, id="junk called Arrow"),
        pytest.param(None, ARROW_HEADERS, id="tombstone called Arrow"),
        pytest.param(b"{}", JSON_HEADERS, id="empty object called JSON"),
        pytest.param(None, JSON_HEADERS, id="tombstone called JSON"),
        pytest.param(encode_table(pa.table({"x": [1]})), ARROW_HEADERS, id="another Arrow table"),
    ],
)
def test_a_foreign_message_among_arrow_messages_is_skipped(topic, value, headers):
    assert read(record(topic, value, headers)) is None


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_a_complete_message_without_its_schema_is_foreign(topic):
    document = {name: value for name, value in DOCUMENTS[topic].items() if name != "schema"}
    if topic == "alerts":
        document["data"] = {n: v for n, v in document["data"].items() if n != "schema"}
    assert read(record(topic, document)) is None


def refused(a_record: Record) -> str:
    with pytest.raises(UnreadableMessage) as error:
        read(a_record)
    assert isinstance(error.value, Trouble)
    return str(error.value)


PLACE = "topic {}, partition 3, offset 17: this version cannot read the message: "


@pytest.mark.parametrize("topic", DOCUMENTS)
def test_a_message_of_another_schema_is_refused_with_its_topic_partition_and_offset(topic):
    sentence = refused(record(topic, of_schema(topic, 2)))
    assert sentence.startswith(PLACE.format(topic))
    assert "schema" in sentence


@pytest.mark.parametrize(
    ("topic", "changes", "why"),
    [
        ("windows", {"revision": -1}, "revision"),
        ("windows", {"revision": 10**30}, "revision"),
        ("windows", {"start": "2013-04-01T00:00:00"}, "offset"),
        ("windows", {"end": "spring"}, "spring"),
        ("windows", {"model": "a\x00b"}, "model"),
        ("windows", {"data": {}}, "data"),
        ("alerts", {"time": "spring"}, "spring"),
        ("alerts", {"id": None}, "id"),
        ("heartbeats", {"slot": -1}, "slot"),
        ("heartbeats", {"at": "spring"}, "spring"),
        ("retraining", {"reasons": "many"}, "reasons"),
    ],
)
def test_a_malformed_message_is_refused_with_its_topic_partition_and_offset(topic, changes, why):
    sentence = refused(record(topic, {**DOCUMENTS[topic], **changes}))
    assert sentence.startswith(PLACE.format(topic))
    assert why in sentence.removeprefix(PLACE.format(topic))


@pytest.mark.parametrize("topic", ARROW_TOPICS)
def test_an_arrow_message_that_is_cut_off_is_refused(topic):
    message = ARROW_TOPICS[topic]
    value = message.value or b""
    assert read(record(topic, value, message.headers)) is not None
    half = record(topic, value[: len(value) - 100], message.headers)
    assert refused(half).startswith(PLACE.format(topic))


@pytest.mark.parametrize("topic", ARROW_TOPICS)
def test_an_arrow_message_of_another_schema_is_refused(topic):
    metadata = {"driftline": topic, "schema": "2", "model": "m"}
    table = pa.table({"x": [1]}).replace_schema_metadata(metadata)
    assert "schema b'2', expected 1" in refused(record(topic, encode_table(table), ARROW_HEADERS))


@pytest.mark.parametrize("topic", ARROW_TOPICS)
def test_an_arrow_message_without_its_columns_is_refused(topic):
    metadata = {"driftline": topic, "schema": "1", "model": "m"}
    table = pa.table({"x": [1]}).replace_schema_metadata(metadata)
    refused(record(topic, encode_table(table), ARROW_HEADERS))


@pytest.mark.parametrize("topic", ARROW_TOPICS)
def test_watermarks_of_another_schema_are_refused(topic):
    value = {"type": "sources", "schema": 2, "predictions": {}, "labels": {}}
    assert "schema" in refused(record(topic, value, JSON_HEADERS))


def test_foreign_messages_are_counted_and_the_first_of_each_partition_is_logged(caplog):
    reader: MessageReader[Any] = MessageReader(DECODERS)
    with caplog.at_level(logging.WARNING):
        for offset in range(3):
            reader.read(record("windows", b"junk", offset=offset))
        reader.read(replace(record("windows", b"junk", offset=0), partition=4))
    assert reader.foreign(TopicPartition("windows", 3)) == 3
    assert reader.foreign(TopicPartition("windows", 4)) == 1
    assert reader.foreign(TopicPartition("alerts", 0)) == 0
    assert [message.split(":")[0] for message in caplog.messages] == [
        "topic windows, partition 3, offset 0",
        "topic windows, partition 4, offset 0",
    ]


def test_a_foreign_message_that_is_read_again_counts_once():
    reader: MessageReader[Any] = MessageReader(DECODERS)
    for offset in (5, 6, 5, 6):
        reader.read(record("windows", b"junk", offset=offset))
    assert reader.foreign(TopicPartition("windows", 3)) == 2


def test_an_unreadable_message_that_is_skipped_is_counted_once_and_the_first_is_logged(caplog):
    reader: MessageReader[Any] = MessageReader(DECODERS)
    with caplog.at_level(logging.WARNING):
        for offset in (5, 6, 5, 6):
            unreadable = record("windows", {"schema": 2}, offset=offset)
            with pytest.raises(UnreadableMessage) as error:
                reader.read(unreadable)
            reader.skip(unreadable, error.value)
    partition = TopicPartition("windows", 3)
    assert (reader.unreadable(partition), reader.foreign(partition)) == (2, 0)
    assert [message.split(" (")[0] for message in caplog.messages] == [
        "topic windows, partition 3, offset 5: skipped a message that this version cannot read"
    ]
