"""Lateness follows the order of one partition; the watermark is what all partitions have reached.

One partition, panes of ten, lateness five, late rows accepted for twenty more:

    time     4        14   15        8            35     9       36     7
             |---- on time ---|      late                late           too late
    newest   -  4     14   15                     15     35      35     36
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events.event_time import (
    NEVER,
    Arrival,
    classify_arrivals,
    earliest,
    latest,
    newest_before,
)
from monitor.events.progress import AppendTimes, Seen, event_time
from monitor.plan import Time

PANE, LATENESS, ACCEPTED = 10, 5, 20
times = st.lists(st.integers(-60, 60), max_size=25)


def classified(newest_ms: int | None, times_ms: list[int]) -> list[Arrival]:
    at = np.array(times_ms, dtype=np.int64)
    ends = at - at % PANE + PANE
    codes = classify_arrivals(newest_before(newest_ms, at), ends, LATENESS, ACCEPTED)
    return [Arrival(code) for code in codes]


def test_arrivals_of_one_partition_are_as_in_the_drawing():
    on_time, late, too_late = Arrival
    expected = [on_time, on_time, on_time, late, on_time, late, on_time, too_late]
    assert classified(None, [4, 14, 15, 8, 35, 9, 36, 7]) == expected


@pytest.mark.parametrize(
    ("newest_ms", "arrival"),
    [
        (14, Arrival.ON_TIME),  # the pane [0, 10) and the lateness of 5 end at 15
        (15, Arrival.LATE),
        (35, Arrival.LATE),  # 20 beyond is still accepted
        (36, Arrival.TOO_LATE),
    ],
)
def test_row_exactly_at_a_limit_belongs_to_the_later_class(newest_ms, arrival):
    assert classified(newest_ms, [9]) == [arrival]


@given(times_ms=times)
def test_arrival_of_a_row_depends_on_the_rows_before_it_in_its_partition(times_ms):
    expected = []
    for i, at in enumerate(times_ms):
        behind = max(times_ms[:i], default=NEVER) - LATENESS - (at // PANE + 1) * PANE
        expected.append(
            Arrival.ON_TIME if behind < 0 else Arrival.LATE if behind <= 20 else Arrival.TOO_LATE
        )
    assert classified(None, times_ms) == expected


def test_newest_time_before_a_row_excludes_the_row_itself():
    assert newest_before(None, np.array([4, 2, 9, 9])).tolist() == [NEVER, 4, 4, 9]
    assert newest_before(7, np.array([4, 9, 2])).tolist() == [7, 7, 9]


@given(times_ms=times, cut=st.integers(0, 25))
def test_arrivals_do_not_depend_on_where_a_poll_ends(times_ms, cut):
    first, rest = times_ms[:cut], times_ms[cut:]
    newest_ms = max(first, default=None)
    assert classified(None, first) + classified(newest_ms, rest) == classified(None, times_ms)


@given(times_ms=times.filter(bool))
def test_first_row_of_a_partition_is_never_late(times_ms):
    assert classified(None, times_ms)[0] is Arrival.ON_TIME


@given(streams=st.lists(times, min_size=1, max_size=3), data=st.data())
@settings(max_examples=60)
def test_row_that_is_on_time_never_arrives_after_the_watermark_that_closes_its_pane(streams, data):
    """For any speed of reading the partitions and any order of rows."""
    appended, seen = AppendTimes(len(streams)), {}
    at = [0] * len(streams)
    while remaining := [i for i, stream in enumerate(streams) if at[i] < len(stream)]:
        i = data.draw(st.sampled_from(remaining))
        newest_ms = max(streams[i][: at[i]], default=None)
        watermark = event_time(seen, appended, Time())
        time_ms = streams[i][at[i]]
        if classified(newest_ms, [time_ms]) == [Arrival.ON_TIME] and watermark is not None:
            assert watermark.ms - LATENESS < time_ms // PANE * PANE + PANE
        at[i] += 1
        seen[i] = Seen(max(streams[i][: at[i]]), 0, 0, 0)


optional_times = st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=4)


@given(times_ms=optional_times)
def test_latest_ignores_unknown_times(times_ms):
    assert latest(*times_ms) == max((t for t in times_ms if t is not None), default=None)


@given(times_ms=optional_times)
def test_earliest_is_unknown_if_one_time_is_unknown(times_ms):
    expected = None if None in times_ms or not times_ms else min(times_ms)
    assert earliest(times_ms) == expected
