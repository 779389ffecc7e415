"""Topics in Avro, Protobuf and JSON Schema, with a real registry that is away for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import lacking
from tests.consumers.sources.schemas.fake_registry import framed
from tests.consumers.sources.schemas.test_avro import record, written
from tests.integration.broker import BrokerUnavailable
from tests.integration.deployment import Deployment, Sent
from tests.integration.registry import LocalRegistry
from tests.integration.test_sources import create, produce

pytestmark = pytest.mark.kafka

MONEY: dict[str, Any] = {
    **{"type": "record", "name": "bank.Money"},
    "fields": [{"name": "amount", "type": "double"}],
}
AT = {"type": "long", "logicalType": "timestamp-millis"}
PROTO = 'syntax = "proto3"; import "money.proto"; message R { string id = 1; Money paid = 2; }'
PROTO_MONEY = 'syntax = "proto3"; message Money { double amount = 1; }'
T = 1_700_000_000_000


@pytest.fixture(scope="module")
def registry() -> Iterator[LocalRegistry]:
    try:
        local = LocalRegistry()
    except BrokerUnavailable as error:
        lacking("kafka", str(error))
    with local:
        yield local


def reference(name: str, subject: str) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": 1}


def test_ingest_reads_topics_with_schemas_and_waits_for_their_registry(
    kafka, registry, prefix, tmp_path
):
    topics = {kind: f"{prefix}-{kind}" for kind in ("avro", "protobuf", "json-schema")}
    sources = [
        {**{"topic": topic, "format": kind, "id": "$.id", "features": "$.paid"}, "model": "$.m"}
        | ({"time": "$.at"} if kind == "avro" else {"model": {"value": "m"}})
        for kind, topic in topics.items()
    ]
    settings = {
        "DRIFTLINE_SOURCES": json.dumps(sources),
        "DRIFTLINE_SCHEMA_REGISTRY__URL": registry.url,
    }
    first, second = record(id="string", at=AT, m="string"), record(id="string", at=AT, m="string")
    first["fields"].append({"name": "paid", "type": "bank.Money"})
    second["fields"].append({"name": "paid", "type": ["null", MONEY]})
    second["fields"].append({"name": "more", "type": ["null", "int"], "default": None})

    registry.register("money", json.dumps(MONEY), "AVRO")
    ids = [
        registry.register("a", json.dumps(first), "AVRO", reference("bank.Money", "money")),
        registry.register("b", json.dumps(second), "AVRO"),
    ]
    registry.register("money-p", PROTO_MONEY, "PROTOBUF")
    in_proto = registry.register("p", PROTO, "PROTOBUF", reference("money.proto", "money-p"))

    whole = {**first, "fields": [*first["fields"][:3], {"name": "paid", "type": MONEY}]}
    row = {"at": T, "m": "m", "paid": {"amount": 2.5}}
    old = framed(ids[0], written(whole, row | {"id": "a1"}))
    new = framed(ids[1], written(second, row | {"id": "a2", "more": 7}))
    proto = framed(in_proto, b"\0\x0a\2p1\x12\x09\x09\0\0\0\0\0\0\x04\x40")
    as_json = framed(7, json.dumps({"id": "j1", "paid": {"amount": 2.5}}).encode())

    with Deployment(kafka, prefix, tmp_path, settings) as deployment:
        create(kafka, *topics.values())
        deployment.start("ingest")
        avro = topics["avro"]
        produce(deployment, [Sent(avro, 0, None, old), Sent(avro, 0, None, framed(9_999, old))])
        deployment.until(lambda: ids_of(deployment) == {"a1"}, "a row of Avro")
        assert "$.paid.amount" in deployment.cli("inspect", avro)

        registry.freeze()
        sent = {avro: new, topics["protobuf"]: proto, topics["json-schema"]: as_json}
        try:
            produce(deployment, [Sent(topic, 0, None, value) for topic, value in sent.items()])
            deployment.until(lambda: "Schema Registry is away" in problems(deployment), "a wait")
        finally:
            registry.thaw()
        everything = {"a1", "a2", "p1", "j1"}
        deployment.until(lambda: ids_of(deployment) == everything, "the other rows")
        rows = [json.loads(value) for _, _, value, _ in deployment.read("predictions")]
        assert [r["features"] for r in rows] == [{"amount": 2.5}] * 4
        assert {r["time"] for r in rows if r["id"].startswith("a")} == {T}
        (letter,) = deployment.read("dead-letters")
        assert letter[3]["driftline.error"] == b"the Schema Registry has no schema 9999"


def ids_of(deployment: Deployment) -> set[str]:
    return {json.loads(value)["id"] for _, _, value, _ in deployment.read("predictions")}


def problems(deployment: Deployment) -> str:
    beats = [json.loads(value) for _, _, value, _ in deployment.read("heartbeats")]
    return " ".join(str(beat.get("problem")) for beat in beats)
