"""JSON predictions of one shape: typed rows that become columns without a look at each value.

A shape is the names and kinds of the features of a schema, and the contract of its task. Its
decoder takes a record only if each feature has a value of the kind of its reference, or none, and
if it has no other feature. What it takes is certainly valid, but for the range of its time. It
refuses other records, valid or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import astuple

from consumers.sources.groups import (
    Floats,
    Ints,
    Origin,
    concatenated_origins,
    concatenated_sent,
    positions_by_key,
    sent_of,
)
from monitor.counts.columns import Numeric
from monitor.counts.schema import Schema
from monitor.counts.task import Contract, Sent
from monitor.counts.values import Coded, Read, as_coded, as_numbers, concatenated_codes
from producers.contract.records import Feature, PredictionFields
from producers.contract.task_fields import prediction_type

Kinds = tuple[tuple[str, bool], ...]  # the name of each feature, and whether it is numeric


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """``decode`` returns ``PredictionFields``, or raises an error of msgspec's."""

    kinds: Kinds
    contract: Contract
    decode: Callable[[bytes], Any]

    @classmethod
    def of(cls, schema: Schema) -> Shape | None:
        """None if there is no such decoder: a name needs an escape in JSON."""
        kinds = kinds_of(schema)
        fields: list[Any] = [
            (f"f{i}", float | None if numeric else Feature, msgspec.field(name=name, default=None))
            for i, (name, numeric) in enumerate(kinds)
        ]
        try:
            features = msgspec.defstruct("Features", fields, forbid_unknown_fields=True, gc=False)
        except ValueError:
            return None
        row = msgspec.defstruct(
            "Row", [("features", features)], bases=(PredictionFields,), kw_only=True, gc=False
        )
        contract = schema.task.contract
        return cls(kinds, contract, msgspec.json.Decoder(prediction_type(row, contract)).decode)

    def fits(self, schema: Schema) -> bool:
        """Whether it serves a version with this schema."""
        return self.kinds == kinds_of(schema) and self.contract == schema.task.contract

    def columns(self, rows: Sequence[Any], origin: Origin) -> ShapedRows:
        """Of rows that ``decode`` has returned."""
        features = [row.features for row in rows]
        numeric = [f"f{i}" for i, (_, is_numeric) in enumerate(self.kinds) if is_numeric]
        others = [f"f{i}" for i, (_, is_numeric) in enumerate(self.kinds) if not is_numeric]
        return ShapedRows(
            origin,
            as_coded([row.model for row in rows]),
            as_coded([row.version for row in rows]),
            sent_of(self.contract, rows),
            _numbers(features, numeric, only=not others),
            [as_coded(list(map(attrgetter(name), features))) for name in others],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ShapedRows:
    """Rows of one shape, perhaps of several models."""

    origin: Origin
    model: Coded
    version: Coded
    sent: Sent
    numbers: Floats  # shape (numeric features, rows)
    codes: Sequence[Coded]  # of each other feature

    def __len__(self) -> int:
        return len(self.sent.score)

    def take(self, rows: Ints) -> ShapedRows:
        return ShapedRows(
            self.origin.take(rows),
            self.model.take(rows),
            self.version.take(rows),
            self.sent.take(rows),
            self.numbers[:, rows],
            [column.take(rows) for column in self.codes],
        )

    @classmethod
    def by_key(cls, parts: Sequence[ShapedRows]) -> Mapping[tuple[str, str], ShapedRows]:
        """The rows of each model and version."""
        if not parts:
            return {}
        rows = cls(
            concatenated_origins([part.origin for part in parts]),
            concatenated_codes([part.model for part in parts]),
            concatenated_codes([part.version for part in parts]),
            concatenated_sent([part.sent for part in parts]),
            np.concatenate([part.numbers for part in parts], axis=1),
            list(map(concatenated_codes, zip(*(part.codes for part in parts), strict=True))),
        )
        groups = positions_by_key(rows.model, rows.version)
        if len(groups) == 1:
            return dict.fromkeys(groups, rows)
        return {key: rows.take(at) for key, at in groups.items()}

    def features(self, kinds: Kinds) -> Mapping[str, Read]:
        numbers, codes = iter(self.numbers), iter(self.codes)
        return {
            name: as_numbers(next(numbers)) if numeric else next(codes) for name, numeric in kinds
        }


def kinds_of(schema: Schema) -> Kinds:
    return tuple((name, isinstance(of, Numeric)) for name, of in schema.features.items())


def _numbers(features: Sequence[Any], names: Sequence[str], *, only: bool) -> Floats:
    """Shape (names, rows); ``only``: the features have no other fields."""
    if not names:
        return np.empty((0, len(features)))
    tuples: Callable[[Any], tuple[Any, ...]] = astuple
    if not only:
        tuples = attrgetter(*names) if len(names) > 1 else _single(names[0])
    size = len(features) * len(names)
    flat = _floats(lambda: chain.from_iterable(map(tuples, features)), size)
    return np.ascontiguousarray(flat.reshape(len(features), len(names)).T)


def _single(name: str) -> Callable[[Any], tuple[Any, ...]]:
    value = attrgetter(name)
    return lambda features: (value(features),)


def _floats(values: Callable[[], Iterable[float | None]], size: int) -> Floats:
    """NaN for None."""
    try:
        return np.fromiter(values(), np.float64, size)
    except TypeError:  # of None
        numbers = pa.array(list(values()), pa.float64())
        return np.array(numbers.to_numpy(zero_copy_only=False))
