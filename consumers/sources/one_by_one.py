"""JSON records as columns by the row decoders, which define the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa

from consumers.sources.groups import (
    DecodedPredictions,
    LabelRows,
    Origin,
    RejectedRow,
    given_predictions,
    grouped,
)
from consumers.sources.record_features import features_of_records
from producers.contract.records import (
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
)

D = TypeVar("D", PredictionRecord, LabelRecord)

Numbered = Iterable[tuple[int, bytes | None]]  # position of a record in its block, and its value


def predictions_one_by_one(values: Numbered) -> tuple[list[DecodedPredictions], list[RejectedRow]]:
    """Records with their positions, by the row decoder."""
    decoded, rejected = _one_by_one(decode_prediction, values)
    found = []
    for key, of_key in grouped([(row.model, row.version) for _, row in decoded]).items():
        rows = [decoded[i] for i in of_key.tolist()]
        records = [row for _, row in rows]
        found.append(
            DecodedPredictions(
                key,
                _origin_of_records(rows),
                np.array([row.score for row in records], dtype=np.float64),
                given_predictions([row.prediction for row in records]),
                partial(features_of_records, records),
            )
        )
    return found, rejected


def labels_one_by_one(values: Numbered) -> tuple[list[LabelRows], list[RejectedRow]]:
    """Records with their positions, by the row decoder."""
    decoded, rejected = _one_by_one(decode_label, values)
    found = []
    for model, of_model in grouped([row.model for _, row in decoded]).items():
        rows = [decoded[i] for i in of_model.tolist()]
        label = np.array([row.label for _, row in rows], dtype=np.int64)
        found.append(LabelRows(model, _origin_of_records(rows), label))
    return found, rejected


def _origin_of_records(rows: Sequence[tuple[int, PredictionRecord | LabelRecord]]) -> Origin:
    return Origin(
        np.array([i for i, _ in rows], dtype=np.int64),
        pa.array([row.id for _, row in rows], pa.string()),
        np.array([row.time_ms for _, row in rows], dtype=np.int64),
        np.zeros(len(rows), dtype=np.int64),
    )


def _one_by_one(
    decode: Callable[[bytes | None], D], values: Numbered
) -> tuple[list[tuple[int, D]], list[RejectedRow]]:
    decoded, rejected = list[tuple[int, D]](), list[RejectedRow]()
    for i, value in values:
        try:
            decoded.append((i, decode(value)))
        except Undecodable as error:
            rejected.append(RejectedRow(i, "undecodable", str(error)))
        except ContractViolation as error:
            rejected.append(RejectedRow(i, "contract", str(error)))
    return decoded, rejected
