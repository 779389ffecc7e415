"""JSON as columns: record by record what the row decoders say, whatever was sent."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from consumers.sources.json_rows import JsonPredictions
from monitor.counts.columns import Numeric
from monitor.counts.schema import Schema
from monitor.counts.summary import Quality
from monitor.counts.task import ANY_CONTRACT
from monitor.tasks.binary import BINARY
from producers.contract.records import (
    ContractViolation,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
    key_of,
)
from tests.consumers.in_memory import NOW, PANE
from tests.consumers.sources.decoded import (
    SCHEMAS,
    SKEW,
    block,
    category,
    in_order,
    labels_by_place,
    predictions_by_place,
    validator,
)
from tests.consumers.sources.mutations import label_fields, mutated, prediction_fields

EARLIEST = 946_684_800_000  # 2000-01-01


# -- the row decoders, which define the contract -----------------------------------------------


def expected_prediction(value: bytes | None) -> Any:
    """The reason and the start of the error, or the row."""
    try:
        key = key_of(value)
        known = key is not None and (key.model, key.version) in SCHEMAS
        record = decode_prediction(value, BINARY.contract if known else ANY_CONTRACT)
    except Undecodable as error:
        return "undecodable", str(error)
    except ContractViolation as error:
        return "contract", str(error)
    schema = SCHEMAS.get((record.model, record.version))
    if schema is None or schema.pane_ms != PANE:
        return "unknown_model", None
    if record.time_ms > NOW + SKEW or record.time_ms < EARLIEST:
        return "clock_skew" if record.time_ms > NOW else "implausible_time", None
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


def expected_label(value: bytes | None) -> Any:
    try:
        key = key_of(value)
        known = key is not None and key.model in ("m", "n", "coarse")
        record = decode_label(value, BINARY.contract if known else ANY_CONTRACT)
    except Undecodable as error:
        return "undecodable", str(error)
    except ContractViolation as error:
        return "contract", str(error)
    if record.model not in ("m", "n", "coarse"):
        return "unknown_model", None
    if record.time_ms > NOW + SKEW or record.time_ms < EARLIEST:
        return "clock_skew" if record.time_ms > NOW else "implausible_time", None
    return record.model, record.id, record.time_ms, record.label


# -- what the columns hold, row by row ---------------------------------------------------------


def found_predictions(values: list[bytes | None], json: JsonPredictions) -> list[Any]:
    decoded = validator(json).predictions(block(values))
    return in_order(predictions_by_place(decoded))


def found_labels(values: list[bytes | None]) -> list[Any]:
    return in_order(labels_by_place(validator().labels(block(values, "labels"))))


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
