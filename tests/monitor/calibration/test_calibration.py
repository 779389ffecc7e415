"""A history cut into halves, the alarms in the live half, and the delay until a shift is found."""

from dataclasses import replace

import numpy as np
import pytest

from monitor.calibration.alarm_counts import (
    backtest_signals,
    count_alarms,
    count_alarms_with_effect,
    count_naive_alarms,
)
from monitor.calibration.backtest import Backtest
from monitor.calibration.delays import Delay, delays, summarize_delays
from monitor.calibration.history import History, Split, TooShort, forward_split, random_split
from monitor.calibration.rates import rate
from monitor.calibration.shifted_feature import ShiftedFeature
from monitor.counts.columns import Predictions
from monitor.counts.profile import ReferenceRows
from monitor.plan import DAY, HOUR, Budget, Drift, Plan, Windows
from monitor.tasks.binary import BINARY
from tests.monitor.doubles import LARGEST, SENTINELS

PLAN = Plan(
    Windows(4 * HOUR, DAY, DAY, 8 * DAY),
    drift=Drift(warning=Budget(1, 2_000 * DAY), critical=Budget(1, 4_000 * DAY)),
)
PER_DAY = 300


def rows(days: int, *, seed: int = 0, odd: float = 0.0) -> ReferenceRows:
    """``steady`` never changes; ``varying`` is ``odd`` deviations higher on odd days."""
    rng = np.random.default_rng(seed)
    n = days * PER_DAY
    time_ms = np.sort(rng.integers(0, days * DAY, n)) + 20_000 * DAY
    score = rng.beta(2, 3, n)
    day = time_ms // DAY
    features = {
        "steady": rng.normal(size=n),
        "varying": rng.normal(size=n) + odd * (day % 2),
        "branch": rng.choice(["north", "south"], n).astype(object),
    }
    ids = [str(i) for i in range(n)]
    return ReferenceRows(Predictions(ids, time_ms, score, (score > 0.5).astype(np.int64), features))


def backtest_of(days: int = 24, plan: Plan = PLAN, split: Split | None = None, **kind: float):
    history = History.of(rows(days, **kind), plan.windows)
    split = split or random_split(len(history), np.random.default_rng(1))
    return Backtest.of(plan, history, split, "loans", BINARY, ("branch",))


def evens_and_odds(days: int) -> Split:
    return Split(tuple(range(0, days, 2)), tuple(range(1, days, 2)))


