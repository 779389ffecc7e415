"""Rows as Arrow, in columns of every type that the contract allows, and the same rows as JSON."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from producers.contract.arrow_columns import ARROW_HEADER
from producers.contract.records import END_MS
from tests.consumers.in_memory import NOW, T0
from tests.consumers.sources.mutations import Fields

ARROW_HEADERS = (ARROW_HEADER,)
NAN, INF = math.nan, math.inf
UNITS_PER_MS = {"s": 0.001, "ms": 1, "us": 1_000, "ns": 1_000_000}
HUGE = 10**400  # JSON has no infinity, but numbers that no double can hold

TEXT = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint16(), pa.large_string()),
]
SMALL = [pa.int8(), pa.uint8(), pa.int16(), pa.uint32(), pa.int64(), pa.uint64()]
SIGNED = [pa.int8(), pa.int16(), pa.int32(), pa.int64()]
FLOATS = [pa.float32(), pa.float64()]

MODELS = ["m"] * 12 + ["n"] * 4 + ["coarse", "nobody"]
VERSIONS = ["1"] * 12 + ["2"] * 4 + ["3"]
WRONG_NAMES = ["", None, "no name", "x" * 101, "ü"]
WRONG_IDS = ["ü" * 201, "x" * 201, "", None]
WRONG_TIMES = [-1, END_MS, END_MS - 1, None, NOW + 60_000, NOW + 60_001, 0]

Made = tuple[pa.Array, list[Any]]  # a column, and its values as JSON has them


@dataclass
class Maker:
    """Makes columns of ``size`` rows. ``dirt`` is the proportion of values that are wrong."""

    rng: random.Random
    size: int
    dirt: float

    def drawn(self, good: Sequence[Any], wrong: Sequence[Any] = ()) -> list[Any]:
        dirty = [bool(wrong) and self.rng.random() < self.dirt for _ in range(self.size)]
        return [self.rng.choice(wrong if is_dirty else good) for is_dirty in dirty]

    def texts(self, good: Sequence[Any], wrong: Sequence[Any] = ()) -> Made:
        values = self.drawn(good, wrong)
        return column(values, self.rng.choice(TEXT)), values

    def times(self) -> Made:
        values = self.drawn([T0 + i * 13 for i in range(800)], WRONG_TIMES)
        unit = self.rng.choice([None, None, "s", "ms", "us", "ns"])
        if unit is None and self.rng.random() < 0.5:
            return pa.array(values, pa.int64()), values
        if unit is None:
            values = [2**64 - 1 if value == -1 else value for value in values]
            return pa.array(values, pa.uint64()), values
        if unit == "ns":  # ends in the year 2262
            values = [None if value is None else min(value, NOW + 60_001) for value in values]
        per_ms = UNITS_PER_MS[unit]
        more = 0 if per_ms <= 1 else self.rng.randrange(int(per_ms))  # is rounded down
        stored = [v if v is None else math.floor(v * per_ms) + more for v in values]
        zone = self.rng.choice([None, "UTC", "Europe/Paris", "+05:00"])
        exact = [v if v is None or unit != "s" else v // 1000 * 1000 for v in values]
        return pa.array(stored, pa.timestamp(unit, zone)), exact

    def numbers(self, good: Sequence[Any], wrong: Sequence[Any] = ()) -> Made:
        kind = self.rng.choice(FLOATS)
        return as_stored(pa.array(self.drawn(good, wrong), kind))

    def whole(self, good: Sequence[Any], wrong: Sequence[Any], kinds: list[pa.DataType]) -> Made:
        values = self.drawn(good, wrong)
        return pa.array(values, self.rng.choice(kinds)), values

    def classes(self, missing: Sequence[Any], wrong: Sequence[Any]) -> Made:
        """``missing``: what stands for no class, if that is allowed."""
        if self.rng.random() < 0.5:
            return self.whole([0, 1, *missing], [2, -1, *wrong], SIGNED)
        floats = [0.0, 1.0, *missing, *([NAN] if missing else [])]
        made, values = self.numbers(floats, [2.0, 0.5, -1.0, *wrong])
        return made, [int(v) if v is not None and v.is_integer() else v for v in values]

    def feature(self, *, infinite: bool) -> Made:
        infinities = [INF, -INF] if infinite else []
        make: Callable[[], Made] = self.rng.choice(
            [
                lambda: self.numbers([0.1, -3.5, 7.0, 0.0, NAN, None, 1e-30, *infinities]),
                lambda: self.numbers([0.1, -3.5, 7.0]),
                lambda: self.whole([0, 1, 7, 100, None], [], SMALL),
                lambda: self.whole([2**53 + 1, -(2**63), None], [], [pa.int64()]),
                lambda: self.whole([2**64 - 1, 0], [], [pa.uint64()]),
                lambda: self.whole([True, False, None], [], [pa.bool_()]),
                lambda: self.whole([None], [], [pa.null()]),
                lambda: self.texts(["a", "b", "z", "", "1", "\x00", "ü", None]),
                lambda: self.texts(["a", "b"]),
                lambda: self.coded_numbers([1, 2, 7]),
                lambda: self.coded_numbers([0.5, 2.0, NAN]),
            ]
        )
        return make()

    def coded_numbers(self, values: Sequence[Any]) -> Made:
        drawn = self.drawn([*values, None])
        return pa.array(drawn).dictionary_encode(), [None if v != v else v for v in drawn]


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Of texts, also as views or in a dictionary."""
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


