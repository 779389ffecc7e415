"""Numbers and times as text."""

from datetime import datetime

import pytest

from dashboard import formats


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2013-04-01T00:00:00Z", "2013-04-02T00:00:00Z", "2013-04-01"),
        ("2013-04-01T09:00:00Z", "2013-04-01T12:00:00Z", "2013-04-01 09:00 to 12:00"),
        ("2013-04-01T09:00:00Z", "2013-04-02T09:00:00Z", "2013-04-01 09:00 to 2013-04-02 09:00"),
        ("2013-04-01T00:00:00Z", "2013-04-08T00:00:00Z", "2013-04-01 to 2013-04-08"),
        ("2013-04-01T02:00:00+02:00", "2013-04-02T02:00:00+02:00", "2013-04-01"),
    ],
)
def test_period_is_shown_in_utc_and_in_its_shortest_form(start, end, text):
    assert formats.period(at(start), at(end)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (172800, "2 d ago"),
        (None, "never"),
    ],
)
def test_age_is_shown_in_its_largest_unit(seconds, text):
    assert formats.age(seconds) == text


def test_unknown_numbers_are_shown_as_a_dash():
    unknown = (
        formats.number(None),
        formats.proportion(None),
        formats.proportion(1, 0),
        formats.interval(0.1, None),
        formats.count(None),
    )
    assert set(unknown) == {formats.NO_VALUE}


@pytest.mark.parametrize(
    ("value", "text"), [(1e-30, "< 0.0001"), (0.05, "0.0500"), (0.0, "< 0.0001")]
)
def test_small_p_values_are_shown_as_a_bound(value, text):
    assert formats.probability(value) == text


@pytest.mark.parametrize(("number", "text"), [(1, "1 row"), (0, "0 rows"), (66145, "66,145 rows")])
def test_quantity_has_thousands_separators_and_its_plural(number, text):
    assert formats.quantity(number, "row") == text
