"""The parts of the change of a metric that segments explain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from monitor.performance.change_by_segment import shares_of_change
from monitor.tasks.binary import BINARY

RECALL = BINARY.ratios["recall"]
TEXTS = ("a", "b", "c")
tables = arrays(np.int64, (3, 4), elements=st.integers(0, 50))


def outcomes(*rows: tuple[int, int]) -> np.ndarray:
    """Of each segment its false negatives and true positives."""
    return np.array([[7, missed, 3, hit] for missed, hit in rows])


@pytest.mark.parametrize("name", list(BINARY.ratios))
@given(reference=tables, window=tables)
def test_parts_add_up_to_the_whole_change(name, reference, window):
    ratio = BINARY.ratios[name]
    values = [
        (one.sum(axis=0) @ ratio.above) / max(one.sum(axis=0) @ ratio.below, 1)
        for one in (reference, window)
    ]
    found = shares_of_change(ratio, TEXTS, reference, window)
    if not found:
        return
    assume(abs(values[1] - values[0]) > 1e-6)
    assert sum(one.share for one in found) == pytest.approx(1.0)
    assert all(one.share == one.within + one.mix for one in found)


def test_fall_in_one_segment_is_explained_by_it_alone():
    found = shares_of_change(
        RECALL,
        TEXTS,
        outcomes((20, 80), (10, 90), (40, 60)),
        outcomes((20, 80), (28, 72), (40, 60)),
    )
    assert [one.share for one in found] == pytest.approx([0.0, 1.0, 0.0])
    assert [one.mix for one in found] == pytest.approx([0.0, 0.0, 0.0])


def test_more_rows_of_a_segment_that_was_always_worse_are_a_change_of_mix():
    """Recall by hand: 0.8 * 0.9 + 0.2 * 0.4 = 0.8, then 0.5 * 0.9 + 0.5 * 0.4 = 0.65."""
    reference, window = outcomes((8, 72), (12, 8)), outcomes((5, 45), (30, 20))
    a, b = shares_of_change(RECALL, TEXTS[:2], reference, window)
    assert (a.within, b.within) == (0.0, 0.0)
    middle = (0.8 + 0.65) / 2
    assert a.mix == pytest.approx(-0.3 * (0.9 - middle) / (0.65 - 0.8))
    assert b.mix == pytest.approx(0.3 * (0.4 - middle) / (0.65 - 0.8))


def test_segment_that_is_new_changes_the_mix():
    found = shares_of_change(
        RECALL, TEXTS[:2], outcomes((10, 90), (0, 0)), outcomes((10, 90), (50, 50))
    )
    assert found[1].within == 0.0
    assert found[1].mix > 0.5


@pytest.mark.parametrize("window", [outcomes((0, 0)), outcomes((10, 90))])
def test_without_a_change_or_without_rows_nothing_is_explained(window):
    assert shares_of_change(RECALL, ["a"], outcomes((10, 90)), window) == []
