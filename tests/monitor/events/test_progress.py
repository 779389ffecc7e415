"""Event time of one model version: its partitions, idleness, and append time.

partition 0   rows of event time ... 50      appended ... 1000
partition 1   rows of event time ... 30      appended ... 1000
idle after 100
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.events.progress import (
    AppendTimes,
    EventTime,
    Seen,
    event_time,
    label_time,
)
from monitor.plan import Time

IDLE, RECENT = 100, 960
TIME = Time(idle_after_ms=IDLE, accept_late_ms=RECENT)
NEVER_IDLE = Time(idle_after_ms=None, accept_late_ms=RECENT)
TWO = {0: Seen(50, 1_000, 900, 1_000), 1: Seen(30, 1_000, 950, 1_000)}


def reached(*append_ms: int | None) -> AppendTimes:
    known = {n: at for n, at in enumerate(append_ms) if at is not None}
    return AppendTimes(len(append_ms), known)


@pytest.mark.parametrize(
    ("seen", "appended", "expected"),
    [
        pytest.param({}, reached(1_000), None, id="no row"),
        pytest.param(TWO, reached(1_000, 1_000), EventTime(30), id="the slowest partition counts"),
        pytest.param(TWO, reached(None, None), EventTime(30), id="no append time is known"),
        pytest.param(TWO, reached(1_000, 1_099), EventTime(30), id="not idle yet"),
        pytest.param(TWO, reached(1_000, 1_100), EventTime(50), id="an idle one does not count"),
        pytest.param(
            TWO, reached(1_100, 1_000), EventTime(30), id="the other one is idle, time stays"
        ),
        pytest.param(
            TWO,
            reached(1_100, 1_100),
            EventTime(50, True, 1_000),
            id="idle in all, it runs",
        ),
        pytest.param(TWO, reached(1_000, 1_000, None), None, id="an unseen partition holds it"),
        pytest.param(
            TWO, reached(1_000, 1_000, 999), None, id="unseen, not past the first row by enough"
        ),
        pytest.param(
            TWO, reached(1_000, 1_000, 1_000), EventTime(30), id="unseen, past the first row"
        ),
        pytest.param(TWO, AppendTimes(), None, id="the number of partitions is not known"),
    ],
)
def test_event_time_is_that_of_the_slowest_partition_that_counts(seen, appended, expected):
    assert event_time(seen, appended, TIME) == expected


def test_event_time_of_a_replay_stands_still_when_it_is_idle():
    old = {0: Seen(39, 1_000, 1_000, 1_000)}  # older than accepted when it was appended
    assert event_time(old, reached(2_000), TIME) == EventTime(39, True, None)


def test_event_time_waits_for_every_partition_if_idleness_is_off():
    assert event_time(TWO, reached(9_999, 9_999), NEVER_IDLE) == EventTime(30)
    assert event_time(TWO, reached(9_999, 9_999, 9_999), NEVER_IDLE) is None


def test_event_time_that_goes_on_is_as_far_behind_append_time_as_the_newest_row():
    running = EventTime(50, True, 1_000)
    assert [running.at(at) for at in (None, 900, 1_000, 1_300)] == [50, 50, 50, 350]
    assert EventTime(50).at(1_300) == 50


@pytest.mark.parametrize(
    ("labels", "appended", "expected"),
    [
        pytest.param({0: Seen(20, 990, 990, 990)}, reached(1_000), EventTime(20), id="active"),
        pytest.param({0: Seen(20, 900, 900, 900)}, reached(1_000), EventTime(30), id="idle"),
        pytest.param({}, reached(999), None, id="none yet, some may be on their way"),
        pytest.param({}, reached(1_000), EventTime(30), id="none came"),
        pytest.param({}, AppendTimes(), None, id="the number of partitions is not known"),
    ],
)
def test_event_time_of_labels_follows_the_predictions_while_no_labels_come(
    labels, appended, expected
):
    predictions = event_time(TWO, reached(1_000, 1_000), TIME)
    assert label_time(labels, appended, TWO, predictions, TIME) == expected


def test_labels_of_a_version_without_predictions_have_no_event_time():
    assert label_time({}, reached(9_999), {}, None, TIME) is None


seens = st.builds(Seen, *[st.integers(0, 9)] * 4)


@given(st.lists(seens, min_size=1))
def test_seen_rows_add_up_in_any_order(parts):
    def total(of: list[Seen]) -> Seen:
        found = None
        for part in of:
            found = part.plus(found)
        assert found is not None
        return found

    forward, backward = total(parts), total(parts[::-1])
    assert forward.newest_ms == backward.newest_ms == max(part.newest_ms for part in parts)
    assert forward.first_append_ms == min(part.first_append_ms for part in parts)
    assert forward.last_append_ms == max(part.last_append_ms for part in parts)


@given(first=st.dictionaries(st.integers(0, 2), st.integers(0, 9)), number=st.integers(0, 2))
def test_append_times_never_go_back(first, number):
    before = AppendTimes(3, first)
    after = before.updated(AppendTimes(2, {number: 5}))
    assert after.total == 3
    assert after.reached_ms == {**first, number: max(5, first.get(number, 0))}


def test_append_time_of_a_topic_is_known_once_all_its_partitions_have_reported():
    assert reached(5, None).min_ms is None
    assert reached(5, 3).min_ms == 3
    assert AppendTimes().min_ms is None


@given(
    seen=st.dictionaries(st.integers(0, 2), seens, min_size=1),
    before=st.tuples(*[st.integers(0, 30)] * 3),
    steps=st.tuples(*[st.integers(0, 30)] * 3),
)
def test_event_time_does_not_go_back_while_no_rows_come(seen, before, steps):
    time = Time(idle_after_ms=5, accept_late_ms=3)
    first, second = reached(*before), reached(*map(sum, zip(before, steps, strict=True)))
    earlier, later = event_time(seen, first, time), event_time(seen, second, time)
    if earlier is not None:
        assert later is not None
        assert later.at(second.min_ms) >= earlier.at(first.min_ms)
