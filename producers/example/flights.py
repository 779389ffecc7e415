"""The bundled data: flights from New York in 2013, with the weather at departure.

``producers/example/data/README.md`` names the source of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from monitor.counts.classes import class_numbers
from producers.example.history import History, joined

DATA = Path(__file__).with_name("data")
FLIGHTS, CANCELLED = DATA / "flights.parquet", DATA / "cancelled.parquet"
NUMERIC = (
    "dep_delay",
    "hour",
    "distance",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
)
CATEGORICAL = ("carrier", "origin", "dest")
OUTCOMES = ("early", "on time", "late", "cancelled")
LATE_MINUTES = 15
MINUTE_MS = 60_000
CANCELLATION_KNOWN_MS = 60 * MINUTE_MS  # after the flight was due; the source does not say when


def _month_ms(month: int) -> int:
    return int(datetime(2013, month, 1, tzinfo=UTC).timestamp()) * 1000


TRAINING_MS = (_month_ms(1), _month_ms(3))
REFERENCE_MS = (_month_ms(3), _month_ms(4))
PRODUCTION_MS = (_month_ms(4), _month_ms(12) + 32 * 86_400_000)  # the last flight lands in 2014


def load_flights() -> History:
    """All 327,346 flights with a known arrival delay, in the order of departure.

    The label is 1 if a flight arrived more than 15 minutes late. It is known after landing.
    """
    return _departures("late", np.int64)


def load_arrivals() -> History:
    """The same flights; the label is the delay of the arrival in minutes, early is negative."""
    return _departures("arr_delay", np.float64)


def load_outcomes() -> History:
    """These and the 8,255 that were cancelled, when they were due; the label is an outcome.

    How late a flight leaves is not known then, so ``dep_delay`` is no feature.
    """
    left = load_arrivals()
    due_ms = left.time_ms - (left.features["dep_delay"] * MINUTE_MS).astype(np.int64)
    features = {name: values for name, values in left.features.items() if name != "dep_delay"}
    flown = History(left.ids, due_ms, features, _outcomes(left.label), left.label_time_ms)
    return joined(flown, _cancelled())


def _departures(label: str, dtype: type[np.generic]) -> History:
    table = pq.read_table(FLIGHTS)
    labels = table[label].to_numpy().astype(dtype)
    return _history(table, NUMERIC, labels, _milliseconds(table["known_at"]))


def _cancelled() -> History:
    table = pq.read_table(CANCELLED)
    known_ms = _milliseconds(table["time"]) + CANCELLATION_KNOWN_MS
    labels = np.repeat(class_numbers(["cancelled"]), len(table))
    return _history(table, NUMERIC[1:], labels, known_ms)


def _history(
    table: pa.Table,
    numeric: Sequence[str],
    label: NDArray[Any],
    label_time_ms: NDArray[np.int64],
) -> History:
    features = {name: _numbers(table[name]) for name in numeric}
    return History(
        ids=_texts(table["id"]),
        time_ms=_milliseconds(table["time"]),
        features={**features, **{name: _texts(table[name]) for name in CATEGORICAL}},
        label=label,
        label_time_ms=label_time_ms,
    )


def _outcomes(arr_delay: NDArray[np.float64]) -> NDArray[np.float64]:
    """Numbers of classes (``monitor.counts.classes``)."""
    early, late = arr_delay < 0, arr_delay > LATE_MINUTES
    numbers = class_numbers(OUTCOMES)
    return np.asarray(numbers[np.select([early, late], [0, 2], default=1)])


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Missing values become NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy())


def _texts(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.asarray(column.to_pandas().to_numpy(), dtype=object)


def _milliseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy())
