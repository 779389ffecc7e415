"""What models put out in Arrow rows, as the contracts of their tasks read it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from consumers.sources.arrow_values import coded, numbers, plain_numbers, scores
from consumers.sources.groups import Floats, sent_classes
from monitor.counts.classes import class_numbers
from monitor.counts.task import Contract, Field, Sent
from monitor.counts.values import Coded
from producers.contract.arrow_columns import SCORES, scores_of

Bools = NDArray[np.bool_]


def classes(column: pa.ChunkedArray) -> tuple[Coded, Floats]:
    """The names of classes, and their numbers; NaN for null."""
    names = coded(column)
    return names, class_numbers(names.values)[names.code]


class ArrowOutputs:
    """The fields ``score``, ``prediction`` and ``scores`` of rows; a column may be absent."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._by_contract: dict[Contract, Sent] = {}

    def hold(self, contract: Contract) -> Bools:
        """Whether each row follows a contract."""
        sent, valid = self.of(contract), np.ones(self._table.num_rows, dtype=bool)
        for field, values in ((contract.score, sent.score), (contract.prediction, sent.prediction)):
            valid &= True if field is None else field.holds(values)
        return valid if contract.scores is None else valid & self._scores_held(contract.scores)

    def of(self, contract: Contract) -> Sent:
        """As it was sent; what the contract does not have is not read."""
        if contract not in self._by_contract:
            self._by_contract[contract] = self._read(contract)
        return self._by_contract[contract]

    def _read(self, contract: Contract) -> Sent:
        score, prediction = (
            self._numbers(name, field)
            for name, field in (("score", contract.score), ("prediction", contract.prediction))
        )
        if contract.prediction is None or not contract.prediction.names:
            return Sent(score, prediction)
        names = Coded([None], np.zeros(self._table.num_rows, dtype=np.int64))
        if "prediction" in self._table.column_names:
            names = coded(self._table["prediction"])
        own = contract.scores and scores_of(self._table.schema)
        return sent_classes(score, names, scores(self._table[SCORES]) if own else None)

    def _numbers(self, name: str, field: Field | None) -> Floats:
        """NaN if none was sent, or it is not read."""
        if field is None or name not in self._table.column_names:
            return np.full(self._table.num_rows, np.nan)
        return plain_numbers(self._table[name])

    def _scores_held(self, field: Field) -> Bools:
        held = np.ones(self._table.num_rows, dtype=bool)
        for name in scores_of(self._table.schema):
            for child in self._table[name].combine_chunks().flatten():
                values = numbers(pa.chunked_array([child]))
                held &= np.isnan(values) | field.holds(values)
        return held