class TestHistory:
    def test_a_history_is_cut_into_days(self):
        history = History.of(rows(10), PLAN.windows)
        assert len(history) == 10
        assert history.block_ms == DAY

    def test_a_history_of_less_than_eight_days_is_cut_into_blocks_as_long_as_a_window(self):
        history = History.of(rows(3), Windows(HOUR, 6 * HOUR, 6 * HOUR))
        assert (len(history), history.block_ms) == (12, 6 * HOUR)

    def test_a_block_is_a_whole_number_of_panes(self):
        assert History.of(rows(10), Windows(7 * HOUR, 7 * HOUR, 7 * HOUR)).block_ms == 28 * HOUR

    def test_a_history_that_is_too_short_is_refused_with_the_required_length(self):
        with pytest.raises(TooShort, match="holds rows on 5 blocks of 24 hours: at least 8"):
            History.of(rows(5), PLAN.windows)

    def test_concatenated_blocks_keep_every_row_and_its_time_of_day(self):
        history = History.of(rows(10), PLAN.windows)
        concatenated = history.concatenated([2, 5, 9]).predictions
        before = history.rows.predictions
        day = before.time_ms // DAY - 20_000
        kept = np.isin(day, [2, 5, 9])
        assert concatenated.ids == [name for name, one in zip(before.ids, kept, strict=True) if one]
        assert (concatenated.time_ms % DAY == before.time_ms[kept] % DAY).all()
        assert np.unique(concatenated.time_ms // DAY).tolist() == [0, 1, 2]
        assert (concatenated.features["steady"] == before.features["steady"][kept]).all()


class TestSplits:
    @pytest.mark.parametrize("blocks", [8, 9, 31])
    def test_every_block_is_in_one_half_of_a_split(self, blocks):
        for split in (random_split(blocks, np.random.default_rng(3)), forward_split(blocks)):
            assert sorted((*split.reference, *split.live)) == list(range(blocks))
            assert len(split.reference) == blocks // 2
            assert list(split.live) == sorted(split.live)

    def test_the_same_seed_draws_the_same_split(self):
        first, second, other = (random_split(31, np.random.default_rng(s)) for s in (4, 4, 5))
        assert first == second != other


class TestAlarms:
    def test_alarms_on_stationary_histories_keep_the_budget(self):
        """Twenty times 12 days, and one false alarm accepted in 2,000: 0.12 are expected."""
        each = [backtest_of(seed=seed) for seed in range(20)]
        assert sum(count_alarms(one, backtest_signals(one)).incidents for one in each) <= 1

    def test_alarms_name_a_feature_that_differs_between_the_halves(self):
        backtest = backtest_of(split=evens_and_odds(24), odd=1.0)
        found = count_alarms(backtest, backtest_signals(backtest))
        assert found.subjects == {"data/varying": 1}
        assert (found.incidents, found.storms) == (1, 0)
        assert found.marks == found.windows == 12

    def test_naive_alarms_mark_a_twentieth_of_the_windows(self):
        found = count_naive_alarms(backtest_of(60))
        assert 1 <= found.marks <= 20  # of 4 subjects in 30 windows, 6 are expected
        assert found.incidents <= found.marks
        assert set(found.subjects) <= {
            *("data/steady", "data/varying", "data/branch", "prediction/score")
        }

    @pytest.mark.parametrize("effect", [0.05, 0.3, 0.6])
    def test_alarms_with_a_larger_effect_are_those_of_that_configuration(self, effect):
        backtest = backtest_of(split=evens_and_odds(24), odd=1.0)
        drift = replace(PLAN.drift, min_effect=effect)
        other = backtest_of(split=evens_and_odds(24), odd=1.0, plan=replace(PLAN, drift=drift))
        expected = count_alarms(other, backtest_signals(other))
        assert count_alarms_with_effect(backtest, backtest_signals(backtest), effect) == expected
        assert bool(expected.incidents) == (effect < 0.6)

    def test_signals_include_windows_of_a_length_that_is_not_a_scale(self):
        """Six panes a day: only the two scales below and the one above are powers of two."""
        backtest = backtest_of(split=evens_and_odds(24), odd=1.0)
        lengths = {
            (one.end_ms - one.start_ms) // PLAN.windows.pane_ms
            for of_pane in backtest_signals(backtest)
            for one in of_pane.get("data/varying", ())
            if one.evidence is not None
        }
        assert 6 in lengths


class TestDelays:
    def test_a_large_shift_is_found_sooner_than_a_small_one(self):
        found = delays(backtest_of(), "steady", np.random.default_rng(0), (0.25, 1.0))
        assert found[1.0].panes is not None
        assert found[1.0].panes <= (found[0.25].panes or 99)
        assert found[1.0].panes <= 3  # fifty rows a pane

    def test_a_shift_of_zero_is_not_found(self):
        assert delays(backtest_of(seed=1), "steady", np.random.default_rng(0), (0.0,)) == {
            0.0: Delay(None)
        }

    def test_an_incident_open_before_the_shift_gives_no_delay(self):
        backtest = backtest_of(split=evens_and_odds(24), odd=1.0)
        assert delays(backtest, "varying", np.random.default_rng(0))[0.5].early

    def test_a_missed_shift_counts_as_infinite_delay_and_an_early_incident_does_not_count(self):
        found = summarize_delays(
            [Delay(2, 1), Delay(4, 2), Delay(None), Delay(None, early=True)], HOUR
        )
        assert (found.median_ms, found.p90_ms) == (4 * HOUR, None)
        assert found.missed == pytest.approx(1 / 3)
        assert (found.runs, found.early, found.windows) == (3, 1, {1: 1, 2: 1})


class TestRate:
    def test_a_rate_has_students_interval(self):
        found = rate([0, 2, 1, 1], 2.0)
        assert found.mean == 0.5
        assert found.high == pytest.approx((1 + 3.1824 * 0.8165 / 2) / 2, rel=1e-3)
        assert found.low == 0.0

    def test_a_rate_without_incidents_has_an_upper_bound(self):
        found = rate([0] * 20, 1.0)
        assert (found.mean, found.low) == (0.0, 0.0)
        assert found.high == pytest.approx(3.689 / 20, rel=1e-3)


@pytest.mark.parametrize("value", SENTINELS.values(), ids=SENTINELS)
def test_a_feature_with_huge_values_is_shifted_without_losing_rows(value):
    history = rows(8)
    at = history.predictions.time_ms.size - 1
    history.predictions.features["steady"][[at - 1, at]] = value, -np.inf
    half = Split(tuple(range(4)), tuple(range(4, 8)))
    backtest = Backtest.of(
        PLAN, History.of(history, PLAN.windows), half, "loans", BINARY, ("branch",)
    )
    shifted = ShiftedFeature.of(backtest, "steady")
    assert 0 < shifted.deviation <= LARGEST
    for shift in (0.0, 0.5, 1e10):
        assert sum(counts.size for counts in shifted.panes(shift)) == shifted.values.size
