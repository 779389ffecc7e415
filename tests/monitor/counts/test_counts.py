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
def test_a_cell_counts_its_occurrences(cells):
    counted = Counts.of(cells)
    assert counted.dense(5).tolist() == [cells.count(cell) for cell in range(5)]
    assert counted.size == len(cells)


@given(cells=pairs)
@settings(max_examples=50)
def test_counts_of_repeated_cells_add_up(cells):
    expected = [sum(count for c, count in cells if c == cell) for cell in range(5)]
    assert weighed(cells).dense(5).tolist() == expected


@given(cells=pairs)
@settings(max_examples=50)
def test_cells_with_zero_counts_are_not_stored(cells):
    counted = weighed(cells)
    assert (counted.count != 0).all()
    assert (np.diff(counted.index) > 0).all()


@given(a=counts, b=counts, c=counts)
@settings(max_examples=50)
def test_addition_of_counts_is_commutative_and_associative(a, b, c):
    assert (a + b) + c == a + (b + c) == Counts.total([c, a, b])
    assert a + b == b + a


@given(a=counts, b=counts)
@settings(max_examples=50)
def test_subtraction_of_counts_inverts_addition(a, b):
    assert a + b - b == a
    assert a - a == Counts.empty() == a + -a


@given(a=counts)
@settings(max_examples=30)
def test_adding_empty_counts_changes_nothing(a):
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
def test_total_is_the_sum_of_every_cell_for_dense_and_sparse_counts(many):
    total = Counts.total(many)
    assert dict(zip(total.index.tolist(), total.count.tolist(), strict=True)) == summed(many)
    assert list(summed(many)) == total.index.tolist()


@given(many=many_counts.filter(bool))
@settings(max_examples=100)
def test_aligned_counts_cover_every_cell_of_any_counts(many):
    cells, found = aligned(many)
    assert cells.tolist() == sorted({int(cell) for each in many for cell in each.index})
    assert [column.tolist() for column in found] == [
        [each.at(cell) for cell in cells.tolist()] for each in many
    ]


@given(many=st.lists(counts, min_size=2, max_size=4))
@settings(max_examples=50)
def test_totals_do_not_depend_on_the_dense_or_sparse_method(many):
    beyond = Counts.of([2**40])
    assert Counts.total([*many, beyond]) - beyond == Counts.total(many)
    cells, found = aligned(many)
    far_cells, far_found = aligned([*many, beyond])
    assert far_cells.tolist() == [*cells.tolist(), 2**40]
    for near, far in zip(found, far_found, strict=False):
        assert far.tolist() == [*near.tolist(), 0]


@given(full=st.lists(st.integers(-3, 3), max_size=12))
def test_of_dense_keeps_the_nonzero_cells(full):
    made = Counts.of_dense(np.array(full, dtype=np.int64))
    assert made.dense(len(full)).tolist() == full
    assert made == Counts.of(range(len(full)), full)


@given(a=counts)
@settings(max_examples=30)
def test_at_returns_the_count_of_any_cell(a):
    assert [a.at(cell) for cell in range(6)] == a.dense(6).tolist()


@given(a=counts, b=counts)
@settings(max_examples=50)
def test_counts_are_equal_if_every_cell_is(a, b):
    same = a.dense(5).tolist() == b.dense(5).tolist()
    assert (a == b) == same
    assert not same or hash(a) == hash(b)


@given(a=counts)
@settings(max_examples=30)
def test_counts_are_true_if_any_cell_is_not_zero(a):
    assert bool(a) == a.dense(5).any()


def test_counts_are_not_equal_to_anything_else():
    assert Counts.empty() != 0


def test_sums_of_counts_are_exact_beyond_the_precision_of_doubles():
    many = Counts.of([0, 0], [2**62, 1])
    assert (many - Counts.of([0], [2**62])).at(0) == 1


def test_dense_refuses_cells_beyond_its_width():
    with pytest.raises(IndexError):
        Counts.of([5]).dense(5)


@given(a=pairs, b=pairs)
@settings(max_examples=30)
def test_add_cells_adds_name_by_name(a, b):
    summed = add_cells([{"x": weighed(a), "y": weighed(b)}, {"x": weighed(b)}, {}])
    assert summed == {"x": weighed(a) + weighed(b), "y": weighed(b)}


@given(rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_tally_of_cells_counts_each_group_separately(rows):
    group, cell = (
        (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
        if (rows)
        else (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    )
    expected = [Counts.of([c for g, c in rows if g == group]) for group in range(4)]
    assert tally(group, cell, groups=4, cells=5) == expected
