"""A plan is checked where it is made: whoever holds one may trust it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.plan import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Budget,
    Drift,
    Incidents,
    InvalidPlan,
    Performance,
    Plan,
    Retraining,
    Time,
    Windows,
    duration_ms,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1ms", 1),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("1h", HOUR),
        ("7d", 7 * DAY),
        ("2w", 14 * DAY),
        ("1h30m", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        ("0s", 0),
        (" 5m ", 5 * MINUTE),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, expected):
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "5", "m", "5 m", "5min", "-5m", "1h,30m", "1e3s", "5M"])
def test_an_invalid_duration_is_refused_with_the_expected_format(text):
    with pytest.raises(InvalidPlan, match="is not a duration: write it like '30s'"):
        duration_ms(text)


@given(
    st.lists(
        st.tuples(st.integers(0, 999), st.sampled_from(["ms", "s", "m", "h", "d"])), min_size=1
    )
)
@settings(max_examples=20)
def test_parts_of_a_duration_add_up(parts):
    together = "".join(f"{number}{unit}" for number, unit in parts)
    assert duration_ms(together) == sum(duration_ms(f"{n}{unit}") for n, unit in parts)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Windows(pane_ms=0), "windows.pane must be longer than zero"),
        (lambda: Windows(length_ms=-HOUR), "windows.length must be longer than zero"),
        (lambda: Windows(slide_ms=0), "windows.slide must be longer than zero"),
        (lambda: Windows(length_ms=DAY + 1), "windows.length must be a multiple of windows.pane"),
        (lambda: Windows(slide_ms=DAY - 1), "windows.slide must be a multiple of windows.pane"),
        (lambda: Windows(slide_ms=2 * DAY), "windows.slide must not exceed windows.length"),
        (lambda: Time(lateness_ms=-1), "time.lateness must not be negative"),
        (lambda: Time(accept_late_ms=-1), "time.accept_late must not be negative"),
        (lambda: Time(idle_after_ms=-1), "time.idle_after must not be negative"),
        (lambda: Time(label_horizon_ms=-1), "time.label_horizon must not be negative"),
        (lambda: Time(label_wait_ms=-1), "time.label_wait must not be negative"),
        (lambda: Time(max_clock_skew_ms=-1), "time.max_clock_skew must not be negative"),
        (lambda: Budget(0, DAY), "a budget of false alarms needs a number and a period above zero"),
        (lambda: Budget(1, 0), "a budget of false alarms needs a number and a period above zero"),
        (lambda: Budget.of("0 per 7d"), "a budget of false alarms needs a number"),
        (lambda: Budget.of("once a week"), "is not a budget: write it like '1 per 7d'"),
        (lambda: Budget.of("1 per week"), "'week' is not a duration"),
        (lambda: Drift(p_value_threshold=1.1), "drift.p_value_threshold must lie between 0 and 1"),
        (lambda: Drift(min_effect=-0.1), "drift.min_effect must lie between 0 and 1"),
        (lambda: Drift(critical_effect=2), "drift.critical_effect must lie between 0 and 1"),
        (
            lambda: Drift(warning=Budget(1, 30 * DAY), critical=Budget(1, 7 * DAY)),
            "critical must not be more frequent than warning",
        ),
        (lambda: Performance(0), r"performance.degradation_threshold must lie in \(0, 1\]"),
        (lambda: Performance(1.01), r"performance.degradation_threshold must lie in \(0, 1\]"),
        (lambda: Retraining(critical_alert_threshold=0), "retraining: thresholds must be positive"),
        (lambda: Retraining(min_labels=-1), "retraining: thresholds must be positive"),
        (lambda: Retraining(lookback_ms=-1), "retraining.lookback must not be negative"),
        (lambda: Incidents(resolve_after=0), "incidents.resolve_after must be at least 1"),
        (lambda: Incidents(reopen_within_ms=-1), "incidents.reopen_within must not be negative"),
        (lambda: Incidents(repeat_after_ms=-1), "incidents.repeat_after must not be negative"),
    ],
)
def test_an_invalid_setting_is_refused_by_name(make, sentence):
    with pytest.raises(InvalidPlan, match=sentence):
        make()


def test_limits_of_settings_are_valid_values():
    Windows(pane_ms=1, length_ms=1, slide_ms=1)
    Time(0, 0, 0, 0, 0, 0)
    Time(idle_after_ms=None, label_wait_ms=None, max_clock_skew_ms=None)
    Drift(0, 0, 1, Budget(1, DAY), Budget(1, DAY))
    Performance(1)
    Retraining(1, 0, 0)
    Incidents(0, 1)


def test_defaults_of_the_plan_are_as_documented():
    plan = Plan()
    assert plan.windows == Windows(HOUR, DAY, DAY, 14 * DAY)
    assert plan.windows.panes == 24
    assert plan.time == Time(5 * MINUTE, 7 * DAY, 30 * SECOND, 7 * DAY, None, 10 * MINUTE)
    assert plan.drift == Drift(0.05, 0.0, 0.1, Budget.of("1 per 7d"), Budget.of("1 per 30d"))
    assert plan.performance == Performance(0.90)
    assert plan.retraining == Retraining(1, DAY, 1_000)
    assert plan.incidents == Incidents(7 * DAY, 2)


def test_alarms_of_a_budget_are_proportional_to_time():
    assert Budget.of("3 per 7d").per(14 * DAY) == 6
    assert Budget.of("0.5 per 12h").per(HOUR) == 0.5 / 12


@given(at_ms=st.integers(-(10**15), 10**15), pane_ms=st.integers(1, 10**9))
def test_a_pane_is_half_open_and_starts_at_multiples_of_its_length(at_ms, pane_ms):
    start_ms = Windows(pane_ms, pane_ms, pane_ms).pane_of(at_ms)
    assert start_ms % pane_ms == 0
    assert start_ms <= at_ms < start_ms + pane_ms


@given(
    pane=st.integers(-50, 50),
    pane_ms=st.integers(1, 10),
    length=st.integers(1, 8),
    slide=st.integers(1, 8),
)
def test_window_starts_are_those_of_all_windows_that_hold_the_pane(pane, pane_ms, length, slide):
    """They start at multiples of the slide since 1970."""
    windows = Windows(pane_ms, max(length, slide) * pane_ms, slide * pane_ms)
    at = pane * pane_ms
    starts = range(-100 * windows.slide_ms, 100 * windows.slide_ms, windows.slide_ms)
    holding = [s for s in starts if s <= at and at + pane_ms <= s + windows.length_ms]
    assert list(windows.over(at)) == holding != []
