"""Splits of the flights hold whole days, and changes start at their pane."""

import numpy as np
import pytest

from benchmarks.quality.flights import (
    CHANGES,
    FEATURES,
    LIVE_DAYS,
    PANES_PER_DAY,
    change,
    load_quarter,
)


@pytest.fixture(scope="module")
def winter():
    return load_quarter(1)


def split(winter, seed=1):
    return winter.split(np.random.default_rng(seed))


def test_split_puts_every_flight_of_the_quarter_in_one_half(winter):
    reference, live = split(winter)
    assert len(live) == LIVE_DAYS * PANES_PER_DAY
    assert len(reference) + sum(map(len, live)) == len(winter.rows)
    assert winter.pane[-1] < 90 * PANES_PER_DAY
    rows = np.concatenate([reference, *live])
    assert np.array_equal(np.sort(rows, axis=0), np.sort(winter.rows, axis=0), equal_nan=True)


def test_split_depends_on_the_seed_alone(winter):
    one, again, other = (split(winter, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, again, equal_nan=True)
    assert len(one) != len(other) or not np.array_equal(one, other, equal_nan=True)


def test_panes_at_night_are_kept_though_empty(winter):
    _, live = split(winter)
    by_hour = np.array([len(rows) for rows in live]).reshape(-1, PANES_PER_DAY).mean(axis=0)
    assert by_hour[2] < 5 < 100 < by_hour[5]  # 6 to 9 and 15 to 18 UTC: 1 to 4 and 10 to 13 there


@pytest.mark.parametrize("name", CHANGES)
def test_change_of_flights_starts_at_its_pane_and_affects_one_feature(winter, name):
    _, healthy = split(winter)
    _, changed = split(winter)
    change(changed, name, 100)
    assert all(
        np.array_equal(*pair, equal_nan=True) for pair in zip(healthy, changed[:100], strict=False)
    )
    before, after = np.concatenate(healthy[100:]), np.concatenate(changed[100:])
    altered = ~np.isclose(before, after, equal_nan=True)
    feature = FEATURES.index(CHANGES[name][0])
    assert altered[:, feature].mean() > 0.7
    assert not np.delete(altered, feature, axis=1).any()


def test_four_quarters_hold_all_flights_of_the_year():
    assert sum(len(load_quarter(number).rows) for number in (1, 2, 3, 4)) >= 327_000