def as_stored(array: pa.Array) -> Made:
    """Floats, as the doubles of their shortest digits."""
    values = array.to_pylist()
    if not pa.types.is_float32(array.type):
        return array, values
    return array, [None if value is None else float(str(np.float32(value))) for value in values]


def predictions(rng: random.Random, size: int, dirt: float) -> tuple[pa.Table, list[Fields]]:
    """A table, and its rows as JSON."""
    make = Maker(rng, size, dirt)
    made = {
        "id": make.texts(["r1", "r2", "ü" * 200, "\x00", "😀" * 200], WRONG_IDS),
        "time": make.times(),
        "model": make.texts(MODELS, WRONG_NAMES),
        "version": make.texts(VERSIONS, WRONG_NAMES),
        "score": make.numbers([0.0, 0.25, 0.5, 0.8, 1.0], [1.5, -0.1, NAN, None])
        if rng.random() < 0.8
        else make.whole([0, 1], [2, None], SMALL),
    }
    if rng.random() < 0.7:
        made["prediction"] = make.classes([None], [])
    names = [name for name in ("x", "c", "y", "extra", "ü", "") if rng.random() < 0.6]
    features = {name: make.feature(infinite=name == "x") for name in names}
    both = list({**made, **features}.items())
    rng.shuffle(both)
    fields = [
        {
            **{name: values[i] for name, (_, values) in made.items()},
            "features": {name: values[i] for name, (_, values) in features.items()},
        }
        for i in range(size)
    ]
    return pa.table({name: array for name, (array, _) in both}), fields


def labels(rng: random.Random, size: int, dirt: float) -> tuple[pa.Table, list[Fields]]:
    make = Maker(rng, size, dirt)
    made = {
        "id": make.texts(["r1", "r2", "ü" * 200], WRONG_IDS),
        "time": make.times(),
        "model": make.texts(MODELS, WRONG_NAMES),
        "label": make.classes([], [None]),
    }
    ignored = {"note": pa.array([[1, 2]] * size, pa.list_(pa.int8()))} if rng.random() < 0.3 else {}
    fields = [{name: values[i] for name, (_, values) in made.items()} for i in range(size)]
    return pa.table({**{name: array for name, (array, _) in made.items()}, **ignored}), fields


def as_json(fields: Fields) -> bytes:
    """NaN is null. An infinite number becomes one that no double can hold."""
    return json.dumps(_finite(fields)).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return HUGE if value > 0 else -HUGE
    return value


def message(table: pa.Table, rows_per_batch: int | None = None, **options: Any) -> bytes:
    """``options`` of ``pa.ipc.IpcWriteOptions``."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as out:
        out.write_table(table, max_chunksize=rows_per_batch)
    return bytes(sink.getvalue().to_pybytes())
