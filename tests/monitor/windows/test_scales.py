"""Windows of 1, 2, 4, … panes, each sliding by half its length.

panes       0   1   2   3   4   5   6   7
length 2    [0 1]   [2 3]   [4 5]   [6 7]      and  [1 2]  [3 4]  [5 6]
length 4    [0 1 2 3]       [4 5 6 7]          and      [2 3 4 5]
"""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts.counts import Counts
from monitor.windows.scales import Blocks

panes = st.lists(st.lists(st.integers(0, 3), max_size=4), min_size=1, max_size=40)


def blocks(rows):
    counts = [Counts.of(np.array(pane, dtype=np.int64)) for pane in rows]
    return Blocks(lambda i: counts[i] if 0 <= i < len(counts) else Counts.empty())


@given(rows=panes, longest=st.sampled_from([1, 2, 8, 64]))
def test_the_halves_of_every_window_are_the_sums_of_its_panes(rows, longest):
    by = blocks(rows)
    for number in range(len(rows)):
        for window in by.ending(number, longest, 0):
            covered = rows[window.start : number + 1]
            assert len(covered) == window.panes
            half = window.panes // 2
            split = [covered] if window.panes == 1 else [covered[:half], covered[half:]]
            for part, inside in zip(window.parts, split, strict=True):
                assert part == Counts.of(
                    np.array([cell for pane in inside for cell in pane], dtype=np.int64)
                )


def test_windows_slide_by_half_their_length_without_gaps():
    by, ends = blocks([[0]] * 64), {}
    for number in range(64):
        for window in by.ending(number, 16, 0):
            ends.setdefault(window.panes, []).append(number + 1)
    assert ends[1] == list(range(1, 65))
    assert {k: set(np.diff(at)) for k, at in ends.items() if k > 1} == {
        2: {1},
        4: {2},
        8: {4},
        16: {8},
    }


def test_a_pane_costs_about_three_windows_whatever_the_longest():
    by = blocks([[0]] * 1024)
    windows = sum(1 for number in range(1024) for _ in by.ending(number, 512, 0))
    assert windows / 1024 < 3.01


def test_memory_grows_with_the_logarithm_of_the_longest():
    kept = {}
    for longest in (16, 256):
        by = blocks([[0]] * 1024)
        for number in range(1024):
            list(by.ending(number, longest, 0))
        kept[longest] = len(by.sums)
    assert kept[256] <= 3 * np.log2(256) + 3
    assert kept[256] - kept[16] <= 3 * 4


@given(rows=panes, lost=st.integers(0, 40))
def test_lost_sums_are_computed_again_from_the_panes(rows, lost):
    kept, forgetful = blocks(rows), blocks(rows)
    for number in range(len(rows)):
        if number == lost:
            forgetful.sums.clear()
        expected = [(w.panes, w.start, w.parts) for w in kept.ending(number, 16, 0)]
        assert [(w.panes, w.start, w.parts) for w in forgetful.ending(number, 16, 0)] == expected


@given(first=st.integers(0, 20))
def test_windows_start_at_the_first_pane_and_none_after_it_is_missing(first):
    asked = []
    by = Blocks(lambda i: asked.append(i) or Counts.empty())
    found = {
        (w.start, w.panes) for number in range(first, 40) for w in by.ending(number, 16, first)
    }
    assert min(asked) == first
    expected = {(i, 1) for i in range(first, 40)}
    for panes in (2, 4, 8, 16):
        starts = range(0, 41 - panes, panes // 2)
        expected |= {(start, panes) for start in starts if start >= first}
    assert found == expected


@given(rows=panes, late=st.integers(0, 39))
def test_a_pane_that_changes_changes_every_window_over_it(rows, late):
    """Rows of a partition that was marked idle and woke: as if nothing had been kept."""
    counts = {i: Counts.of(np.array(pane, dtype=np.int64)) for i, pane in enumerate(rows)}
    kept = Blocks(lambda i: counts.get(i, Counts.empty()))
    for number in range(len(rows)):
        list(kept.ending(number, 16, 0))
    counts[late] = counts.get(late, Counts.empty()) + Counts.of(np.array([7]))
    kept.changed(late)
    fresh = Blocks(lambda i: counts.get(i, Counts.empty()))
    for number in range(len(rows), len(rows) + 16):
        expected = [(w.start, w.parts) for w in fresh.ending(number, 16, 0)]
        assert [(w.start, w.parts) for w in kept.ending(number, 16, 0)] == expected
