"""The rows of charts: what is drawn, without a page."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.answers import Feature, WindowItem
from dashboard import charts, series, text
from tests.dashboard.fake import drifted, feature, metric, window


def item(*arguments, **fields):
    return WindowItem.model_validate(window(*arguments, **fields))


def lines(rows, name):
    return rows[rows["line"] == name]


def test_columns_stand_without_rows():
    assert list(series.metric_rows([], "accuracy").columns) == series.METRIC_COLUMNS
    assert list(series.heat_rows([], ["temp"], ("temp", "")).columns) == series.HEAT_COLUMNS
    assert list(series.distance_rows([], series.of_scores).columns) == series.DISTANCE_COLUMNS


def test_a_metric_comes_with_its_interval_its_baseline_and_where_degraded_begins():
    rows = series.metric_rows([item(1)], "recall")
    assert list(rows["line"]) == ["measured", "baseline", "degraded below"]
    assert list(rows["value"]) == [0.91, 0.92, 0.83]
    assert lines(rows, "measured").iloc[0][["low", "high"]].tolist() == [0.88, 0.94]
    assert rows["start"].iloc[0] == 1_364_774_400_000  # milliseconds, in UTC


@pytest.mark.parametrize(
    ("labels", "severity", "kind"),
    [
        ("final", None, text.FINAL),
        ("provisional", None, text.PROVISIONAL),
        ("final", "warning", text.DEGRADED["warning"]),
        ("final", "critical", text.DEGRADED["critical"]),
        ("provisional", "critical", text.PROVISIONAL),
    ],
)
def test_provisional_and_degraded_points_are_told_apart(labels, severity, kind):
    one = window(1, labels=labels)
    one["performance"]["metrics"]["recall"] = metric(severity=severity)
    rows = series.metric_rows([WindowItem.model_validate(one)], "recall")
    assert lines(rows, "measured")["kind"].tolist() == [kind]
    assert kind in charts.KINDS


def test_a_metric_that_is_undefined_leaves_a_gap():
    one = window(1)
    one["performance"]["metrics"]["precision"] = metric(None, low=None, high=None)
    rows = lines(series.metric_rows([WindowItem.model_validate(one)], "precision"), "measured")
    assert pd.isna(rows["value"].iloc[0])
    assert rows["shown"].iloc[0] == text.NOTHING


def test_a_window_without_performance_is_left_out():
    assert series.metric_rows([item(1, performance=None)], "recall").empty


@pytest.mark.parametrize(
    ("found", "status", "verdict"),
    [
        (feature(), "closed", text.CALM),
        (drifted(severity="warning"), "closed", text.WARNING),
        (drifted(severity="critical"), "closed", text.CRITICAL),
        (feature(verdict="insufficient_data"), "closed", text.FEW),
        (feature(kind="categorical", statistic=None), "closed", text.UNTESTED),
        (drifted(), "incomplete", text.UNJUDGED),
        (None, "no_data", text.EMPTY),
    ],
)
def test_every_state_of_a_cell_has_its_own_symbol(found, status, verdict):
    one = item(1, status=status)
    told = None if found is None else Feature.model_validate(found)
    assert series.state(one, told) == verdict
    assert verdict in charts.VERDICTS


def test_no_two_states_share_a_symbol_and_none_is_a_colour_alone():
    assert len({name.split()[0] for name in charts.VERDICTS}) == len(charts.VERDICTS)
    assert len({name.split()[0] for name in charts.KINDS}) == len(charts.KINDS)


def test_the_map_has_a_cell_for_every_feature_and_window_and_marks_the_chosen_one():
    windows = [item(1), item(2, drifted("temp"), feature("distance"))]
    at = text.spelled(windows[1].window)
    cells = series.heat_rows(windows, ["temp", "distance"], ("temp", at))
    assert len(cells) == 4
    chosen = cells[cells["chosen"]]
    assert chosen[["feature", "window", "verdict", "distance"]].to_numpy().tolist() == [
        ["temp", "2013-04-02", text.CRITICAL, 0.41]
    ]


def test_a_cell_ends_where_the_next_window_begins():
    """Windows of a day that start every twelve hours::

    [1 ------------------)
              [2 ------------------)
    """
    first = window(1)
    second = window(1)
    second["window"] |= {"start": "2013-04-01T12:00:00Z", "end": "2013-04-02T12:00:00Z"}
    windows = [WindowItem.model_validate(w) for w in (first, second)]
    cells = series.heat_rows(windows, ["temp"], ("", ""))
    half_a_day = 12 * 3_600_000
    assert (cells["end"] - cells["start"]).tolist() == [half_a_day, half_a_day]


def test_a_missing_window_leaves_a_hole_and_no_wide_cell():
    cells = series.heat_rows([item(1), item(2), item(9)], ["temp"], ("", ""))
    assert set(cells["end"] - cells["start"]) == {24 * 3_600_000}


def test_psi_stands_in_for_the_distance_of_categories_that_were_not_tested():
    carrier = feature("carrier", kind="categorical", statistic=None, psi=0.2, threshold=None)
    cells = series.heat_rows([item(1, carrier)], ["carrier"], ("", ""))
    assert cells[["distance", "shown"]].to_numpy().tolist() == [[0.2, "0.200 (PSI)"]]


def test_a_distance_comes_with_what_it_is_judged_against():
    rows = series.distance_rows([item(1)], series.of_feature("temp"))
    assert dict(zip(rows["line"], rows["value"], strict=True)) == {
        "distance": 0.05,
        "sampling noise": 0.09,
        "reference's straying": 0.12,
    }
    assert set(rows["line"]) == set(charts.DISTANCE_LINES)


def test_the_chosen_window_is_marked_in_the_line_too():
    windows = [item(1), item(2)]
    at = text.spelled(windows[0].window)
    rows = lines(series.distance_rows(windows, series.of_scores, at), "distance")
    assert rows["chosen"].tolist() == [True, False]


def test_errors_that_are_not_there_are_no_rows():
    without = window(1)
    without["concept"]["errors"] = None
    assert series.distance_rows([WindowItem.model_validate(without)], series.of_errors).empty
    assert series.distance_rows([item(1, concept=None)], series.of_errors).empty


def test_few_features_are_all_shown_in_their_own_order():
    assert series.features_shown([item(1)], ["temp", "distance"], "temp") == ["temp", "distance"]


def test_of_very_many_features_those_that_moved_most_are_shown_and_the_chosen_one():
    names = [f"f{i:03}" for i in range(200)]
    found = [
        *(feature(name, statistic=0.001 * i) for i, name in enumerate(names)),
        drifted("critical", severity="critical", statistic=0.02),
        drifted("warned", severity="warning", statistic=0.9),
    ]
    names += ["critical", "warned"]
    shown = series.features_shown([item(1, *found)], names, "f000")
    assert len(shown) == series.ROWS_AT_MOST
    assert {"f000", "critical", "warned", "f199"} <= set(shown)
    assert shown == sorted(shown, key=names.index)


def test_the_gravest_verdict_outranks_the_largest_distance():
    windows = [item(1, drifted("a", severity="warning", statistic=0.9), drifted("b"))]
    rank = series.worst(windows)
    assert min(rank, key=rank.__getitem__) == "b"


NUMERIC = {"edges": [1.0, 2.5], "reference": [0.2, 0.3, 0.5], "window": [0.1, 0.1, 0.8], "at": 2.0}
NAMED = {"categories": ["UA", "DL"], "reference": [0.6, 0.4], "window": [0.5, 0.5]}


def shares(distribution, **fields):
    return series.share_rows(Feature.model_validate(feature(distribution=distribution, **fields)))


def test_bins_are_named_by_their_edges_and_the_last_one_is_open():
    rows = shares(NUMERIC)
    assert rows["bin"].tolist() == ["up to 1", "1 to 2.5", "above 2.5"] * 2
    assert rows["edge"].tolist()[:2] == [1.0, 2.5]
    assert pd.isna(rows["edge"].iloc[2])
    assert set(rows["at"]) == {2.0}


def test_shares_are_summed_up_for_each_side_by_itself():
    rows = shares(NUMERIC)
    summed = rows[rows["of"] == "window"]["up to here"].tolist()
    assert summed == pytest.approx([0.1, 0.2, 1.0])
    assert set(rows["of"]) == set(charts.SIDES)


def test_categories_go_by_their_names():
    rows = shares(NAMED, kind="categorical")
    assert rows["bin"].tolist() == ["UA", "DL"] * 2
    assert rows["edge"].isna().all()


@pytest.mark.parametrize(
    "told",
    [None, {**NUMERIC, "window": [1.0]}, {"reference": [1.0], "window": [1.0]}],
)
def test_no_distribution_or_one_that_does_not_fit_draws_nothing(told):
    assert shares(told).empty


def test_expected_performance_stands_beside_the_realised():
    one = window(1)
    one["concept"]["expected"] = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}
    windows = [WindowItem.model_validate(one)]
    rows = series.expected_rows(windows, "accuracy")
    assert series.expected_rows(windows, "recall")["value"].isna().all()
    assert rows[["line", "value"]].to_numpy().tolist() == [["expected", 0.9], ["realised", 0.91]]
    assert set(rows["line"]) == set(charts.EXPECTED_LINES)


@given(st.lists(st.integers(1, 28), min_size=1, max_size=10, unique=True))
def test_whatever_windows_there_are_no_cell_reaches_into_the_next(days):
    cells = series.heat_rows([item(day) for day in sorted(days)], ["temp"], ("", ""))
    assert all(cells["end"].iloc[:-1].to_numpy() <= cells["start"].iloc[1:].to_numpy())
