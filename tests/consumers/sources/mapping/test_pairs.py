"""Halves of pairs: what each record is, and both as one record."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from consumers.messages.records import Headers, Record
from consumers.sources.mapping.mapping import MappedPrediction
from consumers.sources.mapping.pairs import HalfReader, PairMapper, Whose
from consumers.sources.mapping.scope import Unmappable
from driftline.configuration.sources import SourceSection
from producers.contract.records import Undecodable

LOG = {
    **{"topic": "logs", "envelope": "kserve-v2", "model": {"value": "m"}},
    **{"features": "@.inputs", "score": "@.outputs.p", "pair": {"id": "$.id"}},
}
X = {"name": "x", "datatype": "FP64", "shape": [2], "data": [0.25, 0.5]}
P = {"name": "p", "datatype": "FP64", "shape": [2], "data": [0.75, 1.0]}
KINDS = {f"org.kubeflow.serving.inference.{side}": side for side in ("request", "response")}


def record(value: Any, headers: Headers = (), key: bytes | None = None) -> Record:
    return Record("topic:logs", 2, 7, key, json.dumps(value).encode(), headers, 1_000)


def whose(given: Record, topic: str = "logs", **changed: Any) -> Whose | None:
    reader = HalfReader(SourceSection(**{**LOG, **changed}), "topic:logs", topic)
    return reader.whose(given.value, lambda: given)


def mapped(request: Record, response: Record, **changed: Any) -> list[MappedPrediction]:
    rows = PairMapper([SourceSection(**{**LOG, **changed})]).rows(request, response)
    assert rows is not None
    return [row for row in rows if isinstance(row, MappedPrediction)]


def event(side: str, data: Any, **more: Any) -> dict[str, Any]:
    attributes = {"specversion": "1.0", "id": "a", "source": "/s", "servicename": "fraud"}
    return {**attributes, "type": f"org.kubeflow.serving.inference.{side}", "data": data, **more}


def test_a_request_has_inputs_and_a_response_outputs():
    """A request of V2 may also name the outputs that it asks for."""
    asked = {"id": "a", "inputs": [X], "outputs": [{"name": "p"}]}
    assert whose(record(asked)) == ("topic:logs", "a", "request")
    assert whose(record({"id": "a", "outputs": [P]})) == ("topic:logs", "a", "response")


def test_the_topic_may_say_what_a_record_is():
    pair = {"id": {"key": True}, "responses": "replies"}
    given = record({"anything": 1}, key=b"a")
    assert whose(given, pair=pair, envelope=None) == ("topic:logs", "a", "request")
    assert whose(given, "replies", pair=pair, envelope=None) == ("topic:logs", "a", "response")


def test_a_header_may_say_it_and_other_kinds_are_left_out():
    pair = {"id": {"header": "ce_id"}, "kind": {"header": "ce_type", "values": KINDS}}
    for kind, side in KINDS.items():
        given = record({}, [("ce_id", b"a"), ("ce_type", kind.encode())])
        assert whose(given, pair=pair) == ("topic:logs", "a", side)
    assert whose(record({}, [("ce_id", b"a"), ("ce_type", b"feedback")]), pair=pair) is None


def test_halves_may_be_structured_events():
    request = record(event("request", {"inputs": [X]}))
    encoded = base64.b64encode(json.dumps({"outputs": [P]}).encode()).decode()
    response = record(event("response", None, data_base64=encoded))
    assert whose(request) == ("topic:logs", "a", "request")
    assert whose(response) == ("topic:logs", "a", "response")
    rows = mapped(request, response, model="$.request.servicename")
    assert [(row.model, row.features, row.score) for row in rows] == [
        ("fraud", {"x": 0.25}, 0.75),
        ("fraud", {"x": 0.5}, 1.0),
    ]


def test_a_pair_has_the_place_and_time_of_its_request_and_the_headers_of_both():
    request = record({"inputs": [X]}, [("user", b"u"), ("both", b"first")])
    response = record({"outputs": [P]}, [("model", b"m2"), ("both", b"second")])
    version = {"version": {"header": "model"}, "model": {"header": "both"}}
    rows = mapped(request, response, **version)
    assert [(row.id, row.time_ms) for row in rows] == [("logs/2/7/0", 1_000), ("logs/2/7/1", 1_000)]
    assert {(row.version, row.model) for row in rows} == {("m2", "first")}


def test_pairs_may_be_any_json():
    own = {"envelope": None, "features": "$.request.in", "score": "$.response.p"}
    pair = {"id": "$.ref", "kind": {"path": "$.k", "values": {"q": "request", "a": "response"}}}
    (row,) = mapped(record({"in": {"x": 1}}), record({"p": 0.5}), **own, pair=pair)
    assert (row.features, row.score) == ({"x": 1}, 0.5)
    assert whose(record({"ref": 12, "k": "q"}), **own, pair=pair) == ("topic:logs", "12", "request")


@pytest.mark.parametrize("given", [{"id": "a"}, [], event("feedback", {"reward": 1})])
def test_a_record_that_is_neither_is_refused(given: Any):
    with pytest.raises(Undecodable, match="no request and no response of kserve-v2: expected"):
        whose(record(given))


@pytest.mark.parametrize("id_", [None, "", "a" * 201, 1.5, ["a"]])
def test_an_id_is_a_text_of_some_characters(id_: Any):
    with pytest.raises(Unmappable, match="id of the pair"):
        whose(record({"id": id_, "inputs": [X]}))


def test_a_half_has_to_fit_into_a_message():
    with pytest.raises(Unmappable, match=r"it has 2,000,0.. bytes: expected at most 1,900,000"):
        whose(record({"id": "a", "inputs": "x" * 2_000_000}))
