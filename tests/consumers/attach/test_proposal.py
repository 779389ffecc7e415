"""Attach: what a topic holds is found by names and values, and every choice can be replaced."""

from __future__ import annotations

import random
import tomllib
from typing import Any

import pytest

from consumers.attach.leaves import Leaf, leaves_of
from consumers.attach.proposal import (
    Choices,
    NoProposal,
    labels_table,
    possible_ids,
    predictions_table,
)
from consumers.attach.toml_text import sources_toml
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction
from consumers.sources.stream_reference import LABEL, StreamReference
from driftline.configuration.sources import SourceSection

T = 1_700_000_000
NOTHING_NAMED = Choices()


def scored(rows: int = 40) -> list[dict[str, Any]]:
    """Of a stranger: nested, in seconds and percents."""
    rng = random.Random(1)
    return [
        {
            "meta": {"requestId": f"req-{i:05}", "scored_at": T + 60 * i, "host": "a"},
            "input": {
                "amount": round(rng.uniform(1, 900), 2),
                "customer": {"age": rng.randrange(18, 80), "uuid": f"{rng.random()}"},
                "country": rng.choice(["DE", "FR"]),
            },
            "result": {"riskPercent": round(rng.uniform(0, 100), 1)},
        }
        for i in range(rows)
    ]


def outcomes(rows: int = 40) -> list[dict[str, Any]]:
    return [
        {
            "ref": f"req-{i:05}",
            "verdict": "fraud" if i % 7 == 0 else "fine",
            "at": "2023-11-20T00:00:00Z",
        }
        for i in range(0, rows, 2)
    ]


def test_a_table_of_predictions_is_proposed():
    assert predictions_table("pay", scored(), NOTHING_NAMED) == {
        "id": "$.meta.requestId",
        "time": {"path": "$.meta.scored_at", "unit": "s"},
        "model": {"value": "pay"},
        "score": {"path": "$.result.riskPercent", "scale": 0.01},
        "features": "$.input",
        "exclude": ["customer.uuid"],
    }


def test_a_table_of_labels_is_proposed_by_the_ids_of_predictions():
    ids = possible_ids(scored(), None)
    table, found = labels_table("pay", outcomes(), Choices(positive="fraud"), ids)
    assert table == {
        "id": "$.ref",
        "time": "$.at",
        "model": {"value": "pay"},
        "label": {"path": "$.verdict", "values": {"fine": 0, "fraud": 1}},
    }
    again = predictions_table("pay", scored(), NOTHING_NAMED, found)
    assert again["id"] == "$.meta.requestId"


def test_two_texts_need_a_positive_one():
    ids = possible_ids(scored(), None)
    with pytest.raises(NoProposal, match="'fine' and 'fraud': say which one is 1 with --positive"):
        labels_table("pay", outcomes(), NOTHING_NAMED, ids)


def test_rows_in_an_array_are_found():
    batches = [{"sent": T, "items": scored()[i : i + 4]} for i in range(0, 40, 4)]
    table = predictions_table("pay", batches, NOTHING_NAMED)
    assert table["rows"] == "$.items"
    assert (table["id"], table["features"]) == ("@.meta.requestId", "@.input")


def test_features_beside_the_others_are_listed():
    flat = [
        {"id": f"r{i}", "ts": (T + i) * 1000, "probability": 0.5, "x": i, "first name": "a"}
        for i in range(30)
    ]
    table = predictions_table("m", flat, NOTHING_NAMED)
    assert table["features"] == {"x": "$.x", "first name": "$['first name']"}
    assert table["time"] == {"path": "$.ts", "unit": "ms"}
    assert table["score"] == "$.probability"


def test_named_paths_replace_choices():
    named = {"score": "$.input.amount", "id": "$.input.customer.uuid", "features": "$.input"}
    table = predictions_table("pay", scored(), Choices(named))
    assert (table["id"], table["features"]) == ("$.input.customer.uuid", "$.input")
    with pytest.raises(NoProposal, match=r"no record has a value at \$\.x; there are values at"):
        predictions_table("pay", scored(), Choices({"id": "$.x"}))


def test_labels_that_cannot_be_found_are_asked_for():
    with pytest.raises(NoProposal, match=r"no value of the labels is an id.*label_id=PATH"):
        labels_table("pay", outcomes(), NOTHING_NAMED, {"other"})
    alone = [{"ref": f"req-{i:05}"} for i in range(9)]
    with pytest.raises(NoProposal, match=r"nothing looks like a label.*--path label=PATH"):
        labels_table("pay", alone, NOTHING_NAMED, possible_ids(scored(), None))


def test_proposals_are_valid_toml_and_settings():
    """Whatever the names are."""
    odd = [{"i'd": f"r{i}", 'a "b"': i, "é": {"x y": 1, "z": 2, "w": i}} for i in range(30)]
    for documents in (scored(), odd):
        table = {"topic": "t", **predictions_table("m", documents, NOTHING_NAMED)}
        (read,) = tomllib.loads(sources_toml(table))["sources"]
        assert read == table
        SourceSection(**read)


def test_paths_of_leaves_lead_to_their_values():
    leaves = leaves_of([{"a": [{"b": 1}, {"b": None}], "c d": True}], "$")
    assert {path: leaf.values for path, leaf in leaves.items()} == {
        "$.a[0].b": [1],
        "$['c d']": [True],
    }
    assert Leaf("$.a.userId", ["x"]).name == "userid"


# -- the reference -----------------------------------------------------------------------------


def row(i: int, **features: Any) -> MappedPrediction:
    return MappedPrediction(f"r{i}", T * 1000 + i, "m", "1", features, 0.5, None)


def test_a_reference_has_the_rows_of_its_time_with_their_newest_labels():
    reference = StreamReference(T * 1000, T * 1000 + 3)
    reference.add([row(i, x=i) for i in (-1, 0, 1, 2, 2, 3)])
    reference.add(
        [MappedLabel("r1", T * 1000 + 9, "m", 1), MappedLabel("r1", T * 1000 + 5, "m", 0)]
    )
    table = reference.table().to_pydict()
    assert (table["x"], table[LABEL]) == ([0, 1, 2], [None, 1, None])
    assert reference.seen == 6


def test_columns_of_a_reference_have_one_type():
    reference = StreamReference(0, 2**60)
    values: list[Any] = [*range(19), "ERR"]
    reference.add(
        [
            row(
                i,
                **{"mostly": values[i], "mixed": "a" if i % 2 else 4.0, "flag": i > 3},
                odd=True if i % 2 else 0.5,
            )
            for i in range(20)
        ]
    )
    table = reference.table().to_pydict()
    assert table["mostly"] == [*range(19), None]
    assert set(table["mixed"]) == {"a", "4"}
    assert set(table["odd"]) == {"true", "0.5"}
    assert table["flag"][:5] == [False, False, False, False, True]
