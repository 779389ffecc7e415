"""Times as people write them; none is guessed."""

import pandas as pd
import pytest

from producers.contract.times import InvalidTime, parse_time_ms, read_times, times_ms

NOON_MS = 1_364_817_600_000  # 2013-04-01T12:00:00Z


def read(*values: object, timezone: str | None = None) -> list[int]:
    return times_ms(pd.Series(values, name="when"), timezone).tolist()


def test_times_with_an_offset_are_converted_to_utc():
    assert read("2013-04-01T12:00:00Z", "2013-04-01 14:00:00.001+02:00") == [NOON_MS, NOON_MS + 1]


def test_integer_times_are_milliseconds():
    assert read(NOON_MS) == read(float(NOON_MS)) == [NOON_MS]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_of_any_unit_are_converted_to_milliseconds(unit):
    column = pd.Series(pd.to_datetime(["2013-04-01T12:00:00Z"]), name="when").dt.as_unit(unit)
    assert times_ms(column, None).tolist() == [NOON_MS]


def test_empty_column_has_no_times():
    for dtype in ("float64", "str", "datetime64[ns]", "object"):
        assert times_ms(pd.Series([], dtype=dtype), None).tolist() == []


@pytest.mark.parametrize("value", ["2013-04-01T12:00:00", pd.Timestamp("2013-04-01T12:00:00")])
def test_time_without_an_offset_is_refused_without_a_time_zone(value):
    with pytest.raises(
        InvalidTime, match=r"have no UTC offset.*give their time zone.*--timezone UTC"
    ):
        read(value)
    assert read(value, timezone="UTC") == [NOON_MS]
    assert read(value, timezone="Europe/Paris") == [NOON_MS - 2 * 3_600_000]


def test_offset_of_a_time_overrides_the_time_zone():
    assert read("2013-04-01T12:00:00Z", timezone="Europe/Paris") == [NOON_MS]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        (["soon"], "'soon', which is not a time"),
        (["2013-04-01T12:00:00Z", "04/01/2013 12:00Z"], "'04/01/2013 12:00Z', which is not a time"),
        (
            ["2013-04-01T12:00:00Z", "2013-04-01T12:00:00"],
            "with and without an offset: '2013-04-01T12:00:00Z' and",
        ),
        (["2013-04-01T12:00:00Z", None], "no time in row 2"),
        ([float("nan"), NOON_MS], "no time in row 1"),
        ([NOON_MS / 1000], "whole milliseconds"),
        ([NOON_MS + 0.5], "whole milliseconds"),
        ([-NOON_MS, NOON_MS], "outside the years 1970 to 9998"),
        ([NOON_MS * 1_000_000], "outside the years 1970 to 9998"),
        ([1e200, float(NOON_MS)], "outside the years 1970 to 9998"),
        ([float("inf"), float(NOON_MS)], "outside the years 1970 to 9998"),
        ([-1e200, float(NOON_MS)], "outside the years 1970 to 9998"),
        (["1969-12-31T23:59:59Z"], "outside the years 1970 to 9998"),
        ([True], "not a time"),
        ([b"\xff"], "not a time"),
    ],
)
def test_value_that_is_not_a_time_is_refused_with_its_column(values, why):
    with pytest.raises(InvalidTime, match=f"column 'when'.*{why}"):
        read(*values)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_unknown_time_zone_is_refused(zone):
    with pytest.raises(InvalidTime, match=f"column 'when' as times of '{zone}': there is no such"):
        read("2013-04-01T12:00:00", timezone=zone)


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        pytest.param("Europe/Paris", "2013-10-27T02:30", "2013-10-27T00:30Z", id="first of two"),
        pytest.param("Europe/Paris", "2013-03-31T02:30", "2013-03-31T01:30Z", id="skipped"),
        pytest.param("Europe/Paris", "2013-10-27T03:00", "2013-10-27T02:00Z", id="after both"),
        pytest.param("Europe/Dublin", "2013-10-27T01:30", "2013-10-27T00:30Z", id="winter is DST"),
        pytest.param("Australia/Lord_Howe", "2013-04-07T01:45", "2013-04-06T14:45Z", id="half"),
        pytest.param(
            "Australia/Lord_Howe", "2013-10-06T02:10", "2013-10-05T15:40Z", id="half skipped"
        ),
        pytest.param("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00Z", id="a day skipped"),
    ],
)
def test_local_time_of_a_clock_change_is_read_by_the_clock_before_it(zone, local, utc):
    assert read(local, timezone=zone) == read(utc)


def test_times_that_a_clock_change_makes_ambiguous_are_counted():
    hours = ["2013-10-27T01:59", "2013-10-27T02:00", "2013-10-27T02:59", "2013-03-31T02:00"]
    found = read_times(pd.Series(hours, name="when"), "Europe/Paris")
    assert (found.doubled, found.skipped) == (2, 1)


@pytest.mark.parametrize(("unit", "factor"), [("seconds", 1e-3), ("microseconds", 1e3)])
def test_error_for_integers_in_another_unit_names_the_unit(unit, factor):
    with pytest.raises(InvalidTime, match=f"seems to be in {unit}, which is 2013-04-01T12:00:00Z"):
        read(round(NOON_MS * factor))


@pytest.mark.parametrize(
    "text", ["2013-04-01T12:00:00Z", "2013-04-01T12:00", "2013-04-01T14:00:00+02:00"]
)
def test_parsed_time_without_an_offset_is_utc(text):
    assert parse_time_ms(text) == NOON_MS


def test_parsed_date_is_midnight():
    assert parse_time_ms("2013-04-01") == NOON_MS - 12 * 3_600_000


def test_parsing_anything_else_as_a_time_is_refused():
    with pytest.raises(InvalidTime, match="'April' is not a time"):
        parse_time_ms("April")
