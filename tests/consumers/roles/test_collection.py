"""Collecting a reference: which rows are of it, and when they are enough."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import consumers.roles.collection
from consumers.roles.collection import Amount, Collection
from consumers.sources.mapping.mapping import MappedLabel, MappedPrediction
from consumers.sources.stream_reference import ID, LABEL
from monitor.plan import DAY, HOUR, MINUTE, Time
from monitor.tasks.binary import BINARY

T = 1_700_000_000_000
TIME = Time(lateness_ms=5 * MINUTE, label_horizon_ms=2 * DAY, max_clock_skew_ms=None)


def row(name: str, at_ms: int = T, **fields: Any) -> MappedPrediction:
    found = MappedPrediction(name, at_ms, "m", "1", {"x": 1.0}, 0.5, None)
    return replace(found, **fields)


def label(name: str, at_ms: int = T, **fields: Any) -> MappedLabel:
    return replace(MappedLabel(name, at_ms, "m", 1), **fields)


def collection(collect: int | str = 3, *, labels: bool = False, **time: Any) -> Collection:
    amount, times = Amount.of(collect), replace(TIME, **time)
    return Collection(("m", "1"), amount, times, BINARY.contract, labels)


def added(to: Collection, *rows: MappedPrediction | MappedLabel) -> Collection:
    to.add(rows, now_ms=T)
    return to


def ids(of: Collection) -> list[str]:
    return sorted(of.table()[ID].to_pylist())


def test_it_is_complete_with_the_last_row_that_is_needed():
    found = added(collection(3), row("a"), row("b"))
    assert (found.is_complete(), found.progress()) == (False, "2 of 3 rows")
    added(found, row("c"))
    assert (found.is_complete(), found.progress()) == (True, "all 3 rows are there")


def test_a_row_that_comes_twice_and_rows_of_others_do_not_count():
    others = (row("x", model="other"), row("y", version="2"), label("a", model="other"))
    found = added(collection(2), row("a"), row("a"), *others)
    assert (len(found.rows), len(found.labels), found.refused) == (1, 0, 0)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        pytest.param(row("b", score=1.5), "'score' is wrong", id="score"),
        pytest.param(row("", T), "'id' is wrong", id="id"),
        pytest.param(row("b", features={"x": [1]}), "'features' is wrong", id="feature"),
        pytest.param(row("b", 1_700_000_000), "before time.earliest", id="seconds"),
        pytest.param(row("b", T + HOUR), "ahead of the clock", id="future"),
        pytest.param(label("b", label=7), "'label' is wrong", id="label"),
    ],
)
def test_bad_rows_are_counted_told_and_not_part_of_it(bad, why):
    found = added(collection(2, max_clock_skew_ms=MINUTE), row("a"), bad)
    assert (len(found.rows), len(found.labels), found.refused) == (1, 0, 1)
    assert found.progress().startswith("1 of 2 rows; 1 were refused: ")
    assert why in found.progress()
    assert found.newest_ms == T


@given(order=st.permutations(range(12)), cuts=st.integers(1, 12))
def test_the_reference_is_the_earliest_rows_in_whatever_order_they_come(order, cuts):
    found = collection(5)
    for i in range(0, 12, cuts):
        found.add([row(f"r{n:02}", T + n) for n in order[i : i + cuts]], T)
    assert found.is_complete()
    assert ids(found) == [f"r{n:02}" for n in range(5)]
    assert found.end_ms == T + 5


def test_rows_of_the_last_millisecond_belong_together():
    found = added(collection(2), *(row(name) for name in "abc"), row("d", T + 1))
    assert found.is_complete()
    assert (ids(found), found.end_ms) == (["a", "b", "c"], T + 1)


def test_only_about_as_many_rows_as_are_needed_are_kept():
    found = collection(50, labels=True)
    for n in range(2_000):
        added(found, row(f"r{n}", T + n), label(f"r{n}", T + n))
        assert max(len(found.rows), len(found.labels)) <= 50 * 1.1 + 101
    assert len(found.rows) >= 50
    assert len(found.labels) == len(found.rows)


def test_days_are_those_of_event_time_after_the_first_row():
    found = collection("2d")
    for n in range(5):
        added(found, row(f"r{n}", T + n * DAY // 2))
    assert not found.is_complete()  # a row of before may still come
    assert found.progress() == "2d of 2d, 5 rows"
    added(found, row("late", T + DAY), row("next", T + 2 * DAY + 5 * MINUTE))
    assert found.status().end == "2023-11-16T22:13:20Z"
    assert found.is_complete()
    assert ids(found) == ["late", "r0", "r1", "r2", "r3"]


def test_an_earlier_row_that_comes_later_moves_the_days():
    found = added(collection("1d"), row("b", T + HOUR), row("a", T), row("c", T + DAY + HOUR))
    assert found.is_complete()
    assert (ids(found), found.end_ms) == (["a", "b"], T + DAY)


def test_it_waits_for_the_labels_of_its_rows():
    found = added(collection(2, labels=True), row("a"), row("b", T + 1), label("a"))
    assert not found.is_complete()
    assert found.progress() == (
        "all 2 rows are there, 1 with a label; it waits for the others until labels of"
        " 2023-11-16T22:13:20.002Z"
    )
    added(found, label("b", T + HOUR))
    assert found.is_complete()


@pytest.mark.parametrize(
    ("later", "complete"),
    [
        pytest.param(label("x", T + 2 * DAY), False, id="labels before the horizon"),
        pytest.param(label("x", T + 2 * DAY + 1), True, id="labels after the horizon"),
        pytest.param(row("x", T + 2 * DAY + 1), False, id="rows after the horizon"),
        pytest.param(row("x", T + 4 * DAY + 1), True, id="rows after twice the horizon"),
    ],
)
def test_it_waits_no_longer_than_the_horizon_of_labels(later, complete):
    found = added(collection(1, labels=True), row("a"), later)
    assert found.is_complete() is complete
    assert ids(found) == ["a"]


def test_the_wait_for_labels_that_is_configured_is_used():
    found = collection(1, labels=True, label_wait_ms=HOUR)
    added(found, row("a"), label("x", T + HOUR + 1))
    assert found.is_complete()


def test_labels_may_come_before_their_rows_and_the_latest_counts():
    found = collection(2, labels=True)
    added(found, label("a", T + 5, label=0), label("a", T + 2), row("a"))
    assert found.status().labels == 1
    added(found, label("b", T + 1), row("b", T + 2))
    assert found.is_complete()
    by_id = dict(zip(found.table()[ID].to_pylist(), found.table()[LABEL].to_pylist(), strict=True))
    assert by_id == {"a": 0, "b": None}  # b: a label of a time before its row


def test_a_partition_that_is_read_late_keeps_its_labels():
    """The labels of its rows are read before them, when there seem to be rows enough."""
    found = collection(100, labels=True)
    first, second = ([row(f"{p}{n}", T + n) for n in range(400)] for p in "ab")
    added(found, *first)
    assert len(found.rows) < 400  # those after the hundredth were dropped
    added(found, *(label(str(one.id), T + 500) for one in [*first, *second]))
    added(found, *second)
    assert found.is_complete()
    assert len(found.labels) == len(found.rows) == 100


def test_labels_of_other_rows_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(consumers.roles.collection, "MOST_EARLY", 5)
    found = added(collection(2, labels=True), *(label(f"x{n}") for n in range(10)))
    assert list(found.early) == [f"x{n}" for n in range(5, 10)]


def feed(found: Collection, rows: Iterable[MappedPrediction | MappedLabel]) -> Collection:
    for one in rows:
        found.add([one], T)
    return found


def test_what_is_kept_incrementally_is_what_all_rows_at_once_give():
    rng = random.Random(3)
    rows = [row(f"r{n}", T + rng.randrange(10_000)) for n in range(400)]
    labels = [label(f"r{n}", T + 20_000) for n in range(0, 400, 2)]
    mixed = [*rows, *labels]
    rng.shuffle(mixed)
    found = feed(collection(60, labels=True), mixed)
    assert found.has_all_rows
    found.is_complete()
    kept = sorted(rows, key=lambda one: one.time_ms)[: len(found.rows)]
    assert set(found.rows) == {str(one.id) for one in kept}
    assert set(found.labels) == {str(one.id) for one in labels} & set(found.rows)


def test_status_names_what_health_shows():
    status = added(collection("2d", labels=True), row("a")).status()
    assert (status.model, status.version, status.rows, status.needed) == ("m", "1", 1, None)
    assert (status.start, status.end) == ("2023-11-14T22:13:20Z", "2023-11-16T22:13:20Z")
    assert (status.labels, status.refused, status.progress) == (0, 0, "0ms of 2d, 1 rows")
    empty = collection(5).status()
    assert (empty.start, empty.end, empty.labels, empty.needed) == (None, None, None, 5)
