"""JSON records as columns by the row decoders, which define the contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa

from consumers.sources.groups import (
    DecodedPredictions,
    LabelRows,
    Origin,
    RejectedRow,
    grouped,
    sent_labels,
    sent_of,
)
from consumers.sources.record_features import features_of_records
from monitor.counts.task import ANY_CONTRACT, Contract
from producers.contract.records import (
    ContractViolation,
    LabelRecord,
    PredictionRecord,
    Undecodable,
    decode_label,
    decode_prediction,
    key_of,
)

D = TypeVar("D", PredictionRecord, LabelRecord)

Numbered = Iterable[tuple[int, bytes | None]]  # position of a record in its block, and its value


def predictions_one_by_one(
    values: Numbered, contract_of: Callable[[str, str], Contract]
) -> tuple[list[DecodedPredictions], list[RejectedRow]]:
    """Records with their positions, by the row decoder.

    ``contract_of`` returns the contract of a model version.
    """

    def decode(value: bytes | None) -> PredictionRecord:
        key = key_of(value)
        return decode_prediction(
            value, contract_of(key.model, key.version) if key else ANY_CONTRACT
        )

    decoded, rejected = _one_by_one(decode, values)
    found = []
    for key, of_key in grouped([(row.model, row.version) for _, row in decoded]).items():
        rows = [decoded[i] for i in of_key.tolist()]
        records = [row for _, row in rows]
        found.append(
            DecodedPredictions(
                key,
                _origin_of_records(rows),
                sent_of(contract_of(*key), records),
                contract_of(*key),
                partial(features_of_records, records),
            )
        )
    return found, rejected


def labels_one_by_one(
    values: Numbered, contracts_of: Callable[[str], Collection[Contract]]
) -> tuple[list[LabelRows], list[RejectedRow]]:
    """Records with their positions, by the row decoder.

    ``contracts_of`` returns those of the versions of a model. One of them must be followed.
    """

    def decode(value: bytes | None) -> LabelRecord:
        key = key_of(value)
        contracts = [ANY_CONTRACT] if key is None else list(contracts_of(key.model))
        for contract in contracts[:-1]:
            with suppress(ContractViolation):
                return decode_label(value, contract)
        return decode_label(value, contracts[-1])

    decoded, rejected = _one_by_one(decode, values)
    found = []
    for model, of_model in grouped([row.model for _, row in decoded]).items():
        rows = [decoded[i] for i in of_model.tolist()]
        label = sent_labels([row for _, row in rows])
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
