"""Avro with a registry: documents as JSON has them, whatever bytes and schemas come."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages.records import Record
from consumers.sources.schemas.decoding import schema_decoder
from consumers.sources.schemas.wire_format import HEADER
from producers.contract.records import Undecodable
from tests.consumers.sources.schemas.fake_registry import FakeRegistry, framed


def written(schema: Any, value: Any) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


def reader(fake: FakeRegistry, kind: str = "avro") -> Callable[..., Any]:
    decode = schema_decoder(kind, fake.client())

    def read(value: bytes | None, *headers: tuple[str, bytes]) -> Any:
        return decode(value, lambda: Record("t", 0, 0, None, value, headers))

    return read


def record(**fields: Any) -> dict[str, Any]:
    named = [{"name": name, "type": kind} for name, kind in fields.items()]
    return {"type": "record", "name": "R", "fields": named}


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


AT = datetime(2026, 11, 30, 12, 0, 0, 250_000, UTC)
ENUM = {"type": "enum", "name": "E", "symbols": ["DE", "FR"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "value", "document"),
    [
        ("long", 2**62 + 1, 2**62 + 1),
        ("double", 0.1, 0.1),
        ("float", 0.1, 0.1),  # the shortest digits, as everywhere
        (["null", "float"], 0.1, 0.1),
        ("boolean", True, True),
        (["null", "string"], None, None),
        (ENUM, "FR", "FR"),
        (logical("long", "timestamp-millis"), AT, "2026-11-30T12:00:00.250000+00:00"),
        (logical("long", "timestamp-micros"), AT, "2026-11-30T12:00:00.250000+00:00"),
        (["null", logical("long", "timestamp-millis")], AT, "2026-11-30T12:00:00.250000+00:00"),
        (logical("long", "local-timestamp-millis"), AT, "2026-11-30T12:00:00.250000"),
        (logical("long", "nobody-knows-this"), 7, 7),
        (logical("int", "date"), date(2026, 11, 30), "2026-11-30"),
        (logical("int", "time-millis"), time(12, 30), "12:30:00"),
        (logical("bytes", "decimal", precision=18, scale=2), Decimal("12.50"), 12.5),
        (logical("bytes", "decimal", precision=18, scale=0), Decimal(2**53 + 1), 2**53 + 1),
        (logical("string", "uuid"), UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        ("bytes", b"ab", b"ab"),
        (FIXED, b"ab", b"ab"),
        ({"type": "array", "items": "float"}, [0.1], [0.1]),
        ({"type": "map", "values": "float"}, {"float": 0.1}, {"float": 0.1}),
        (record(float="float"), {"float": 0.1}, {"float": 0.1}),
    ],
)
def test_values_of_avro_are_those_of_json(kind, value, document):
    fake = FakeRegistry()
    schema = {"type": "record", "name": "Top", "fields": [{"name": "x", "type": kind}]}
    id_ = fake.register(schema)
    assert reader(fake)(framed(id_, written(schema, {"x": value}))) == {"x": document}


def test_each_record_is_read_by_its_own_version_of_the_schema():
    fake = FakeRegistry()
    one, two = record(x="int"), record(y=["null", "string"], x="double")
    first, second = fake.register(one), fake.register(two)
    read = reader(fake)
    assert read(framed(second, written(two, {"x": 0.5, "y": "a"}))) == {"x": 0.5, "y": "a"}
    assert read(framed(first, written(one, {"x": 3}))) == {"x": 3}
    assert read(written(one, {"x": 4}), (HEADER, framed(first, b""))) == {"x": 4}


def test_types_of_other_schemas_are_known():
    fake = FakeRegistry()
    money = {"type": "record", "name": "bank.Money", "fields": [{"name": "cents", "type": "float"}]}
    id_ = fake.register(money)
    top = fake.register(record(paid="bank.Money"), references=(("bank.Money", id_),))
    data = written(record(paid=money), {"paid": {"cents": 0.1}})
    assert reader(fake)(framed(top, data)) == {"paid": {"cents": 0.1}}


def test_a_value_that_contains_itself_does_not_end_the_process():
    fake = FakeRegistry()
    id_ = fake.register(record(next=["null", "R"]))
    read = reader(fake)
    assert read(framed(id_, b"\2\2\0")) == {"next": {"next": {"next": None}}}
    with pytest.raises(Undecodable, match="RecursionError"):
        read(framed(id_, b"\2" * 100_000 + b"\0"))


EMPTY = {"type": "record", "name": "Empty", "fields": []}
HOLDS_EMPTY = {"type": "record", "name": "H", "fields": [{"name": "e", "type": EMPTY}]}


@pytest.mark.parametrize(
    "items",
    [
        *("null", {"type": "null"}, EMPTY, HOLDS_EMPTY),
        {"type": "fixed", "name": "Nothing", "size": 0},
    ],
)
@pytest.mark.parametrize("outer", [lambda a: a, lambda a: ["null", a], lambda a: record(inner=a)])
def test_an_array_of_items_without_bytes_is_refused_because_it_may_have_any_length(items, outer):
    """Five bytes would make 2^31 items."""
    fake = FakeRegistry()
    field = outer({"type": "array", "items": items})
    id_ = fake.register({"type": "record", "name": "Row", "fields": [{"name": "a", "type": field}]})
    with pytest.raises(Undecodable, match="an array whose items take no bytes"):
        reader(fake)(framed(id_, b"\xfe\xff\xff\xff\x0f\0"))


def test_arrays_of_items_with_bytes_are_read():
    fake = FakeRegistry()
    kinds = (["null", "long"], ENUM, FIXED, {"type": "array", "items": "boolean"}, record(x="int"))
    for number, kind in enumerate(kinds):
        schema = {"type": "record", "name": f"Row{number}"}
        arrays = {"name": "a", "type": {"type": "array", "items": kind}}
        nothing = {"name": "n", "type": "null"}
        id_ = fake.register({**schema, "fields": [arrays, nothing]})
        assert reader(fake)(framed(id_, b"\0")) == {"a": [], "n": None}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (framed(1, b""), "not Avro of its schema"),
        (framed(1, b"\2\2"), "1 bytes are left"),
        (framed(2, b""), "its schema 2 is PROTOBUF: expected AVRO"),
        (framed(3, b""), "its Avro schema is not valid"),
        (framed(4, b""), "has no schema 4"),
        (b"{}", "expected 0 or 1 and the id of a schema"),
        (None, "tombstone"),
    ],
)
def test_bytes_that_are_no_avro_are_refused_with_a_sentence(value, said):
    fake = FakeRegistry()
    fake.register(record(x="int"))
    fake.register("message X {}", "PROTOBUF")
    fake.register('{"type": "record"}')
    read = reader(fake)
    for _ in range(2):
        with pytest.raises(Undecodable, match=said):
            read(value)


WIDE = record(
    x="double", t=logical("long", "timestamp-millis"), c=ENUM, d=logical("bytes", "decimal")
    | {"precision": 9, "scale": 2}, l={"type": "array", "items": ["null", "string", "float"]},
    m={"type": "map", "values": "long"},
)  # fmt: skip
VALUE = {"x": 1.5, "t": AT, "c": "DE", "d": Decimal("1.25"), "l": [None, "a", 0.5], "m": {"k": 1}}
wide = FakeRegistry()
wide.register(WIDE)
read_wide = reader(wide)


@given(at=st.integers(0, 60), put=st.binary(max_size=9), cut=st.integers(0, 9))
def test_mutated_avro_is_read_or_refused(at: int, put: bytes, cut: int):
    data = written(WIDE, VALUE)
    try:
        found = read_wide(framed(1, data[:at] + put + data[at + cut :]))
    except Undecodable:
        return
    assert found.keys() == VALUE.keys()
