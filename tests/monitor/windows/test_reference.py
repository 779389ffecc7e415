"""The timeline of a reference: panes in order, empty ones included, and no more than rows need."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.plan import Windows
from monitor.windows.reference import timeline

PANE = 1_000
windows = Windows(pane_ms=PANE, length_ms=4 * PANE, slide_ms=4 * PANE, longest_ms=8 * PANE)
starts = st.lists(st.integers(0, 60), min_size=1).map(lambda panes: [n * PANE for n in panes])


@given(starts)
def test_timeline_holds_every_pane_of_short_gaps_and_as_many_of_long_ones_as_a_window_sees(found):
    panes = timeline(windows, found)
    ordered = sorted(set(found))
    assert set(ordered) <= set(panes)
    for before, after in pairwise(ordered):
        between = [ms for ms in panes if before < ms < after]
        empty = (after - before) // PANE - 1
        assert between == [after - i * PANE for i in range(min(empty, 8), 0, -1)]


def test_one_row_decades_before_the_others_costs_no_more_than_the_longest_window():
    assert len(timeline(windows, [0, 10**12, 10**12 + PANE])) == 1 + 8 + 2


def test_timeline_of_nothing_is_empty():
    assert timeline(windows, []) == []
