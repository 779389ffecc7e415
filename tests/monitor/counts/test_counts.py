"""Counts form a group: they add in any order, exactly, and what was added can be taken back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.counts.counts import Counts, add_cells, aligned, tally

# Few cells and small counts, so that cells repeat and sums cancel.
pairs = st.lists(st.tuples(st.integers(0, 4), st.integers(-2, 2)), max_size=8)


def weighed(cells: list[tuple[int, int]]) -> Counts:
    return Counts.of([cell for cell, _ in cells], [count for _, count in cells])


counts = pairs.map(weighed)


@given(cells=st.lists(st.integers(0, 4), max_size=20))
def test_a_cell_weighs_as_often_as_it_was_met(cells):
    counted = Counts.of(cells)
    assert counted.dense(5).tolist() == [cells.count(cell) for cell in range(5)]
    assert counted.size == len(cells)


@given(cells=pairs)
@settings(max_examples=50)
def test_repeated_cells_add_up(cells):
    expected = [sum(count for c, count in cells if c == cell) for cell in range(5)]
    assert weighed(cells).dense(5).tolist() == expected


@given(cells=pairs)
@settings(max_examples=50)
def test_what_was_not_met_is_not_stored(cells):
    counted = weighed(cells)
    assert (counted.count != 0).all()
    assert (np.diff(counted.index) > 0).all()


@given(a=counts, b=counts, c=counts)
@settings(max_examples=50)
def test_the_order_of_adding_is_nothing(a, b, c):
    assert (a + b) + c == a + (b + c) == Counts.total([c, a, b])
    assert a + b == b + a


@given(a=counts, b=counts)
@settings(max_examples=50)
def test_what_was_added_can_be_taken_back(a, b):
    assert a + b - b == a
    assert a - a == Counts.empty() == a + -a


@given(a=counts)
@settings(max_examples=30)
def test_nothing_added_changes_nothing(a):
    assert a + Counts.empty() == a == Counts.total([a])
    assert Counts.total([]) == Counts.empty()


# Cells that lie close, so that all of them are passed over, and far apart, so that they are merged.
far_cells = st.sampled_from([0, 1, 500, 10**6, 2**40])
many_counts = st.lists(
    st.one_of(
        counts,
        st.lists(st.tuples(far_cells, st.integers(-2, 2)), max_size=6).map(weighed),
    ),
    max_size=5,
)


def summed(many: list[Counts]) -> dict[int, int]:
    cells = {int(cell) for each in many for cell in each.index}
    found = {cell: sum(each.at(cell) for each in many) for cell in sorted(cells)}
    return {cell: count for cell, count in found.items() if count}


@given(many=many_counts)
@settings(max_examples=100)
def test_a_total_is_the_sum_of_every_cell_whether_they_lie_close_or_far_apart(many):
    total = Counts.total(many)
    assert dict(zip(total.index.tolist(), total.count.tolist(), strict=True)) == summed(many)
    assert list(summed(many)) == total.index.tolist()


@given(many=many_counts.filter(bool))
@settings(max_examples=100)
def test_aligned_counts_stand_side_by_side_over_every_cell_that_any_has_met(many):
    met, found = aligned(many)
    assert met.tolist() == sorted({int(cell) for each in many for cell in each.index})
    assert [column.tolist() for column in found] == [
        [each.at(cell) for cell in met.tolist()] for each in many
    ]


@given(many=st.lists(counts, min_size=2, max_size=4))
@settings(max_examples=50)
def test_a_cell_far_away_changes_how_sums_are_taken_and_not_what_they_say(many):
    beyond = Counts.of([2**40])
    assert Counts.total([*many, beyond]) - beyond == Counts.total(many)
    met, found = aligned(many)
    far_met, far_found = aligned([*many, beyond])
    assert far_met.tolist() == [*met.tolist(), 2**40]
    for near, far in zip(found, far_found, strict=False):
        assert far.tolist() == [*near.tolist(), 0]


@given(full=st.lists(st.integers(-3, 3), max_size=12))
def test_counts_of_all_cells_are_those_that_were_met(full):
    made = Counts.of_dense(np.array(full, dtype=np.int64))
    assert made.dense(len(full)).tolist() == full
    assert made == Counts.of(range(len(full)), full)


@given(a=counts)
@settings(max_examples=30)
def test_a_cell_can_be_looked_up_whether_met_or_not(a):
    assert [a.at(cell) for cell in range(6)] == a.dense(6).tolist()


@given(a=counts, b=counts)
@settings(max_examples=50)
def test_counts_are_equal_where_every_cell_is(a, b):
    same = a.dense(5).tolist() == b.dense(5).tolist()
    assert (a == b) == same
    assert not same or hash(a) == hash(b)


@given(a=counts)
@settings(max_examples=30)
def test_counts_are_true_where_any_cell_is_not_zero(a):
    assert bool(a) == a.dense(5).any()


def test_counts_are_not_equal_to_anything_else():
    assert Counts.empty() != 0


def test_sums_are_whole_numbers_far_beyond_what_doubles_can_hold():
    many = Counts.of([0, 0], [2**62, 1])
    assert (many - Counts.of([0], [2**62])).at(0) == 1


def test_a_cell_that_lies_beyond_is_refused():
    with pytest.raises(IndexError):
        Counts.of([5]).dense(5)


@given(a=pairs, b=pairs)
@settings(max_examples=30)
def test_sets_of_summaries_add_name_by_name(a, b):
    summed = add_cells([{"x": weighed(a), "y": weighed(b)}, {"x": weighed(b)}, {}])
    assert summed == {"x": weighed(a) + weighed(b), "y": weighed(b)}


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_a_tally_counts_each_group_by_itself(rows):
    group, cell = (
        (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
        if (rows)
        else (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    )
    expected = [Counts.of([c for g, c in rows if g == of]) for of in range(4)]
    assert tally(group, cell, groups=4, cells=5) == expected
