"""Arrow messages of one partition as columns, with exactly the contract of JSON records.

Rows are checked by columns. A row that fails becomes a JSON document for the row decoder, which
defines the contract: so it is rejected for the same reason as the same row sent as JSON.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from consumers.messages.records import RecordBlock
from consumers.sources.arrow_documents import documents
from consumers.sources.arrow_features import ArrowFeatures
from consumers.sources.arrow_outputs import ArrowOutputs, classes
from consumers.sources.arrow_stream import read_table
from consumers.sources.arrow_values import coded, plain_numbers, texts, times_ms
from consumers.sources.groups import (
    DecodedPredictions,
    Floats,
    Ints,
    LabelRows,
    Origin,
    RejectedRow,
    positions_by_key,
)
from consumers.sources.one_by_one import labels_one_by_one, predictions_one_by_one
from monitor.counts.task import Contract
from monitor.counts.values import Coded
from producers.contract.records import (
    END_MS,
    MAX_ID_LENGTH,
    ContractViolation,
    Undecodable,
    is_name,
)

Bools = NDArray[np.bool_]
G = TypeVar("G", DecodedPredictions, LabelRows)
OneByOne = Callable[[Iterable[tuple[int, bytes]]], tuple[list[G], list[RejectedRow]]]


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """The rows of messages whose columns have the same names and types, in the order of the log."""

    table: pa.Table
    record: Ints  # position of each row's message in the block
    row: Ints  # position of each row in its message
    first: Mapping[int, int]  # position of the first row of each message

    @classmethod
    def of(cls, tables: Mapping[int, pa.Table]) -> _Rows:
        """Of the rows of each message, by its position in the block."""
        sizes = [table.num_rows for table in tables.values()]
        first = np.cumsum([0, *sizes[:-1]]).tolist()
        return cls(
            pa.concat_tables(tables.values()),
            np.repeat(np.array(list(tables), dtype=np.int64), sizes),
            np.concatenate([np.arange(size, dtype=np.int64) for size in sizes]),
            dict(zip(tables, first, strict=True)),
        )

    def origin(self) -> tuple[Origin, Bools]:
        """With whether the id and the time of each row follow the contract."""
        ids, time_ms = texts(self.table["id"]), times_ms(self.table["time"])
        length = pc.utf8_length(ids).fill_null(0).to_numpy()
        valid = (length >= 1) & (length <= MAX_ID_LENGTH) & (time_ms >= 0) & (time_ms < END_MS)
        return Origin(self.record, ids, time_ms, self.row), valid


class ArrowMessages:
    """The Arrow messages among the records of a block. ``names``: ``PREDICTION`` or ``LABEL``."""

    def __init__(self, block: RecordBlock, names: tuple[str, ...]) -> None:
        self._names = names
        self._undecoded: list[RejectedRow] = []  # whole messages
        alike: dict[pa.Schema, dict[int, pa.Table]] = defaultdict(dict)
        for record in block.arrow.tolist():
            try:
                table = read_table(block.values[record], names, block.sizes.get(record))
            except Undecodable as error:
                self._undecoded.append(RejectedRow(record, "undecodable", str(error)))
            except ContractViolation as error:
                self._undecoded.append(RejectedRow(record, "contract", str(error)))
            else:
                alike[table.schema][record] = table
        self._rows = list(map(_Rows.of, alike.values()))

    def predictions(
        self, contract_of: Callable[[str, str], Contract]
    ) -> tuple[list[DecodedPredictions], list[RejectedRow]]:
        """``contract_of`` returns the contract of a model version."""
        return self._decoded(
            lambda rows: _predictions(rows, contract_of),
            lambda values: predictions_one_by_one(values, contract_of),
        )

    def labels(
        self, contracts_of: Callable[[str], Collection[Contract]]
    ) -> tuple[list[LabelRows], list[RejectedRow]]:
        """``contracts_of`` returns those of the versions of a model."""
        return self._decoded(
            lambda rows: _labels(rows, contracts_of),
            lambda values: labels_one_by_one(values, contracts_of),
        )

    def values_of(self, origin: Origin) -> list[bytes] | None:
        """Rows of one message or of messages alike, as JSON. None if they are no Arrow."""
        for rows in self._rows:
            if int(origin.record[0]) in rows.first:
                pairs = zip(origin.record.tolist(), origin.row.tolist(), strict=True)
                at = [rows.first[record] + row for record, row in pairs]
                return self._documents(rows, np.array(at, dtype=np.int64))
        return None

    def with_values(self, rejected: Sequence[RejectedRow]) -> list[RejectedRow]:
        """Rejected rows of the block; those of Arrow messages get their values."""
        found = list(rejected)
        for rows in self._rows:
            mine = [i for i, row in enumerate(rejected) if row.record in rows.first]
            at = [rows.first[rejected[i].record] + rejected[i].row for i in mine]
            for i, value in zip(mine, self._documents(rows, np.array(at, np.int64)), strict=True):
                found[i] = replace(rejected[i], value=value)
        return found

    def _documents(self, rows: _Rows, at: Ints) -> list[bytes]:
        return documents(rows.table, at, self._names) if at.size else []

    def _decoded(
        self, decode: Callable[[_Rows], tuple[list[G], Ints]], one_by_one: OneByOne[G]
    ) -> tuple[list[G], list[RejectedRow]]:
        """Those that are certainly valid by ``decode``, the others by the row decoder."""
        found, rejected = list[G](), list(self._undecoded)
        for rows in self._rows:
            groups, others = decode(rows)
            record, row = rows.record[others], rows.row[others]
            more, wrong = one_by_one(enumerate(self._documents(rows, others)))
            found += groups
            found += [replace(group, origin=_placed(group.origin, record, row)) for group in more]
            rejected += [
                replace(one, record=int(record[one.record]), row=int(row[one.record]))
                for one in wrong
            ]
        return found, rejected


def _placed(origin: Origin, record: Ints, row: Ints) -> Origin:
    """Rows of documents, as rows of the messages that the documents were made of."""
    return replace(origin, record=record[origin.record], row=row[origin.record])


def _predictions(
    rows: _Rows, contract_of: Callable[[str, str], Contract]
) -> tuple[list[DecodedPredictions], Ints]:
    """Those that are certainly valid, by model and version, and the positions of the others."""
    origin, valid = rows.origin()
    model, version = coded(rows.table["model"]), coded(rows.table["version"])
    sent = ArrowOutputs(rows.table)
    valid &= _named(model) & _named(version)
    contracts = {key: contract_of(*key) for key in _groups(valid, model, version)}
    for key, at in _groups(valid, model, version).items():
        valid[at] &= sent.hold(contracts[key])[at]
    features, found = ArrowFeatures(rows.table), list[DecodedPredictions]()
    for key, at in _groups(valid, model, version).items():
        every, contract = at.size == valid.size, contracts[key]
        found.append(
            DecodedPredictions(
                key,
                origin if every else origin.take(at),
                sent.of(contract).take(at),
                contract,
                partial(features.of, None if every else at),
            )
        )
    return found, np.flatnonzero(~valid)


def _labels(
    rows: _Rows, contracts_of: Callable[[str], Collection[Contract]]
) -> tuple[list[LabelRows], Ints]:
    """Those that are certainly valid, by model, and the positions of the others."""
    origin, valid = rows.origin()
    model, label = coded(rows.table["model"]), np.full(valid.size, np.nan)
    valid &= _named(model)
    for (key,), at in _groups(valid, model).items():
        label[at], valid[at] = _held_labels(rows.table["label"], contracts_of(key), at)
    found = [
        LabelRows(key, origin.take(at), label[at]) for (key,), at in _groups(valid, model).items()
    ]
    return found, np.flatnonzero(~valid)


def _held_labels(
    column: pa.ChunkedArray, contracts: Collection[Contract], at: Ints
) -> tuple[Floats, Bools]:
    """Some labels by the first contract that they follow, and whether there is one."""
    label, valid = np.full(at.size, np.nan), np.zeros(at.size, dtype=bool)
    for field in (contract.label for contract in contracts):
        values = (classes(column)[1] if field.names else plain_numbers(column))[at]
        new = field.holds(values) & ~valid
        label[new], valid[new] = values[new], True
    return label, valid


def _groups(valid: Bools, *columns: Coded) -> Mapping[tuple[Any, ...], Ints]:
    """The valid rows with each combination of values."""
    if valid.all():
        return positions_by_key(*columns) if valid.size else {}
    at = np.flatnonzero(valid)
    groups = positions_by_key(*(column.take(at) for column in columns)) if at.size else {}
    return {key: at[of_key] for key, of_key in groups.items()}


def _named(names: Coded) -> Bools:
    """Whether each row has the name of a model or version."""
    valid = [isinstance(name, str) and is_name(name) for name in names.values]
    return np.asarray(np.array(valid, dtype=bool)[names.code])
