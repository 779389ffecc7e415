"""How peers are tuned and judged, by one that is made up: its score is the pane's first value."""

import numpy as np
import pytest

from benchmarks.peers.measuring import Run, run, tuned_threshold
from benchmarks.peers.peer import NOTHING, Peer, Rule, at_once, surprise, tumbling
from benchmarks.peers.report import delays, share, table
from benchmarks.peers.scipy_ks import over
from benchmarks.peers.stages import STAGES

FIRST = Peer("first", "none", (Rule("value", None),), lambda _, panes: ((p[0, 0],) for p in panes))
NEVER = [np.inf]


NORMAL, FLIGHTS = STAGES["normal"], STAGES["flights"]


def scores_of(healthy, live):
    return next(iter(over(500).scores(healthy, [live])))


def ran(*scores):
    return Run(np.array([[score] for score in scores]), change_at=2)


def test_benjamini_hochberg_by_hand():
    for p_values in ([0.04, 0.01, 0.9, 0.02], [0.01, 0.9, 0.9, 0.9]):
        assert at_once(map(surprise, p_values)) == pytest.approx(surprise(0.04))


def test_a_vanishing_p_value_stays_finite():
    assert surprise(0.0) == pytest.approx(300)


def test_scipy_s_evidence_grows_on_where_its_p_value_vanishes():
    healthy = np.arange(20_000.0)[:, None]
    shifts = (3_000, 3_680, 3_760, 9_000)  # between the second and third p falls below 1e-300
    (first, *_), *rest = (scores_of(healthy, healthy + shift) for shift in shifts)
    assert first < 300 - 1
    climbing = [first, *(score for score, _ in rest)]
    assert np.all(np.diff(climbing) > 0)
    assert climbing[-1] > 350


def test_windows_tumble_over_whole_panes():
    panes = [np.full((rows, 1), rows) for rows in (3, 4, 5, 2)]
    windows = list(tumbling(panes, 7))
    assert [None if rows is None else len(rows) for rows in windows] == [None, 7, None, 7]


def test_the_threshold_leaves_the_target_share_of_healthy_runs():
    runs = [ran(NOTHING, float(highest)) for highest in range(1, 100)]
    threshold = tuned_threshold(runs, 0, 0.04)
    assert sum(each.alarm(0, threshold) is not None for each in runs) == 3


def test_too_few_healthy_runs_are_all_left_silent():
    runs = [ran(1.0, 2.0), ran(3.0, 1.0)]
    assert tuned_threshold(runs, 0, 0.04) == np.nextafter(3.0, np.inf)


def test_every_peer_is_shown_the_same_rows():
    healthy = [run(FIRST, NORMAL.healthy(1, 3), NEVER).scores for _ in range(2)]
    assert np.array_equal(*healthy)
    other = run(FIRST, NORMAL.healthy(2, 3), NEVER).scores
    assert not np.array_equal(healthy[0], other)


def test_a_change_follows_20_to_40_healthy_panes_and_lasts_for_100():
    changed = [run(FIRST, NORMAL.changed("shift-0.5", n), NEVER) for n in range(5)]
    assert all(20 <= each.change_at <= 40 for each in changed)
    assert len({each.change_at for each in changed}) > 1
    assert [len(each.scores) for each in changed] == [each.change_at + 100 for each in changed]


def test_flights_change_on_live_day_5_to_15():
    streams = [FLIGHTS.changed("dep_delay+5", number) for number in range(5)]
    assert all(5 * 8 <= stream.change_at <= 15 * 8 for stream in streams)
    assert len({stream.change_at for stream in streams}) > 1


def test_a_run_ends_once_nothing_more_can_be_decided():
    scores = run(FIRST, NORMAL.healthy(2, 1), [0.0]).scores[:, 0]
    assert scores[-1] >= 0
    assert (scores[:-1] < 0).all()


def test_delay_runs_to_the_end_of_the_pane_that_alarms():
    figures = delays([(30, 30), (30, 31), (30, 39), (30, None), (30, 29)], 500)
    assert figures["runs"] == 5
    assert figures["early"] == 0.2
    assert figures["missed"] == 0.25
    assert figures["median"] == 1_000
    assert figures["p90"] is None


def test_shares_come_with_an_interval():
    assert share([False] * 100)["interval"] == pytest.approx([0, 0.037], abs=1e-4)
    assert share([True] * 4 + [False] * 96)["interval"] == pytest.approx([0.0157, 0.0984], abs=1e-4)


def test_the_table_says_what_has_no_delay():
    always, late = delays([(30, 3)], 500), delays([(30, 32), (30, None)], 500)
    figures = {"healthy": share([True]), "changes": {"shift": always, "tails": late}}
    rule = {"peer": "first", "rule": "value", "tuned": figures, "default": None}
    line = table([rule], ["shift", "tails"]).splitlines()[-1]
    assert "100.0% (20.6% to 100.0%) of 1" in line
    assert line.endswith("| always on | 1,500 / - (50% missed) |")
