"""Protobuf with a registry: documents as JSON has them, compiled from the schema's text."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import struct_pb2, timestamp_pb2, wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from producers.contract.records import Undecodable
from tests.consumers.sources.schemas.fake_registry import FakeRegistry, framed
from tests.consumers.sources.schemas.test_avro import reader

COMMON = 'syntax = "proto3"; package bank; message Money { double amount = 1; string unit = 2; }'
SCORED = """
syntax = "proto3";
import "bank/common.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
message Other { int32 n = 1; Other next = 3; message Inner { Other back = 1; sint64 z = 2; } }
message Scored {
  enum Country { DE = 0; FR = 1; }
  string id = 1;
  google.protobuf.Timestamp at = 2;
  bank.Money paid = 3;
  float short = 4;
  int64 big = 5;
  optional int32 asked = 6;
  Country country = 7;
  repeated float many = 8;
  map<string, double> named = 9;
  oneof either { bool yes = 10; string no = 11; }
  google.protobuf.DoubleValue maybe = 12;
  google.protobuf.Struct free = 13;
  bytes raw = 14;
}
"""
MONEY = b"\x09\0\0\0\0\0\0\x29\x40\x12\3EUR"
UNSET = {
    **{"id": "", "at": None, "paid": None, "short": 0.0, "big": 0, "asked": None},
    **{"country": "DE", "many": [], "named": {}, "yes": None, "no": None},
    **{"maybe": None, "free": None, "raw": b""},
}


def field(number: int, data: bytes) -> bytes:
    size = len(data)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + data


@pytest.fixture(scope="module")
def read() -> Any:
    fake = FakeRegistry()
    common = fake.register(COMMON, "PROTOBUF")
    fake.register(SCORED, "PROTOBUF", (("bank/common.proto", common),))
    return reader(fake, "protobuf")


def scored(data: bytes) -> bytes:
    return framed(2, b"\2\2" + data)  # the second message of the file


def test_values_of_protobuf_are_those_of_json(read):
    at = timestamp_pb2.Timestamp(seconds=1_700_000_000, nanos=250_000_000)
    free = struct_pb2.Struct()
    free.update({"a": 1.5, "b": [True, None]})
    maybe = wrappers_pb2.DoubleValue(value=2.5)
    named = field(1, b"k") + b"\x11" + bytes(8)
    data = b"".join(
        (
            *(field(1, b"r1"), field(2, at.SerializeToString()), field(3, MONEY)),
            *(b"\x25\xcd\xcc\xcc\x3d", b"\x28\x81\x80\x80\x80\x80\x80\x80\x10", b"\x30\0"),
            *(b"\x38\1", field(8, b"\xcd\xcc\xcc\x3d"), field(9, named)),
            *(field(11, b"late"), field(12, maybe.SerializeToString())),
            *(field(13, free.SerializeToString()), field(14, b"\xff")),
        )
    )  # fmt: skip
    assert read(scored(data)) == {
        **{"id": "r1", "at": "2023-11-14T22:13:20.250Z", "paid": {"amount": 12.5, "unit": "EUR"}},
        **{"short": 0.1, "big": 2**53 + 1, "asked": 0, "country": "FR", "many": [0.1]},
        **{"named": {"k": 0.0}, "yes": None, "no": "late", "maybe": 2.5},
        **{"free": {"a": 1.5, "b": [True, None]}, "raw": b"\xff"},
    }


def test_what_was_not_set_is_null_if_the_schema_can_tell(read):
    assert read(scored(b"")) == UNSET


def test_message_indexes_name_inner_messages(read):
    assert read(framed(2, b"\0\x08\5")) == {"n": 5, "next": None}
    inner = read(framed(2, b"\4\0\0" + field(1, b"\x08\7") + b"\x10\3"))
    assert inner == {"back": {"n": 7, "next": None}, "z": -2}


def test_an_enum_of_a_later_schema_is_its_number(read):
    assert read(scored(b"\x38\7"))["country"] == 7


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (scored(b"\x0a\5x"), "not Protobuf of its schema"),
        (scored(b"\x0a\1\xff"), "not Protobuf of its schema"),  # not UTF-8
        (framed(2, b"\x0a\2\2\2\2\2"), "no message at"),
        (framed(2, b"\2\x14"), r"no message at \[10\]"),
    ],
)
def test_bytes_that_are_no_protobuf_are_refused_with_a_sentence(read, value, said):
    with pytest.raises(Undecodable, match=said):
        read(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("message {", "driftline_main.proto:1:"),
        ('syntax = "proto3"; import "gone.proto";', "gone.proto"),
        ('syntax = "proto3"; message A { Nothing x = 1; }', "Nothing"),
    ],
)
def test_a_schema_that_is_not_valid_is_refused_once_with_what_the_compiler_says(text, said):
    fake = FakeRegistry()
    id_ = fake.register(text, "PROTOBUF")
    read = reader(fake, "protobuf")
    for _ in range(2):
        with pytest.raises(Undecodable, match=said):
            read(framed(id_, b"\0"))
    assert len(fake.asked) == 1


def test_a_reference_is_written_nowhere_else():
    fake = FakeRegistry()
    fake.register(COMMON, "PROTOBUF")
    fake.register(SCORED, "PROTOBUF", (("../../stolen.proto", 1),))
    with pytest.raises(Undecodable, match="no relative path"):
        reader(fake, "protobuf")(framed(2, b"\0"))


@given(data=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(read, data: bytes):
    try:
        found = read(scored(data))
    except Undecodable:
        return
    assert found.keys() == UNSET.keys()


def test_a_message_that_contains_itself_too_deeply_is_refused(read):
    data = b"\x08\1"
    for _ in range(40):
        data = field(3, data)
    assert read(framed(2, b"\0" + data))["next"]["next"]["n"] == 0
    for _ in range(80):
        data = field(3, data)
    with pytest.raises(Undecodable, match="not Protobuf"):
        read(framed(2, b"\0" + data))
