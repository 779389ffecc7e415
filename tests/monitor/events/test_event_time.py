"""Lateness is judged by a partition's own order; the watermark is what all partitions have reached.

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
    Progress,
    Sources,
    arrivals,
    earliest,
    latest,
    seen_before,
)

PANE, LATENESS, ACCEPTED = 10, 5, 20
times = st.lists(st.integers(-60, 60), max_size=25)


def judged(newest_ms: int | None, times_ms: list[int]) -> list[Arrival]:
    at = np.array(times_ms, dtype=np.int64)
    settings = [np.full(at.size, of, dtype=np.int64) for of in (LATENESS, ACCEPTED)]
    found = arrivals(seen_before(newest_ms, at), at - at % PANE + PANE, *settings)
    return [Arrival(code) for code in found]


def test_rows_arrive_as_drawn_above():
    on_time, late, too_late = Arrival
    expected = [on_time, on_time, on_time, late, on_time, late, on_time, too_late]
    assert judged(None, [4, 14, 15, 8, 35, 9, 36, 7]) == expected


@pytest.mark.parametrize(
    ("newest_ms", "arrival"),
    [
        (14, Arrival.ON_TIME),  # the pane [0, 10) and the lateness of 5 end at 15
        (15, Arrival.LATE),
        (35, Arrival.LATE),  # 20 beyond is still accepted
        (36, Arrival.TOO_LATE),
    ],
)
def test_the_limits_belong_to_the_later_side(newest_ms, arrival):
    assert judged(newest_ms, [9]) == [arrival]


@given(times_ms=times)
def test_every_row_is_judged_by_what_its_partition_saw_before_it(times_ms):
    expected = []
    for i, at in enumerate(times_ms):
        behind = max(times_ms[:i], default=NEVER) - LATENESS - (at // PANE + 1) * PANE
        expected.append(
            Arrival.ON_TIME if behind < 0 else Arrival.LATE if behind <= 20 else Arrival.TOO_LATE
        )
    assert judged(None, times_ms) == expected


def test_the_newest_time_before_a_row_is_not_its_own():
    assert seen_before(None, np.array([4, 2, 9, 9])).tolist() == [NEVER, 4, 4, 9]
    assert seen_before(7, np.array([4, 9, 2])).tolist() == [7, 7, 9]


@given(times_ms=times, cut=st.integers(0, 25))
def test_where_a_poll_cuts_the_stream_is_nothing(times_ms, cut):
    first, rest = times_ms[:cut], times_ms[cut:]
    newest_ms = max(first, default=None)
    assert judged(None, first) + judged(newest_ms, rest) == judged(None, times_ms)


@given(times_ms=times.filter(bool))
def test_nothing_is_late_before_the_first_row_of_a_partition(times_ms):
    assert judged(None, times_ms)[0] is Arrival.ON_TIME


@given(streams=st.lists(times, min_size=1, max_size=3), data=st.data())
@settings(max_examples=60)
def test_no_row_that_is_on_time_comes_after_the_watermark_that_closes_its_pane(streams, data):
    """However fast the partitions are read, and whatever order the rows are in."""
    sources = Sources(len(streams))
    at = [0] * len(streams)
    while remaining := [i for i, stream in enumerate(streams) if at[i] < len(stream)]:
        i = data.draw(st.sampled_from(remaining))
        newest_ms, watermark_ms = max(streams[i][: at[i]], default=None), sources.smallest_ms()
        time_ms = streams[i][at[i]]
        if judged(newest_ms, [time_ms]) == [Arrival.ON_TIME] and watermark_ms is not None:
            assert watermark_ms - LATENESS < time_ms // PANE * PANE + PANE
        at[i] += 1
        sources = sources.updated(len(streams), {i: Progress(max(streams[i][: at[i]]))})


def heard(total: int, *progress: tuple[int | None, bool]) -> Sources:
    return Sources(total, {i: Progress(*p) for i, p in enumerate(progress)})


AWAKE, IDLE = False, True


@pytest.mark.parametrize(
    ("sources", "smallest_ms"),
    [
        pytest.param(heard(0), None, id="no partition is known"),
        pytest.param(heard(2, (5, AWAKE)), None, id="one was not heard of"),
        pytest.param(heard(2, (5, AWAKE), (None, AWAKE)), None, id="one is empty and not idle yet"),
        pytest.param(heard(2, (5, AWAKE), (None, IDLE)), 5, id="an empty one is idle"),
        pytest.param(heard(2, (5, AWAKE), (3, AWAKE)), 3, id="the slowest counts"),
        pytest.param(heard(2, (5, AWAKE), (3, IDLE)), 5, id="an idle one does not"),
        pytest.param(heard(2, (5, IDLE), (3, IDLE)), None, id="while all are idle it holds"),
        pytest.param(heard(1, (-7, AWAKE)), -7, id="time may lie before 1970"),
        pytest.param(heard(1, (0, AWAKE)), 0, id="or be zero"),
    ],
)
def test_the_smallest_time_that_all_have_reached(sources, smallest_ms):
    assert sources.smallest_ms() == smallest_ms


@pytest.mark.parametrize(
    ("sources", "all_idle"),
    [
        (heard(0), False),
        (heard(2, (5, IDLE)), False),
        (heard(2, (5, IDLE), (None, IDLE)), True),
        (heard(2, (5, IDLE), (3, AWAKE)), False),
    ],
)
def test_all_are_idle_once_every_partition_was_heard_of_and_is(sources, all_idle):
    assert sources.all_idle is all_idle


def test_what_a_partition_says_last_stands_and_the_others_stay():
    sources = heard(2, (5, IDLE), (3, AWAKE)).updated(2, {0: Progress(8)})
    assert sources == heard(2, (8, AWAKE), (3, AWAKE))


def test_partitions_are_only_ever_added():
    assert heard(2, (5, AWAKE), (3, AWAKE)).updated(1, {}).total == 2
    assert heard(2, (5, AWAKE), (3, AWAKE)).updated(3, {}).smallest_ms() is None


maybe = st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=4)


@given(times_ms=maybe)
def test_the_latest_is_the_largest_of_what_is_known(times_ms):
    assert latest(*times_ms) == max((t for t in times_ms if t is not None), default=None)


@given(times_ms=maybe)
def test_the_earliest_is_unknown_as_soon_as_one_is(times_ms):
    expected = None if None in times_ms or not times_ms else min(times_ms)
    assert earliest(times_ms) == expected
