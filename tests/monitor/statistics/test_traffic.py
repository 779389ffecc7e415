"""The number of rows: limits from the reference's own blocks, and gaps without rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from monitor.budget import Length, Levels
from monitor.statistics.drift_rule import Severity
from monitor.statistics.traffic import RowBlocks, TrafficCheck

ONE, FOUR = Length.of_scale(1), Length.of_scale(4)
LEVELS = {ONE: Levels(0.01, 0.001), FOUR: Levels(0.01, 0.001)}
counts = st.lists(st.integers(0, 10**6), min_size=8, max_size=60)


def poisson(mean: float, panes: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).poisson(mean, panes).tolist()


def test_limits_of_rows_are_the_prediction_interval_of_the_square_roots():
    """Against scipy, for blocks of one pane whose extremes lie inside of the interval."""
    rows = poisson(400, 200)
    blocks, roots = RowBlocks.of(rows, 1), np.sqrt(np.array(rows) + 0.375)
    interval = stats.t(199, roots.mean(), roots.std(ddof=1) * np.sqrt(1 + 1 / 200)).interval(
        1 - 1e-6
    )
    limits = blocks.limits(1e-6)
    assert (limits.low, limits.high) == pytest.approx(tuple(np.square(interval) - 0.375))


@given(counts, st.sampled_from([1, 2, 4]), st.floats(1e-9, 0.4))
def test_no_block_of_the_reference_is_outside_of_its_own_limits(rows, panes, alpha):
    blocks = RowBlocks.of(rows, panes)
    if blocks is None:
        assert len(rows) // panes < 8
        return
    limits = blocks.limits(alpha)
    sums = [sum(rows[i : i + panes]) for i in range(0, len(rows) - panes + 1, max(1, panes // 2))]
    assert all(limits.low <= n <= limits.high for n in sums)


@given(counts, st.floats(1e-9, 0.2))
def test_limits_are_wider_at_a_smaller_level(rows, alpha):
    wide, narrow = RowBlocks.of(rows, 1).limits(alpha / 2), RowBlocks.of(rows, 1).limits(alpha)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_changes_of_less_than_a_tenth_are_not_reported():
    check = TrafficCheck.of([10_000] * 100, LEVELS)
    judged = {n: check.judge(n, ONE).severity for n in (9_001, 8_999, 10_999, 11_001)}
    assert judged == {
        9_001: None,
        8_999: Severity.WARNING,
        10_999: None,
        11_001: Severity.WARNING,
    }


def test_half_or_twice_as_many_rows_are_critical():
    check = TrafficCheck.of([10_000] * 100, LEVELS)
    judged = {n: check.judge(n, ONE).severity for n in (0, 5_000, 5_001, 19_999, 20_000)}
    assert judged == {
        0: Severity.CRITICAL,
        5_000: Severity.CRITICAL,
        5_001: Severity.WARNING,
        19_999: Severity.WARNING,
        20_000: Severity.CRITICAL,
    }


@pytest.mark.parametrize("mean", [3, 100, 10_000])
def test_false_alarms_of_poisson_counts_keep_the_level(mean):
    rng, alarms = np.random.default_rng(1), 0
    for _ in range(200):
        check = TrafficCheck.of(rng.poisson(mean, 100).tolist(), LEVELS)
        alarms += sum(check.judge(n, ONE).severity is not None for n in rng.poisson(mean, 100))
    assert alarms / 20_000 <= 0.01


def test_a_length_with_fewer_than_eight_blocks_is_not_tested():
    """The first and the last pane do not count: 33 panes are 31, and seven blocks of four."""
    assert TrafficCheck.of([10] * 33, LEVELS).judge(0, FOUR) is None
    assert TrafficCheck.of([10] * 34, LEVELS).judge(0, FOUR).severity is Severity.CRITICAL


def test_reported_gap_is_twice_the_longest_of_the_reference_and_two_panes():
    gaps = {
        (1, 1, 1, 1): 2,
        (1, 1, 0, 1, 0, 0, 0, 1, 1): 8,
        (1, 0, 0, 0, 0, 1): 10,
    }
    assert {rows: TrafficCheck.of(rows, {}).gap_panes for rows in gaps} == gaps


def test_a_reference_of_one_pane_has_no_limits_and_no_gaps():
    check = TrafficCheck.of([5], LEVELS)
    assert (check.blocks, check.longest_gap) == ({}, 0)
