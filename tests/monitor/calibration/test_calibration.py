"""A history cut into halves, what is raised in the healthy one, and how soon a shift is found."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.calibration.calibration import (
    Backtest,
    Delay,
    History,
    Split,
    TooShort,
    alarms,
    alarms_with,
    delays,
    forward_split,
    naive,
    random_split,
    rate,
    said,
    summarised,
)
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows

PLAN = Plan(
    Windows(4 * HOUR, DAY, DAY, 8 * DAY),
    drift=Drift(warning=Budget(1, 2_000 * DAY), critical=Budget(1, 4_000 * DAY)),
)
PER_DAY = 300


def rows(days: int, *, seed: int = 0, odd: float = 0.0) -> ReferenceRows:
    """``steady`` never changes; ``odd`` days, the uneven ones, lie so many deviations higher."""
    rng = np.random.default_rng(seed)
    n = days * PER_DAY
    time_ms = np.sort(rng.integers(0, days * DAY, n)) + 20_000 * DAY
    score = rng.beta(2, 3, n)
    day = time_ms // DAY
    features = {
        "steady": rng.normal(size=n),
        "restless": rng.normal(size=n) + odd * (day % 2),
        "branch": rng.choice(["north", "south"], n).astype(object),
    }
    ids = [str(i) for i in range(n)]
    return ReferenceRows(Predictions(ids, time_ms, score, (score > 0.5).astype(np.int64), features))


def rehearsed(days: int = 24, plan: Plan = PLAN, split: Split | None = None, **kind: float):
    history = History.of(rows(days, **kind), plan.windows)
    split = split or random_split(len(history), np.random.default_rng(1))
    return Backtest.of(plan, history, split, "loans", ())


def evens_and_odds(days: int) -> Split:
    return Split(tuple(range(0, days, 2)), tuple(range(1, days, 2)))


class TestAHistory:
    def test_is_cut_into_days(self):
        history = History.of(rows(10), PLAN.windows)
        assert len(history) == 10
        assert history.block_ms == DAY

    def test_of_less_than_eight_days_is_cut_into_blocks_as_long_as_a_window(self):
        history = History.of(rows(3), Windows(HOUR, 6 * HOUR, 6 * HOUR))
        assert (len(history), history.block_ms) == (12, 6 * HOUR)

    def test_a_block_is_a_whole_number_of_panes(self):
        assert History.of(rows(10), Windows(7 * HOUR, 7 * HOUR, 7 * HOUR)).block_ms == 28 * HOUR

    def test_that_is_too_short_is_refused_with_what_is_needed(self):
        with pytest.raises(TooShort, match="holds rows on 5 blocks of 24 hours: at least 8"):
            History.of(rows(5), PLAN.windows)

    def test_laid_side_by_side_keeps_every_row_of_its_blocks_and_the_time_of_day(self):
        history = History.of(rows(10), PLAN.windows)
        laid = history.laid([2, 5, 9]).predictions
        before = history.rows.predictions
        day = before.time_ms // DAY - 20_000
        kept = np.isin(day, [2, 5, 9])
        assert laid.ids == [name for name, one in zip(before.ids, kept, strict=True) if one]
        assert (laid.time_ms % DAY == before.time_ms[kept] % DAY).all()
        assert np.unique(laid.time_ms // DAY).tolist() == [0, 1, 2]
        assert (laid.features["steady"] == before.features["steady"][kept]).all()


class TestSplits:
    @pytest.mark.parametrize("blocks", [8, 9, 31])
    def test_every_block_is_on_one_side(self, blocks):
        for split in (random_split(blocks, np.random.default_rng(3)), forward_split(blocks)):
            assert sorted((*split.reference, *split.live)) == list(range(blocks))
            assert len(split.reference) == blocks // 2
            assert list(split.live) == sorted(split.live)

    def test_the_same_seed_draws_the_same(self):
        first, second, other = (random_split(31, np.random.default_rng(s)) for s in (4, 4, 5))
        assert first == second != other


class TestAlarms:
    def test_histories_that_are_the_same_every_day_keep_the_budget(self):
        """Twenty times 12 days, and one false alarm accepted in 2,000: 0.12 are expected."""
        each = [rehearsed(seed=seed) for seed in range(20)]
        assert sum(alarms(one, said(one)).incidents for one in each) <= 1

    def test_a_feature_that_differs_between_the_halves_is_named(self):
        rehearsal = rehearsed(split=evens_and_odds(24), odd=1.0)
        found = alarms(rehearsal, said(rehearsal))
        assert found.subjects == {"data/restless": 1}
        assert (found.incidents, found.storms) == (1, 0)
        assert found.marks == found.windows == 12

    def test_p_below_a_twentieth_marks_one_of_them_in_most_weeks(self):
        found = naive(rehearsed(60))
        assert 1 <= found.marks <= 20  # of 4 subjects in 30 windows, 6 are expected
        assert found.incidents <= found.marks
        assert set(found.subjects) <= {
            *("data/steady", "data/restless", "data/branch", "prediction/score")
        }

    @pytest.mark.parametrize("effect", [0.05, 0.3, 0.6])
    def test_with_a_larger_effect_it_is_as_if_that_had_been_configured(self, effect):
        rehearsal = rehearsed(split=evens_and_odds(24), odd=1.0)
        drift = replace(PLAN.drift, min_effect=effect)
        other = rehearsed(split=evens_and_odds(24), odd=1.0, plan=replace(PLAN, drift=drift))
        expected = alarms(other, said(other))
        assert alarms_with(rehearsal, said(rehearsal), effect) == expected
        assert bool(expected.incidents) == (effect < 0.6)

    def test_windows_of_a_length_that_is_no_scale_are_tested_too(self):
        """Six panes a day: only the two scales below and the one above are powers of two."""
        rehearsal = rehearsed(split=evens_and_odds(24), odd=1.0)
        lengths = {
            (one.end_ms - one.start_ms) // PLAN.windows.pane_ms
            for of in said(rehearsal)
            for one in of.get("data/restless", ())
            if one.tested is not None
        }
        assert 6 in lengths


class TestDelays:
    def test_a_large_shift_is_found_sooner_than_a_small_one(self):
        found = delays(rehearsed(), "steady", np.random.default_rng(0), (0.25, 1.0))
        assert found[1.0].panes is not None
        assert found[1.0].panes <= (found[0.25].panes or 99)
        assert found[1.0].panes <= 3  # fifty rows a pane

    def test_no_shift_is_not_found(self):
        assert delays(rehearsed(seed=1), "steady", np.random.default_rng(0), (0.0,)) == {
            0.0: Delay(None)
        }

    def test_what_was_open_before_tells_no_delay(self):
        rehearsal = rehearsed(split=evens_and_odds(24), odd=1.0)
        assert delays(rehearsal, "restless", np.random.default_rng(0))[0.5].early

    def test_a_miss_counts_as_endless_and_what_was_early_does_not_count(self):
        found = summarised([Delay(2, 1), Delay(4, 2), Delay(None), Delay(None, early=True)], HOUR)
        assert (found.median_ms, found.p90_ms) == (4 * HOUR, None)
        assert found.missed == pytest.approx(1 / 3)
        assert (found.runs, found.early, found.windows) == (3, 1, {1: 1, 2: 1})


class TestARate:
    def test_is_a_mean_with_students_interval(self):
        found = rate([0, 2, 1, 1], 2.0)
        assert found.mean == 0.5
        assert found.high == pytest.approx((1 + 3.1824 * 0.8165 / 2) / 2, rel=1e-3)
        assert found.low == 0.0

    def test_of_nothing_has_an_upper_end_all_the_same(self):
        found = rate([0] * 20, 1.0)
        assert (found.mean, found.low) == (0.0, 0.0)
        assert found.high == pytest.approx(3.689 / 20, rel=1e-3)
