"""Times: exact in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.messages.times import milliseconds, optional_rfc3339, rfc3339, utc_datetime
from tests.consumers.in_memory import T0

LATEST = 253_370_764_799_999  # 9998-12-31


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (T0, "2013-04-01T00:00:00Z"),
        (T0 + 1, "2013-04-01T00:00:00.001Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (LATEST, "9998-12-31T23:59:59.999Z"),
    ],
)
def test_rfc3339_has_milliseconds_only_if_there_are_any(time_ms, text):
    assert rfc3339(time_ms) == text
    assert optional_rfc3339(time_ms) == text


def test_rfc3339_of_no_time_is_none():
    assert optional_rfc3339(None) is None


@given(time_ms=st.integers(-LATEST // 10, LATEST))
def test_milliseconds_are_the_exact_inverse_of_rfc3339(time_ms):
    assert milliseconds(rfc3339(time_ms)) == time_ms
    assert milliseconds(utc_datetime(time_ms).isoformat()) == time_ms


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.0019Z", 1),
        ("1969-12-31T23:59:59.9999Z", -1),
    ],
)
def test_milliseconds_take_any_offset_and_cut_fractions_off(text, time_ms):
    assert milliseconds(text) == time_ms


@pytest.mark.parametrize("text", ["2013-04-01T00:00:00", "2013-02-30T00:00:00Z", "spring", ""])
def test_milliseconds_refuse_a_text_without_offset_or_that_is_no_time(text):
    with pytest.raises(ValueError, match=r"offset|Invalid|day|month"):
        milliseconds(text)
