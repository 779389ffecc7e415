"""The same rows in every format that is read: the same counts to the bit, and so the same windows.

Windows are a pure function of these counts. What 32-bit floats change is shown at the end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from consumers.messages.arrow import ARROW_HEADERS
from consumers.messages.records import Headers, Message
from consumers.roles.aggregate import Aggregate
from consumers.roles.ingest import Ingest
from consumers.sources.mapping.record_mapper import RecordMapper
from driftline.configuration.sources import SourceSection
from producers.contract.arrow_columns import ipc_stream
from producers.registration.columns import Columns
from producers.registration.rows_file import read_rows
from producers.simulation.replay import Replay
from tests.consumers.in_memory import (
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    pane_sums,
    plan,
    positions_of,
    prediction,
    profile,
)
from tests.consumers.sources.schemas.fake_registry import FakeRegistry, framed
from tests.consumers.sources.schemas.test_avro import written

TOPIC = "topic:orders"
ROWS = 60


class Row(NamedTuple):
    id: str
    t: int
    x: float | None
    c: str
    p: float


class Sent(NamedTuple):
    value: bytes
    headers: Headers = ()


def rows(kind: type[np.floating[Any]] = np.float64) -> Iterator[Row]:
    """Doubles with all their digits, a gap, unseen categories."""
    for i in range(ROWS):
        x = None if i == 7 else float(str(kind(i / 7)))
        yield Row(f"r{i}", T0 + 20 * i, x, ("a", "b", "new")[i % 3], i / ROWS)


def document(row: Row) -> dict[str, Any]:
    return {"id": row.id, "t": row.t, "in": {"x": row.x, "c": row.c}, "p": row.p}


FIELDS: dict[str, Any] = {
    **{"topic": "orders", "id": "$.id", "time": "$.t", "model": {"value": "m"}},
    **{"features": "$.in", "score": "$.p"},
}
IN_EVENT = FIELDS | {
    **{"envelope": "cloudevents", "id": "$.data.id", "time": "$.data.t"},
    **{"features": "$.data.in", "score": "$.data.p"},
}


IN_LOG = FIELDS | {"envelope": "kserve-v2", "features": "@.inputs", "score": "@.outputs.p"}


def avro_schema(x: str) -> dict[str, Any]:
    inner = [{"name": "x", "type": ["null", x]}, {"name": "c", "type": "string"}]
    fields = [
        {"name": "id", "type": "string"},
        {"name": "t", "type": "long"},
        {"name": "in", "type": {"type": "record", "name": "In", "fields": inner}},
        {"name": "p", "type": "double"},
    ]
    return {"type": "record", "name": "Order", "fields": fields}


PROTO = """syntax = "proto3";
message Order { string id = 1; int64 t = 2; In in = 3; double p = 4; }
message In { optional double x = 1; string c = 2; }
"""


@cache
def protobuf_class() -> Any:
    """The same as ``PROTO``, made by hand: what reads it is compiled from the text."""
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", syntax="proto3")
    order, inner = file.message_type.add(name="Order"), file.message_type.add(name="In")
    kind = descriptor_pb2.FieldDescriptorProto
    named = {"id": kind.TYPE_STRING, "t": kind.TYPE_INT64, "in": kind.TYPE_MESSAGE}
    for number, (name, type_) in enumerate((named | {"p": kind.TYPE_DOUBLE}).items(), 1):
        order.field.add(name=name, number=number, type=type_, label=kind.LABEL_OPTIONAL)
    order.field[2].type_name = ".In"
    inner.oneof_decl.add(name="_x")
    one = inner.field.add(name="x", number=1, type=kind.TYPE_DOUBLE, label=kind.LABEL_OPTIONAL)
    one.oneof_index, one.proto3_optional = 0, True
    inner.field.add(name="c", number=2, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Order"))


def as_json(row: Row) -> Sent:
    return Sent(json.dumps(document(row)).encode())


def as_event(row: Row) -> Sent:
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "o", "data": document(row)}
    return Sent(json.dumps(event).encode(), [("content-type", b"application/cloudevents+json")])


def as_binary_event(row: Row) -> Sent:
    return Sent(as_json(row).value, [("ce_specversion", b"1.0"), ("ce_id", b"e")])


def as_avro(x: str) -> Callable[[Row], Sent]:
    schema = avro_schema(x)
    return lambda row: Sent(framed(1, written(schema, document(row))))


def as_protobuf(row: Row) -> Sent:
    message = protobuf_class()(id=row.id, t=row.t, p=row.p)
    getattr(message, "in").c = row.c
    if row.x is not None:
        getattr(message, "in").x = row.x
    return Sent(framed(1, b"\0" + message.SerializeToString()))


def as_json_schema(row: Row) -> Sent:
    return Sent(framed(9, as_json(row).value))


def as_inference(row: Row) -> Sent:
    """A request and its response in one record, as tensors of one row."""
    given = (("x", "FP64", row.x), ("c", "BYTES", row.c))
    inputs = [{"name": n, "shape": [1], "datatype": kind, "data": [v]} for n, kind, v in given]
    outputs = [{"name": "p", "shape": [1, 1], "datatype": "FP64", "data": [row.p]}]
    return Sent(
        json.dumps({"id": row.id, "t": row.t, "inputs": inputs, "outputs": outputs}).encode()
    )


def registry(format_: str, x: str = "double") -> FakeRegistry:
    fake = FakeRegistry()
    if format_ == "protobuf":
        fake.register(PROTO, "PROTOBUF")
    else:
        fake.register(avro_schema(x))
    return fake


def new_log() -> Log:
    topics = dict.fromkeys(("predictions", "labels", "summaries", "joins", "positions"), 1)
    return Log(**topics, **{TOPIC: 1, "dead-letters": 1})


def counted(log: Log) -> Any:
    made = (constant(plan()), log.partitions, positions_of(log), VersionStates())
    sources = [*log.topic_partitions("predictions"), *log.topic_partitions("labels")]
    Worker(Aggregate(Table(profile()), *made), log, sources).work()
    assert not log.all("dead-letters")
    return pane_sums(log.all("summaries"))


def of_contract(given: Iterator[Row]) -> Any:
    """As records of Driftline, in JSON."""
    log = new_log()
    for row in given:
        features = {"x": row.x, "c": row.c}
        value = prediction(id=row.id, time=row.t, features=features, score=row.p)
        log.append(Message("predictions", None, value, 0))
    return counted(log)


def of_arrow(given: Iterator[Row], kind: pa.DataType) -> Any:
    columns = list(zip(*given, strict=True))
    table = {"id": pa.array(columns[0]), "time": pa.array(columns[1]), "model": ["m"] * ROWS}
    table |= {"version": ["1"] * ROWS, "x": pa.array(columns[2], kind), "c": pa.array(columns[3])}
    value = ipc_stream(pa.table(table | {"score": pa.array(columns[4])}))
    log = new_log()
    log.append(Message("predictions", None, value, 0, ARROW_HEADERS))
    return counted(log)


def of_source(
    source: dict[str, Any], fake: FakeRegistry, send: Callable[[Row], Sent], given: Iterator[Row]
) -> Any:
    log = new_log()
    for row in given:
        value, headers = send(row)
        log.append(Message(TOPIC, None, value, 0, headers))
    mapper = RecordMapper([SourceSection(**source)], fake.client())
    role = Ingest({TOPIC: mapper}.__getitem__, log.partitions, positions_of(log))
    Worker(role, log, log.topic_partitions(TOPIC)).work()
    return counted(log)


@pytest.mark.parametrize(
    ("source", "send"),
    [
        (FIELDS, as_json),
        (IN_EVENT, as_event),
        (IN_EVENT, as_binary_event),
        (FIELDS | {"format": "avro"}, as_avro("double")),
        (FIELDS | {"format": "protobuf"}, as_protobuf),
        (FIELDS | {"format": "json-schema"}, as_json_schema),
        (IN_LOG, as_inference),
        (IN_EVENT | {"format": "json-schema"}, None),
    ],
    ids=["json", "event", "binary-event", "avro", "protobuf", "json-schema", "kserve", "both"],
)
def test_rows_of_every_format_are_counted_alike(source, send):
    def binary(row: Row) -> Sent:
        return Sent(as_json_schema(row).value, as_binary_event(row).headers)

    fake = registry(source.get("format", ""))
    assert of_source(source, fake, send or binary, rows()) == of_contract(rows())


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_rows_of_a_file_that_is_replayed_are_counted_alike(suffix, tmp_path):
    path, table = tmp_path / f"rows{suffix}", pd.DataFrame(list(rows()))
    table["t"] = pd.to_datetime(table["t"], unit="ms", utc=True)
    table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path)
    columns = Columns(time="t", score="p", id="id")
    log = new_log()
    for event in Replay("m", "1", read_rows(path, columns, profile().schema)).events():
        log.append(Message(event.topic, event.key, event.value, 0, event.headers))
    assert counted(log) == of_contract(rows())


def test_rows_in_arrow_are_counted_alike():
    assert of_arrow(rows(), pa.float64()) == of_contract(rows())


def test_32_bit_floats_are_the_numbers_of_their_shortest_digits():
    """In Avro as in Arrow: of i/7 they keep about eight digits, which are the same everywhere."""
    short = of_source(
        FIELDS | {"format": "avro"}, registry("avro", "float"), as_avro("float"), rows()
    )
    assert short == of_arrow(rows(), pa.float32()) == of_contract(rows(np.float32))
