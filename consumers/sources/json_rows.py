"""JSON records of one partition as columns, with exactly the contract of the row decoders.

Theory of operation
-------------------
Predictions are decoded in three steps, and only what a step refuses goes on to the next::

    the shape of most rows so far ──▶ the shape that a record seems to have ──▶ the row decoder

The first two take only records that are certainly valid (``json_shape``). Whether any other record
is valid, and why not, is decided by the row decoder (``one_by_one``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import numpy as np

from consumers.sources.groups import (
    DecodedPredictions,
    Floats,
    Ints,
    LabelRows,
    Origin,
    concatenated_origins,
    grouped,
    positions_by_key,
    sent_labels,
)
from consumers.sources.json_shape import Shape, ShapedRows, kinds_of
from consumers.sources.record_features import features_of_records
from consumers.sources.typed_rows import Values, out_of_range, typed_columns
from monitor.counts.schema import Schema
from monitor.counts.task import Contract
from monitor.counts.values import Coded, Read, as_coded, concatenated_codes
from producers.contract.records import LabelFields, decode_prediction, is_name
from producers.contract.task_fields import label_type

Key = tuple[str, str]  # model, version

_NAMES = re.compile(rb'"(model|version)"\s*:\s*"([^"\\]+)"')


class JsonPredictions:
    """Predictions of registered versions as columns. ``schema_of`` must be fast."""

    def __init__(self, schema_of: Callable[[str, str], Schema | None]) -> None:
        self._schema_of = schema_of
        self._shapes: dict[Key, tuple[Schema, Shape | None]] = {}
        self._likely: Shape | None = None

    def decode(self, values: Values, at: Ints) -> tuple[list[DecodedPredictions], Ints]:
        """The rows of the records ``at`` that are certainly valid, and positions of the others."""
        rest, found = at, list[DecodedPredictions]()
        if self._likely is not None:
            rest = self._take(self._likely, values, rest, found)
        others = [rest[:0]]
        for shape, alike in self._by_names(values, rest).items():
            if shape is None or shape is self._likely:
                others.append(alike)
            else:
                others.append(self._take(shape, values, alike, found))
        if found:
            self._likely = self._shape(max(found, key=lambda rows: len(rows.sent.score)).key)
        return found, np.sort(np.concatenate(others))

    def _take(self, shape: Shape, values: Values, at: Ints, into: list[DecodedPredictions]) -> Ints:
        """Add the rows among the records ``at`` that have this shape. Returns the other records."""
        parts, refused = typed_columns(shape.decode, shape.columns, values, at)
        others = [refused]
        for key, rows in ShapedRows.by_key(parts).items():
            if self._shape(key) is not shape:
                others.append(rows.origin.record)
                continue
            invalid = out_of_range(rows.origin.time_ms)
            if invalid.size:
                others.append(rows.origin.record[invalid])
                rows = rows.take(np.delete(np.arange(len(rows)), invalid))
            if len(rows):
                into.append(_predictions(key, shape, rows, values))
        return np.concatenate(others)

    def _by_names(self, values: Values, at: Ints) -> dict[Shape | None, Ints]:
        """Records by the shape of the model and version that they seem to name."""
        if not at.size:
            return {}
        shapes = [self._shape(_seeming_key(values[i] or b"")) for i in at.tolist()]
        return {shape: at[of_shape] for shape, of_shape in grouped(shapes).items()}

    def _shape(self, key: Key) -> Shape | None:
        schema = self._schema_of(*key)
        if schema is None:
            return None
        known, shape = self._shapes.get(key, (None, None))
        if known is not schema:
            shape = self._shape_like(schema) or Shape.of(schema)
            self._shapes[key] = schema, shape
        return shape

    def _shape_like(self, schema: Schema) -> Shape | None:
        """One shape serves all versions that it fits."""
        shapes = (shape for _, shape in self._shapes.values() if shape is not None)
        return next((shape for shape in shapes if shape.fits(schema)), None)


def decode_labels(
    values: Values,
    at: Ints,
    contracts_of: Callable[[str], Collection[Contract]],
    known: Sequence[Contract],
) -> tuple[list[LabelRows], Ints]:
    """The rows of the records ``at`` that are certainly valid, and the positions of the others.

    ``contracts_of`` returns the contracts of the versions of a model, ``known`` are those of all
    models.
    """
    rest, found = at, list[LabelRows]()
    for contract in known:
        parts, refused = typed_columns(_label_decoder(contract), _Labels.of, values, rest)
        others = [refused]
        for model, rows in _Labels.by_model(parts).items():
            invalid = out_of_range(rows.origin.time_ms)
            valid = np.delete(np.arange(len(rows)), invalid)
            if not is_name(model) or contract not in contracts_of(model):
                valid = valid[:0]
            others.append(np.delete(rows.origin.record, valid))
            if valid.size:
                found.append(rows.take(valid) if valid.size < len(rows) else rows)
        rest = np.sort(np.concatenate(others))
    return found, rest


@cache
def _label_decoder(contract: Contract) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(label_type(LabelFields, contract)).decode


@dataclass(frozen=True, slots=True, eq=False)
class _Labels:
    """Labels of any models."""

    origin: Origin
    model: Coded
    label: Floats

    @classmethod
    def of(cls, rows: Sequence[Any], origin: Origin) -> _Labels:
        return cls(origin, as_coded([row.model for row in rows]), sent_labels(rows))

    @staticmethod
    def by_model(parts: Sequence[_Labels]) -> Mapping[str, LabelRows]:
        if not parts:
            return {}
        origin = concatenated_origins([part.origin for part in parts])
        model = concatenated_codes([part.model for part in parts])
        label = np.concatenate([part.label for part in parts])
        return {
            name: LabelRows(name, origin.take(at), label[at])
            for (name,), at in positions_by_key(model).items()
        }


def _predictions(key: Key, shape: Shape, rows: ShapedRows, values: Values) -> DecodedPredictions:
    def features(schema: Schema) -> Mapping[str, Read]:
        if kinds_of(schema) == shape.kinds:
            return rows.features(shape.kinds)
        # The version was registered anew meanwhile.
        again = [decode_prediction(values[i], shape.contract) for i in rows.origin.record.tolist()]
        return features_of_records(again, schema)

    return DecodedPredictions(key, rows.origin, rows.sent, shape.contract, features)


def _seeming_key(value: bytes) -> Key:
    names = dict(_NAMES.findall(value))
    model, version = (names.get(name, b"") for name in (b"model", b"version"))
    return model.decode(errors="replace"), version.decode(errors="replace")
