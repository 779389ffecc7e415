"""Which profile the rows of a block are counted by, while profiles come and go."""

from __future__ import annotations

import json

import numpy as np
import pytest

from consumers.messages.records import RecordBlock, TopicPartition
from consumers.roles.source_validation import SourceValidator
from consumers.sources.json_rows import JsonPredictions
from monitor.counts.columns import Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.tasks.binary import BINARY
from tests.consumers.in_memory import NOW, PANE, T0, Table, constant, plan, prediction, profile


def block(*values: bytes) -> RecordBlock:
    append_ms = np.full(len(values), NOW, dtype=np.int64)
    source = TopicPartition("predictions", 0)
    return RecordBlock(source, values, append_ms, len(values), lambda _: None)  # type: ignore[arg-type,return-value]


def other_kinds() -> Profile:
    """Of the same version, but x is a category and c is a number."""
    n = 20
    score = np.arange(n) / n
    rows = Predictions(
        [str(i) for i in range(n)],
        T0 - n + np.arange(n),
        score,
        (score >= 0.5).astype(np.int64),
        {"x": ["a", "b"] * 10, "c": np.arange(n) * 1.0},
    )
    return build_profile("m", "1", ReferenceRows(rows), pane_ms=PANE, threshold=0.5, task=BINARY)


class Replaced(Table):
    """The profile of a version is replaced by one with other features while reading on."""

    def catch_up(self) -> None:
        super().catch_up()
        self._known["m", "1"] = NEW


NEW = other_kinds()
NOBODY = prediction(model="nobody")


def parts(validator: SourceValidator, *values: bytes) -> list[tuple[Profile | str, list[int]]]:
    """By schema: the positions of its rows; rejected ones at the end."""
    decoded = validator.predictions(block(*values))
    found = [(rows.schema, rows.origin.record.tolist()) for rows in decoded.columns]
    return [*found, *((row.reason, [row.record]) for row in decoded.rejected)]


@pytest.mark.parametrize("known", [True, False], ids=["a shape is known", "no shape is known"])
def test_rows_after_the_first_unknown_one_are_counted_by_the_profile_that_was_found_then(known):
    table = Replaced(profile())
    predictions = JsonPredictions(table.schema)
    if known:
        predictions.decode([prediction()], np.arange(1))
    validator = SourceValidator(table, constant(plan()), predictions)
    rows = [prediction(id="a"), NOBODY, prediction(id="b", features={"x": "a", "c": 1.0})]
    assert parts(validator, *rows, prediction(id="c")) == [
        (profile().schema, [0]),
        (NEW.schema, [2, 3]),
        ("unknown_model", [1]),
    ]


def test_values_are_read_by_the_profile_that_counts_them():
    table = Replaced(profile())
    predictions = JsonPredictions(table.schema)
    predictions.decode([prediction()], np.arange(1))
    validator = SourceValidator(table, constant(plan()), predictions)
    _, new = validator.predictions(block(prediction(), NOBODY, prediction())).columns
    (row,) = [json.loads(prediction())["features"]]
    x, c = new.features["x"], new.features["c"]
    assert [x.values[code] for code in x.code] == [row["x"]]
    assert np.isnan(c.number).all()  # a text is no number


def test_rows_of_two_versions_with_the_same_features_share_a_shape():
    table = Table(profile(), profile(version="2"))
    predictions = JsonPredictions(table.schema)
    validator = SourceValidator(table, constant(plan()), predictions)
    rows = [prediction(id=str(i), version=str(1 + i % 2)) for i in range(6)]
    assert parts(validator, *rows) == [
        (profile().schema, [0, 2, 4]),
        (profile(version="2").schema, [1, 3, 5]),
    ]
    assert len({id(shape) for _, shape in predictions._shapes.values()}) == 1
