"""The client of a Schema Registry: asked once for each schema; what its answers mean."""

from __future__ import annotations

from uuid import UUID

import pytest

from consumers.sources.schemas import registry as module
from consumers.sources.schemas.registry import UnknownSchema
from driftline.errors import SchemaRegistryUnavailable
from tests.consumers.sources.schemas.fake_registry import GUID, FakeRegistry


def test_a_schema_is_asked_for_once_with_all_that_it_refers_to():
    fake = FakeRegistry()
    deep = fake.register("deep", "PROTOBUF")
    left = fake.register("left", "PROTOBUF", (("deep.proto", deep),))
    right = fake.register("right", "PROTOBUF", (("deep.proto", deep),))
    top = fake.register("top", "PROTOBUF", (("left.proto", left), ("right.proto", right)))
    client = fake.client()
    schema = client.schema(top)
    assert (schema.kind, schema.text) == ("PROTOBUF", "top")
    names = {"deep.proto": "deep", "left.proto": "left", "right.proto": "right"}
    assert list(schema.references.items()) == list(names.items())
    assert client.schema(top) is schema
    assert len(fake.asked) == 4


def test_a_schema_is_found_by_its_guid():
    fake = FakeRegistry()
    fake.register("one")
    assert fake.client().schema(UUID(GUID)).text == "one"


def test_an_unknown_schema_is_not_asked_for_again_for_some_seconds(monkeypatch):
    fake, now_s = FakeRegistry(), 100.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now_s)
    client = fake.client()
    for _ in range(3):
        with pytest.raises(UnknownSchema):
            client.schema(1)
    assert fake.asked == ["schemas/ids/1"]
    fake.register("late")
    now_s += module.UNKNOWN_S
    assert client.schema(1).text == "late"


def test_a_registry_that_is_away_is_no_unknown_schema():
    fake = FakeRegistry()
    fake.register("one")
    client = fake.client(url="https://me:hunter2@registry.example/api")
    fake.away = True
    with pytest.raises(SchemaRegistryUnavailable) as raised:
        client.schema(1)
    name = "the Schema Registry at https://registry.example/api"
    assert str(raised.value) == f"{name} does not answer: refused"
    assert not client.answers()
    fake.away = False
    assert client.answers()
    assert client.schema(1).text == "one"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        *((401, "check user, password and token"), (403, "check user"), (500, "answers 500")),
        *((404, "is schema_registry.url complete?"), (302, "answers 302")),
    ],
)
def test_other_answers_are_outages_with_a_remedy(status: int, said: str):
    fake = FakeRegistry()
    fake.status = status
    with pytest.raises(SchemaRegistryUnavailable, match=said.replace("?", r"\?")):
        fake.client().schema(1)


@pytest.mark.parametrize(
    ("section", "sent"),
    [
        ({"user": "me", "password": "hunter2"}, "Basic bWU6aHVudGVyMg=="),
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({"url": "https://me:hunter2@registry.example/api"}, "Basic bWU6aHVudGVyMg=="),
        ({}, None),
    ],
)
def test_credentials_are_sent(section, sent):
    fake = FakeRegistry()
    assert fake.client(**section).answers()
    assert fake.authorization == sent


def test_references_in_a_circle_end():
    fake = FakeRegistry()
    fake.register("a", "PROTOBUF", (("b", 2),))
    fake.register("b", "PROTOBUF", (("a", 1),))
    assert fake.client().schema(1).references.keys() == {"a", "b"}
