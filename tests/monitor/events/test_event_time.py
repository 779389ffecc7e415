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
    Progress,
    Sources,
    classify_arrivals,
    earliest,
    latest,
    newest_before,
)

PANE, LATENESS, ACCEPTED = 10, 5, 20
times = st.lists(st.integers(-60, 60), max_size=25)


def classified(newest_ms: int | None, times_ms: list[int]) -> list[Arrival]:
    at = np.array(times_ms, dtype=np.int64)
    settings = [np.full(at.size, value, dtype=np.int64) for value in (LATENESS, ACCEPTED)]
    codes = classify_arrivals(newest_before(newest_ms, at), at - at % PANE + PANE, *settings)
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
    sources = Sources(len(streams))
    at = [0] * len(streams)
    while remaining := [i for i, stream in enumerate(streams) if at[i] < len(stream)]:
        i = data.draw(st.sampled_from(remaining))
        newest_ms, watermark_ms = max(streams[i][: at[i]], default=None), sources.min_newest_ms()
        time_ms = streams[i][at[i]]
        if classified(newest_ms, [time_ms]) == [Arrival.ON_TIME] and watermark_ms is not None:
            assert watermark_ms - LATENESS < time_ms // PANE * PANE + PANE
        at[i] += 1
        sources = sources.updated(len(streams), {i: Progress(max(streams[i][: at[i]]))})


def sources_of(total: int, *progress: tuple[int | None, bool]) -> Sources:
    return Sources(total, {i: Progress(*p) for i, p in enumerate(progress)})


ACTIVE, IDLE = False, True


@pytest.mark.parametrize(
    ("sources", "min_newest_ms"),
    [
        pytest.param(sources_of(0), None, id="no partition is known"),
        pytest.param(sources_of(2, (5, ACTIVE)), None, id="one partition has not reported"),
        pytest.param(
            sources_of(2, (5, ACTIVE), (None, ACTIVE)),
            None,
            id="one partition is empty and not idle yet",
        ),
        pytest.param(sources_of(2, (5, ACTIVE), (None, IDLE)), 5, id="an empty partition is idle"),
        pytest.param(sources_of(2, (5, ACTIVE), (3, ACTIVE)), 3, id="the slowest partition counts"),
        pytest.param(
            sources_of(2, (5, ACTIVE), (3, IDLE)), 5, id="an idle partition does not count"
        ),
        pytest.param(sources_of(2, (5, IDLE), (3, IDLE)), None, id="all partitions are idle"),
        pytest.param(sources_of(1, (-7, ACTIVE)), -7, id="a time before 1970"),
        pytest.param(sources_of(1, (0, ACTIVE)), 0, id="time zero"),
    ],
)
def test_min_newest_ms_is_the_time_that_every_active_partition_has_reached(sources, min_newest_ms):
    assert sources.min_newest_ms() == min_newest_ms


@pytest.mark.parametrize(
    ("sources", "all_idle"),
    [
        (sources_of(0), False),
        (sources_of(2, (5, IDLE)), False),
        (sources_of(2, (5, IDLE), (None, IDLE)), True),
        (sources_of(2, (5, IDLE), (3, ACTIVE)), False),
    ],
)
def test_all_idle_only_if_every_partition_has_reported_and_is_idle(sources, all_idle):
    assert sources.all_idle is all_idle


def test_update_replaces_one_partition_and_keeps_the_others():
    sources = sources_of(2, (5, IDLE), (3, ACTIVE)).updated(2, {0: Progress(8)})
    assert sources == sources_of(2, (8, ACTIVE), (3, ACTIVE))


def test_number_of_partitions_never_decreases():
    assert sources_of(2, (5, ACTIVE), (3, ACTIVE)).updated(1, {}).total == 2
    assert sources_of(2, (5, ACTIVE), (3, ACTIVE)).updated(3, {}).min_newest_ms() is None


optional_times = st.lists(st.one_of(st.none(), st.integers(-9, 9)), max_size=4)


@given(times_ms=optional_times)
def test_latest_ignores_unknown_times(times_ms):
    assert latest(*times_ms) == max((t for t in times_ms if t is not None), default=None)


@given(times_ms=optional_times)
def test_earliest_is_unknown_if_one_time_is_unknown(times_ms):
    expected = None if None in times_ms or not times_ms else min(times_ms)
    assert earliest(times_ms) == expected
