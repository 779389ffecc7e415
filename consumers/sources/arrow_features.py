"""The features of Arrow rows as columns, of the kinds that a schema has."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from consumers.sources.arrow_values import coded, numbers
from consumers.sources.groups import Ints
from consumers.sources.record_features import kept_unknown
from monitor.counts.columns import Numeric
from monitor.counts.schema import Schema
from monitor.counts.values import Coded, Numbers, Read, as_numbers, given
from producers.contract.arrow_columns import features_of, is_number


class ArrowFeatures:
    """Converts each column once, however many model versions share it."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names = set(features_of(table.schema))
        self._numbers: dict[str, Numbers] = {}
        self._codes: dict[str, Coded] = {}

    def of(self, rows: Ints | None, schema: Schema) -> Mapping[str, Read]:
        """Those of the schema and those that it does not have; ``rows``: None for all."""
        columns: dict[str, Read] = {}
        for name, reference in schema.features.items():
            if name in self._names:
                numeric = isinstance(reference, Numeric)
                column = self._as_numbers(name) if numeric else self._as_coded(name)
                columns[name] = column if rows is None else column.take(rows)
        return {**columns, **self._unknown(rows, schema)}

    def _unknown(self, rows: Ints | None, schema: Schema) -> Mapping[str, Read]:
        found = {}
        for name in self._names - schema.features.keys():
            column = self._as_coded(name)
            column = column if rows is None else column.take(rows)
            if given(column).any():
                found[name] = column
        return {name: found[name] for name in kept_unknown(set(found), schema)}

    def _as_numbers(self, name: str) -> Numbers:
        if name not in self._numbers:
            column = self._table[name]
            plain = is_number(column.type)
            self._numbers[name] = as_numbers(numbers(column) if plain else coded(column))
        return self._numbers[name]

    def _as_coded(self, name: str) -> Coded:
        if name not in self._codes:
            self._codes[name] = coded(self._table[name])
        return self._codes[name]
