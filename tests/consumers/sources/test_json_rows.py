"""JSON as columns: record by record what the row decoders say, whatever was sent."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from consumers.messages.records import RecordBlock, TopicPartition
from consumers.roles.source_validation import SourceValidator
from consumers.sources.json_rows import JsonPredictions
from monitor.counts.columns import Numeric, Predictions
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.schema import Schema
from monitor.counts.summary import Quality
from producers.contract.records import (
    ContractViolation,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
)
from tests.consumers.in_memory import NOW, PANE, T0, Table, constant, plan, profile
from tests.consumers.sources.mutations import label_fields, mutated, prediction_fields

SKEW = 60_000


def numbers_only() -> Profile:
    """A model with other features."""
    rng = np.random.default_rng(2)
    score = rng.random(50)
    rows = Predictions(
        [str(i) for i in range(50)],
        T0 - 1_000 + np.arange(50),
        score,
        (score >= 0.5).astype(np.int64),
        {"x": rng.normal(size=50), "y": rng.normal(size=50)},
    )
    return build_profile("n", "1", ReferenceRows(rows), pane_ms=PANE, threshold=0.5)


PROFILES = [
    profile(),
    profile(version="2", threshold=0.8),
    profile("coarse", pane_ms=2 * PANE),
    numbers_only(),
]
SCHEMAS = {(p.model, p.version): p.schema for p in PROFILES}


def block(values: list[bytes | None], topic: str = "predictions") -> RecordBlock:
    append_ms = np.full(len(values), NOW, dtype=np.int64)
    return RecordBlock(TopicPartition(topic, 0), values, append_ms, len(values), lambda _: None)


def validator(json: JsonPredictions | None = None, table: Table | None = None) -> SourceValidator:
    table = table or Table(*PROFILES)
    return SourceValidator(table, constant(plan()), json or JsonPredictions(table.schema))


# -- the row decoders, which define the contract -----------------------------------------------


def expected_prediction(value: bytes | None) -> Any:
    """The reason and the start of the error, or the row."""
    try:
        record = decode_prediction(value)
    except Undecodable as error:
        return "undecodable", str(error)
    except ContractViolation as error:
        return "contract", str(error)
    schema = SCHEMAS.get((record.model, record.version))
    if schema is None or schema.pane_ms != PANE:
        return "unknown_model", None
    if record.time_ms > NOW + SKEW:
        return "clock_skew", None
    predicted = int(record.score >= schema.threshold)
    if record.prediction is not None:
        predicted = record.prediction
    features = {name: expected_value(schema, name, record) for name in schema.features}
    unknown = {name for name in record.features if name not in schema.features}
    given = {name for name in unknown if record.features[name] is not None}
    key = (record.model, record.version)
    return key, record.id, record.time_ms, record.score, predicted, features, given


def expected_value(schema: Schema, name: str, record: PredictionRecord) -> Any:
    """A number or a category, with its kind of wrongness."""
    value = record.features.get(name)
    if not isinstance(schema.features[name], Numeric):
        return category(value)
    if value is None:
        return None, Quality.MISSING
    if isinstance(value, bool | str):
        return None, Quality.WRONG_TYPE
    try:
        number = float(value)
    except OverflowError:
        number = np.inf if value > 0 else -np.inf
    return number, Quality.NOT_FINITE if np.isinf(number) else None


def category(value: Any) -> tuple[str | None, Quality | None]:
    if value is None:
        return None, Quality.MISSING
    if isinstance(value, str):
        return value, None
    if isinstance(value, bool):
        return str(value).lower(), None
    whole = isinstance(value, int) or value.is_integer()
    return (str(int(value)), None) if whole else (None, Quality.WRONG_TYPE)


def expected_label(value: bytes | None) -> Any:
    try:
        record = decode_label(value)
    except Undecodable as error:
        return "undecodable", str(error)
    except ContractViolation as error:
        return "contract", str(error)
    if record.model not in ("m", "n", "coarse"):
        return "unknown_model", None
    if record.time_ms > NOW + SKEW:
        return "clock_skew", None
    return record.model, record.id, record.time_ms, record.label


# -- what the columns hold, row by row ---------------------------------------------------------


def found_predictions(values: list[bytes | None], json: JsonPredictions) -> list[Any]:
    decoded = validator(json).predictions(block(values))
    found: dict[int, Any] = {row.record: (row.reason, row.error) for row in decoded.rejected}
    assert len(found) == len(decoded.rejected)
    for rows in decoded.columns:
        assert np.all(np.diff(rows.origin.record) > 0), "in the order of the log"
        for i, record in enumerate(rows.origin.record.tolist()):
            assert record not in found
            known = {name: value(rows, name, i) for name in rows.schema.features}
            given = {
                name
                for name, column in rows.features.items()
                if name not in rows.schema.features and column.values[column.code[i]] is not None
            }
            own = (rows.time_ms[i], rows.score[i], rows.predicted[i])
            found[record] = (rows.key, rows.origin.ids[i].as_py(), *own, known, given)
    return [found[i] for i in range(len(values))]


def value(rows: Any, name: str, i: int) -> Any:
    column, reference = rows.features[name], rows.schema.features[name]
    if isinstance(reference, Numeric):
        number, quality = column.number[i], column.quality[i]
        return None if np.isnan(number) else number, None if quality < 0 else Quality(quality)
    return category(column.values[column.code[i]])


def found_labels(values: list[bytes | None]) -> list[Any]:
    decoded = validator().labels(block(values, "labels"))
    found: dict[int, Any] = {row.record: (row.reason, row.error) for row in decoded.rejected}
    for rows in decoded.columns:
        assert np.all(np.diff(rows.origin.record) > 0), "in the order of the log"
        for i, record in enumerate(rows.origin.record.tolist()):
            assert record not in found
            own = (rows.origin.time_ms[i], rows.label[i])
            found[record] = (rows.model, rows.origin.ids[i].as_py(), *own)
    return [found[i] for i in range(len(values))]


def assert_alike(found: list[Any], expected: list[Any], values: list[bytes | None]) -> None:
    for is_, should_be, record in zip(found, expected, values, strict=True):
        if len(should_be) == 2 and should_be[1] is None:  # the sentence is that of the validator
            is_, should_be = is_[0], should_be[0]
        assert is_ == should_be, record


# -- the tests ---------------------------------------------------------------------------------

RECORDS = [3_000, pytest.param(200_000, marks=pytest.mark.long)]


@pytest.mark.parametrize("records", RECORDS)
def test_columns_of_mutated_predictions_hold_what_the_row_decoder_says(records):
    """Blocks of all sizes, clean and dirty ones, with one decoder, as in a worker."""
    rng, json, done, refused = random.Random(records), JsonPredictions(SCHEMAS_OF), 0, 0
    while done < records:
        dirt = rng.choice([0.0, 0.02, 0.5, 1.0])
        values = [
            mutated(rng, prediction_fields(rng), mutations=dirty(rng, dirt))
            for _ in range(rng.choice([1, 2, 10, 399, 400, 401, 900]))
        ]
        expected = [expected_prediction(value) for value in values]
        assert_alike(found_predictions(values, json), expected, values)
        done += len(values)
        refused += sum(len(row) == 2 for row in expected)
    assert 0.1 < refused / done < 0.6, "both sides of the contract are met often"


@pytest.mark.parametrize("records", RECORDS)
def test_columns_of_mutated_labels_hold_what_the_row_decoder_says(records):
    rng, done = random.Random(records), 0
    while done < records:
        dirt = rng.choice([0.0, 0.02, 0.5, 1.0])
        values = [
            mutated(rng, label_fields(rng), mutations=dirty(rng, dirt))
            for _ in range(rng.choice([1, 2, 10, 399, 400, 401, 900]))
        ]
        assert_alike(found_labels(values), [expected_label(value) for value in values], values)
        done += len(values)


def dirty(rng: random.Random, proportion: float) -> int:
    """How many mutations."""
    return rng.randrange(1, 4) if rng.random() < proportion else 0


def SCHEMAS_OF(model: str, version: str) -> Schema | None:  # noqa: N802 - a constant function
    return SCHEMAS.get((model, version))
