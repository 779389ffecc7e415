"""The bundled data: flights from New York in 2013, with the weather at departure.

A prediction is made when a flight departs: will it arrive more than 15 minutes late? The label is
known after landing. ``producers/example/data/README.md`` names the source of the data.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from producers.example.history import History

FILE = Path(__file__).with_name("data") / "flights.parquet"
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


def _month_ms(month: int) -> int:
    return int(datetime(2013, month, 1, tzinfo=UTC).timestamp()) * 1000


TRAINING_MS = (_month_ms(1), _month_ms(3))
REFERENCE_MS = (_month_ms(3), _month_ms(4))
PRODUCTION_MS = (_month_ms(4), _month_ms(12) + 32 * 86_400_000)  # the last flight lands in 2014


def load_flights() -> History:
    """All 327,346 flights with a known arrival delay, in the order of departure."""
    table = pq.read_table(FILE)
    features = {name: _numbers(table[name]) for name in NUMERIC}
    return History(
        ids=_texts(table["id"]),
        time_ms=_milliseconds(table["time"]),
        features={**features, **{name: _texts(table[name]) for name in CATEGORICAL}},
        label=table["late"].to_numpy().astype(np.int64),
        label_time_ms=_milliseconds(table["known_at"]),
    )


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Missing values become NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy())


def _texts(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.asarray(column.to_pandas().to_numpy(), dtype=object)


def _milliseconds(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.cast(pa.int64()).to_numpy())
