"""The features of records that were decoded one by one, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitor.counts.columns import Numeric
from monitor.counts.schema import Schema
from monitor.counts.summary import MAX_NAMES, add_names, shortened
from monitor.counts.values import Read, as_coded, as_numbers
from producers.contract.records import PredictionRecord


def features_of_records(records: Sequence[PredictionRecord], schema: Schema) -> Mapping[str, Read]:
    """The features of the schema, and those that it does not have."""
    columns: dict[str, Read] = {}
    for name, reference in schema.features.items():
        values = [record.features.get(name) for record in records]
        columns[name] = as_numbers(values) if isinstance(reference, Numeric) else as_coded(values)
    for name in kept_unknown(set().union(*(record.features for record in records)), schema):
        columns[name] = as_coded([record.features.get(name) for record in records])
    return columns


def kept_unknown(names: set[str], schema: Schema) -> list[str]:
    """Those that the schema does not have, at most as many as a sum of their names keeps."""
    unknown = sorted(names - schema.features.keys())
    kept = add_names([{"unknown": dict.fromkeys(map(shortened, unknown), 1)}])["unknown"]
    return [name for name in unknown if shortened(name) in kept][:MAX_NAMES]
