"""The window in the address of a page, and the own window that belongs to an incident's."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.answers import Window, WindowItem
from dashboard import window_parameter
from dashboard.window_parameter import Period
from tests.dashboard.documents import day, window

FIRST = datetime(2013, 4, 1, tzinfo=UTC)


def at(hours):
    return FIRST + timedelta(hours=hours)


def windows(*starts, length=24):
    """Windows of a day that start at these hours."""
    documents = [window() for _ in starts]
    for document, start in zip(documents, starts, strict=True):
        document["window"] |= {"start": at(start), "end": at(start + length)}
    return [WindowItem.model_validate(document) for document in documents]


def own_start(start, end, *starts):
    """Hours from the first to the start of the own window; None without one."""
    own = window_parameter.own_window(Period(at(start), at(end)), windows(*starts))
    return None if own is None else (own.start - FIRST) / timedelta(hours=1)


def test_parameter_of_a_window_is_read_back_in_utc():
    start, end = (datetime.fromisoformat(text) for text in day(1))
    parameter = window_parameter.to_parameter(
        Window(start=start, end=end, revision=0, status="closed")
    )
    assert parameter == "/".join(day(1))
    assert window_parameter.parse(parameter) == (start, end)
    elsewhere = "2013-04-01T02:00:00+02:00/2013-04-02T02:00:00+02:00"
    assert window_parameter.parse(elsewhere) == (start, end)


@pytest.mark.parametrize("parameter", [None, "", "newest", "/", "2013-04-01/2013-04-02", "a/b"])
def test_parameter_that_is_not_a_window_is_none(parameter):
    assert window_parameter.parse(parameter) is None


def test_times_in_a_parameter_are_written_as_in_the_api():
    assert window_parameter.rfc3339(datetime(2013, 4, 1, tzinfo=UTC)) == "2013-04-01T00:00:00Z"
    berlin = timezone(timedelta(hours=2))
    assert (
        window_parameter.rfc3339(datetime(2013, 4, 1, 2, tzinfo=berlin)) == "2013-04-01T00:00:00Z"
    )


def test_own_window_contains_the_window_of_the_incident():
    """An incident of four hours, in windows of a day that slide by twelve hours::

    [0 --------------------- 24)
               [12 --------------------- 36)
                      [18-22)
    """
    assert own_start(30, 34, 0, 12, 24) == 12
    assert own_start(2, 6, 0, 12, 24) == 0


def test_own_window_stays_the_same_while_newer_ones_close():
    assert own_start(18, 22, 0) == own_start(18, 22, 0, 12) == 0


def test_own_window_overlaps_the_incident_if_none_contains_it():
    assert own_start(20, 50, 0, 24, 48) == 48
    assert own_start(22, 26, 0) == 0


def test_own_window_is_none_if_all_windows_lie_elsewhere():
    assert own_start(24, 28, 0) is None
    assert own_start(24, 28) is None


@given(st.integers(0, 96), st.integers(1, 60), st.integers(0, 96))
def test_search_range_holds_every_window_that_overlaps(start, length, own):
    period = Period(at(start), at(start + length))
    around = window_parameter.search_range(period, windows(0))
    overlaps = own < start + length and start < own + 24
    inside = around.start <= at(own) and at(own + 24) <= around.end
    assert inside or not overlaps
