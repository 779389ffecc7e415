"""What is older than ``store.keep`` is deleted, and nothing else."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import pytest
from sqlalchemy import select

import consumers.database.retention
from consumers.database.tables import decisions, distributions, incidents, transitions, windows
from tests.consumers.stored import (
    APRIL,
    DAY,
    NOW,
    Feed,
    address,
    alert,
    database,
    decision,
    feed,
    rfc3339,
    window,
)


@pytest.fixture
def left(database):
    """The values of a column, after windows older than so many days were deleted."""

    def values(column, days: int, now_ms: int = NOW):
        while database.delete_old(days * DAY, now_ms):
            pass
        with database.write() as connection:
            return sorted(connection.execute(select(column)).scalars())

    return values


def resolved(incident: str, day: int):
    """An incident that opened and resolved on a day."""
    at = rfc3339(APRIL + (day + 1) * DAY)
    return (
        alert(incident=incident, day=day, opened_at=at),
        alert("resolved", incident=incident, day=day, opened_at=at),
    )


@pytest.mark.parametrize("table", [windows, distributions])
@pytest.mark.parametrize("step", [1, 500])
def test_windows_are_kept_for_their_time_counted_from_the_newest(
    feed, left, monkeypatch, table, step
):
    monkeypatch.setattr(consumers.database.retention, "STEP", step)
    feed(*(window(day) for day in range(10)))
    assert left(table.c.start_ms, 3) == [APRIL + day * DAY for day in (7, 8, 9)]


def test_each_version_is_counted_from_its_own_newest_window(feed, left):
    """A replay of an old year stays beside a live model."""
    feed(*(window(day) for day in range(3)), *(window(day, model="b") for day in range(700, 703)))
    assert len(left(windows.c.start_ms, 3)) == 6


def test_version_that_was_reset_is_counted_from_the_newest_window_of_its_new_life(feed, left):
    """Its old life may have been ahead, which is why it was reset."""
    feed(*(window(day) for day in (1, 89, 90)), *(window(day, life=1) for day in range(3, 10)))
    assert left(windows.c.start_ms, 4) == [APRIL + day * DAY for day in (6, 7, 8, 9, 89, 90)]


def test_window_in_the_future_deletes_nothing_that_is_not_old_by_the_clock(feed, left):
    feed(window(0), window(5_000))
    assert len(left(windows.c.start_ms, 365, now_ms=APRIL + 30 * DAY)) == 2


def test_incidents_are_deleted_with_their_transitions_once_they_are_resolved_for_long(feed, left):
    feed(*resolved("old", 0), *resolved("new", 8), alert(incident="open", day=0), window(9))
    assert left(incidents.c.id, 5) == ["new", "open"]
    assert left(transitions.c.incident, 5) == ["new", "new", "open"]


def test_newest_transition_stays_because_its_number_is_the_last_one(feed, left):
    feed(window(90), alert(incident="a", day=0), *resolved("b", 1))
    assert left(incidents.c.id, 5) == ["a", "b"]
    feed(*resolved("c", 89))
    assert left(incidents.c.id, 5) == ["a", "c"]


def test_newest_decision_stays(feed, left):
    feed(decision(0), decision(1), window(90))
    assert left(decisions.c.decided_ms, 5) == [APRIL + DAY]


def test_steps_are_bounded(feed, database, monkeypatch):
    monkeypatch.setattr(consumers.database.retention, "STEP", 4)
    feed(*(window(day) for day in range(20)))
    assert database.delete_old(DAY, NOW) is True
    with database.write() as connection:
        assert len(connection.execute(select(windows)).all()) == 16
