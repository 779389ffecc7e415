"""The streams of the benchmark have the properties that their names state."""

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.quality.concept import _rows
from benchmarks.quality.runs import on_time
from benchmarks.quality.streams import (
    CHANGES,
    NONE,
    SCENARIOS,
    WITH_MEMORY,
    autoregressive,
)
from monitor.plan import HOUR, Plan, Windows

EVERY = list(SCENARIOS.values())
CHANGE_AT = 3


def drawn(scenario, seed=1, panes=6, change_at=None):
    return list(scenario.live(np.random.default_rng(seed), panes, change_at))


def many_rows_after(name, change_at=0):
    return np.concatenate(drawn(SCENARIOS[name], panes=200, change_at=change_at))


@pytest.mark.parametrize("scenario", EVERY, ids=lambda scenario: scenario.name)
def test_stream_depends_on_the_seed_alone(scenario):
    first, again = (scenario.reference(np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, again, equal_nan=True)
    assert first.shape == (scenario.reference_rows, scenario.features)
    panes = zip(drawn(scenario), drawn(scenario), strict=True)
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in panes)
    assert not np.array_equal(drawn(scenario)[0], drawn(scenario, seed=2)[0])


@pytest.mark.parametrize("scenario", EVERY, ids=lambda scenario: scenario.name)
def test_panes_have_the_stated_number_of_rows(scenario):
    low, high = scenario.pane_rows
    panes = drawn(scenario)
    assert len(panes) == 6
    assert all(low <= len(rows) <= high for rows in panes)
    assert {rows.shape[1] for rows in panes} == {scenario.features}


@pytest.mark.parametrize("scenario", CHANGES, ids=lambda scenario: scenario.name)
def test_change_of_a_stream_starts_at_its_pane(scenario):
    healthy, changed = drawn(scenario), drawn(scenario, change_at=CHANGE_AT)
    altered = [
        (one != other).any(axis=1) for one, other in zip(healthy, changed, strict=True)
    ]  # whether each row was
    assert not np.concatenate(altered[:CHANGE_AT]).any()
    assert np.concatenate(altered[CHANGE_AT:]).all()


def test_change_of_a_stream_affects_only_its_features():
    healthy = np.concatenate(drawn(NONE))
    for scenario in CHANGES:
        untouched = 5 if scenario.name.startswith("five") else 1
        changed = np.concatenate(drawn(scenario, change_at=0))
        assert np.array_equal(healthy[:, untouched:], changed[:, untouched:])


def test_healthy_streams_do_not_change():
    scenario = SCENARIOS["cauchy"]
    panes = zip(drawn(scenario), drawn(scenario, change_at=0), strict=True)
    assert all(np.array_equal(one, other) for one, other in panes)


def test_changes_of_streams_have_the_size_in_their_names():
    assert many_rows_after("shift-0.25")[:, 0].mean() == pytest.approx(0.25, abs=0.02)
    assert many_rows_after("five-shift-0.2")[:, :5].mean() == pytest.approx(0.2, abs=0.01)
    assert many_rows_after("variance-1.3")[:, 0].var() == pytest.approx(1.3, abs=0.03)
    tailed = many_rows_after("tails-t5")[:, 0]
    assert tailed.var() == pytest.approx(1.0, abs=0.04)
    assert (abs(tailed) > 4).mean() > 20 * 6.3e-5  # a normal has 6.3e-5 there


def test_other_changes_of_streams_have_the_size_in_their_names():
    category = "category-10%-to-15%"
    for at, share in ((None, 0.10), (0, 0.15)):
        assert (many_rows_after(category, at)[:, 0] == 3).mean() == pytest.approx(share, abs=0.005)
        gaps = np.isnan(many_rows_after("missing-1%-to-3%", at)[:, 0]).mean()
        assert gaps == pytest.approx(0.03 if at == 0 else 0.01, abs=0.002)
    moved = many_rows_after("discrete-0.25")[:, 0].mean()
    assert moved == pytest.approx(3 + 0.25 * 3**0.5, abs=0.03)


def test_flip_inverts_the_labels_of_a_tenth_of_the_rows_and_nothing_else():
    rows = [_rows(np.random.default_rng(1), 40, at) for at in (None, 20 * HOUR)]
    healthy, flipped = rows
    assert np.array_equal(healthy.predictions.score, flipped.predictions.score)
    turned = healthy.label != flipped.label
    later = healthy.predictions.time_ms >= 20 * HOUR
    assert not turned[~later].any()
    assert turned[later].mean() == pytest.approx(0.1, abs=0.01)
    right = (healthy.predictions.predicted == healthy.label).mean()
    assert right == pytest.approx(0.9, abs=0.02)


def test_gradual_change_takes_twenty_panes():
    healthy = drawn(NONE, panes=30)
    changed = drawn(SCENARIOS["gradual-0.5"], panes=30, change_at=2)
    gap = np.concatenate([(b - a)[:, 0] for a, b in zip(healthy, changed, strict=True)])
    assert gap[[999, 1_000, 10_999, 14_999]] == pytest.approx([0, 0.5 / 10_000, 0.5, 0.5])
    assert (np.diff(gap[999:10_999]) > 0).all()


def test_features_have_the_stated_correlation():
    rows = np.concatenate(drawn(SCENARIOS["correlated-0.9"], panes=40))
    assert np.corrcoef(rows, rowvar=False)[0, 1:] == pytest.approx(0.9, abs=0.01)


def test_autocorrelation_continues_across_panes():
    panes = list(autoregressive(0.99)(np.random.default_rng(1), [50] * 400, 1))
    steps = np.array([later[0, 0] - rows[-1, 0] for rows, later in pairwise(panes)])
    assert steps.var() == pytest.approx(2 * (1 - 0.99), rel=0.3)
    assert np.concatenate(panes).var() == pytest.approx(1.0, abs=0.25)


def test_autocorrelated_streams_have_a_short_and_a_long_reference():
    assert {each.reference_rows for each in WITH_MEMORY} == {10_000, 40_000, 80_000}


def test_late_rows_are_removed_and_are_3_to_20_percent_of_all():
    panes = drawn(SCENARIOS["late-rows"], panes=50)
    plan = Plan(Windows(HOUR, HOUR, HOUR, HOUR))
    kept = list(on_time(np.random.default_rng(1), panes, 0.2, plan))
    late = 1 - sum(map(len, kept)) / sum(map(len, panes))
    # The watermark is ahead of the newest row by less than a delay, and the lateness is a twelfth.
    assert 0.03 < late < 0.2
    for whole, part in zip(panes, kept, strict=True):
        assert part.shape[1] == whole.shape[1]
        assert np.isin(part[:, 0], whole[:, 0]).all()
    (everything,) = on_time(np.random.default_rng(1), panes[:1], 0.2, plan)
    assert len(everything) == len(panes[0])  # no newer row arrived before any of them
