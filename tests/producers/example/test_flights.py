"""The bundled flights: real, complete, in the order in which they left."""

from datetime import UTC, datetime

import numpy as np
import pytest

from producers.example.flights import (
    CATEGORICAL,
    NUMERIC,
    PRODUCTION_MS,
    REFERENCE_MS,
    TRAINING_MS,
    load_flights,
)


@pytest.fixture(scope="module")
def flights():
    return load_flights()


def at_ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)


def test_flights_are_all_with_a_known_outcome(flights):
    assert len(flights) == 327_346
    assert len(set(flights.ids)) == 327_346


def test_flights_are_in_the_order_of_departure(flights):
    assert (np.diff(flights.time_ms) >= 0).all()


def test_training_reference_and_production_cover_all_flights(flights):
    parts = [len(flights.between(*span)) for span in (TRAINING_MS, REFERENCE_MS, PRODUCTION_MS)]
    assert parts == [49_854, 27_946, 249_546]
    assert sum(parts) == len(flights)


def test_first_flight_has_the_published_values(flights):
    """05:15 in New York, two minutes late, 227 minutes in the air: 10:17 and 14:29 in UTC."""
    row = list(flights.ids).index("2013-01-01/UA1545/EWR")
    assert flights.time_ms[row] == at_ms(2013, 1, 1, 10, 17)
    assert flights.label_time_ms[row] == at_ms(2013, 1, 1, 14, 29)
    assert flights.label[row] == 0
    assert {name: values[row] for name, values in flights.features.items()} == {
        "dep_delay": 2.0,
        "hour": 5.0,
        "distance": 1400.0,
        "temp": 39.02,
        "dewp": 28.04,
        "humid": 64.43,
        "wind_speed": 12.65858,
        "precip": 0.0,
        "visib": 10.0,
        "pressure": 1011.9,
        "carrier": "UA",
        "origin": "EWR",
        "dest": "IAH",
    }


def test_flight_times_respect_daylight_saving_time(flights):
    """Due at 06:00 in New York: 11:00 UTC on 9 March, 10:00 UTC on 11 March."""
    due_ms = flights.time_ms - flights.features["dep_delay"] * 60_000
    for day, hour in (("2013-03-09", 11), ("2013-03-11", 10)):
        mine = [i for i, name in enumerate(flights.ids) if name.startswith(day)]
        six = [due_ms[i] for i in mine if flights.features["hour"][i] == 6]
        assert min(six) == at_ms(*map(int, day.split("-")), hour)


def test_label_of_a_flight_is_known_after_departure(flights):
    delay_ms = flights.label_time_ms - flights.time_ms
    assert delay_ms.min() == 45 * 60_000
    assert delay_ms.max() == 12 * 3_600_000


def test_flight_features_are_floats_or_strings(flights):
    assert list(flights.features) == [*NUMERIC, *CATEGORICAL]
    assert {flights.features[name].dtype.kind for name in NUMERIC} == {"f"}
    assert {type(value) for name in CATEGORICAL for value in flights.features[name]} == {str}
    assert np.isnan(flights.features["pressure"]).mean() == pytest.approx(0.11, abs=0.001)
    assert np.nanmax(flights.features["wind_speed"]) == 42.57886
