"""Rows of charts."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.answers import Distribution, Feature, Incident, WindowItem
from dashboard import chart_styles, formats, labels, series
from dashboard.window_parameter import to_parameter
from tests.dashboard.documents import drifted, feature, incident, metric, window


def item(*arguments, **fields):
    return WindowItem.model_validate(window(*arguments, **fields))


def lines(rows, name):
    return rows[rows["line"] == name]


def test_columns_exist_without_rows():
    assert list(series.metric_rows([], "accuracy").columns) == series.METRIC_COLUMNS
    assert list(series.heat_map_rows([], ["temp"], ("temp", "")).columns) == series.HEAT_MAP_COLUMNS
    assert list(series.distance_rows([], series.score).columns) == series.DISTANCE_COLUMNS


def test_metric_has_its_interval_its_baseline_and_its_critical_limit():
    rows = series.metric_rows([item(1)], "recall")
    assert list(rows["line"]) == ["measured", "baseline", "critical limit"]
    assert list(rows["value"]) == [0.91, 0.92, 0.83]
    assert lines(rows, "measured").iloc[0][["low", "high"]].tolist() == [0.88, 0.94]
    assert rows["start"].iloc[0] == 1_364_774_400_000  # milliseconds, in UTC


@pytest.mark.parametrize(
    ("labels", "severity", "kind"),
    [
        ("final", None, labels.FINAL),
        ("provisional", None, labels.PROVISIONAL),
        ("final", "warning", labels.DEGRADED["warning"]),
        ("final", "critical", labels.DEGRADED["critical"]),
        ("provisional", "critical", labels.PROVISIONAL),
    ],
)
def test_provisional_and_degraded_points_are_of_different_kinds(labels, severity, kind):
    one = window(1, labels=labels)
    one["performance"]["metrics"]["recall"] = metric(severity=severity)
    rows = series.metric_rows([WindowItem.model_validate(one)], "recall")
    assert lines(rows, "measured")["kind"].tolist() == [kind]
    assert kind in chart_styles.METRIC_KINDS


def test_undefined_metric_leaves_a_gap():
    one = window(1)
    one["performance"]["metrics"]["precision"] = metric(None, low=None, high=None)
    rows = lines(series.metric_rows([WindowItem.model_validate(one)], "precision"), "measured")
    assert pd.isna(rows["value"].iloc[0])
    assert rows["shown"].iloc[0] == formats.NO_VALUE


def test_window_without_performance_is_left_out():
    assert series.metric_rows([item(1, performance=None)], "recall").empty


@pytest.mark.parametrize(
    ("document", "status", "verdict"),
    [
        (feature(), "closed", labels.NO_DRIFT),
        (drifted(severity="warning"), "closed", labels.WARNING),
        (drifted(severity="critical"), "closed", labels.CRITICAL),
        (feature(verdict="insufficient_data"), "closed", labels.TOO_FEW_ROWS),
        (feature(kind="categorical", statistic=None), "closed", labels.NOT_TESTED),
        (drifted(), "incomplete", labels.NOT_JUDGED),
        (None, "no_data", labels.NO_ROWS),
    ],
)
def test_verdict_of_a_cell_is_one_of_the_chart(document, status, verdict):
    one = item(1, status=status)
    feature = None if document is None else Feature.model_validate(document)
    assert series.verdict(one, feature) == verdict
    assert verdict in chart_styles.VERDICTS


def test_every_verdict_has_a_symbol_of_its_own():
    assert len({name.split()[0] for name in chart_styles.VERDICTS}) == len(chart_styles.VERDICTS)
    assert len({name.split()[0] for name in chart_styles.METRIC_KINDS}) == len(
        chart_styles.METRIC_KINDS
    )


def test_heat_map_has_a_cell_per_feature_and_window_and_marks_the_chosen_one():
    windows = [item(1), item(2, drifted("temp"), feature("distance"))]
    at = to_parameter(windows[1].window)
    cells = series.heat_map_rows(windows, ["temp", "distance"], ("temp", at))
    assert len(cells) == 4
    chosen = cells[cells["chosen"]]
    assert chosen[["feature", "window", "verdict", "shown"]].to_numpy().tolist() == [
        ["temp", "2013-04-02", labels.CRITICAL, "0.410"]
    ]


@pytest.mark.parametrize(
    ("figures", "excess"),
    [
        ({"statistic": 0.18, "persistent": 0.5}, 2.0),  # of the noise of 0.09
        ({"statistic": 0.9, "persistent": 0.33}, 2.0),  # of 0.165, with the normal variation
        ({"statistic": 0.9, "threshold": None}, 0.0),
    ],
)
def test_colour_of_a_cell_is_how_far_it_lies_beyond_both_limits(figures, excess):
    cells = series.heat_map_rows([item(1, feature("temp", **figures))], ["temp"], ("", ""))
    assert cells["excess"].tolist() == pytest.approx([excess])


def test_open_incident_is_marked_since_it_opened_also_for_features_grouped_with_it():
    grouped = {"decided_by": "ks", "grouped": ["data/distance"]}
    opened = Incident.model_validate(incident(evidence=grouped))  # on 3 April
    windows = [item(day, feature("temp"), feature("distance"), feature("dewp")) for day in (2, 3)]
    names = ["temp", "distance", "dewp"]
    cells = series.heat_map_rows(windows, names, ("", ""), [opened])
    marked = cells[cells["incident"]]
    assert marked[["feature", "window"]].to_numpy().tolist() == [
        ["temp", "2013-04-03"],
        ["distance", "2013-04-03"],
    ]


def test_window_in_which_nothing_could_be_told_is_no_healthy_cell():
    varying = item(1, feature("temp", statistic=0.9, verdict="ok", detectable=1.0))
    assert series.heat_map_rows([varying], ["temp"], ("", ""))["verdict"].tolist() == [
        labels.CANNOT_JUDGE
    ]


def test_cell_ends_where_the_next_window_starts():
    """Windows of a day that start every twelve hours::

    [1 ------------------)
              [2 ------------------)
    """
    first = window(1)
    second = window(1)
    second["window"] |= {"start": "2013-04-01T12:00:00Z", "end": "2013-04-02T12:00:00Z"}
    windows = [WindowItem.model_validate(w) for w in (first, second)]
    cells = series.heat_map_rows(windows, ["temp"], ("", ""))
    half_a_day = 12 * 3_600_000
    assert (cells["end"] - cells["start"]).tolist() == [half_a_day, half_a_day]


def test_missing_window_leaves_a_gap_in_the_heat_map():
    cells = series.heat_map_rows([item(1), item(2), item(9)], ["temp"], ("", ""))
    assert set(cells["end"] - cells["start"]) == {24 * 3_600_000}


def test_psi_replaces_the_distance_of_categories_that_are_not_tested():
    carrier = feature("carrier", kind="categorical", statistic=None, psi=0.2, threshold=None)
    cells = series.heat_map_rows([item(1, carrier)], ["carrier"], ("", ""))
    assert cells[["excess", "shown"]].to_numpy().tolist() == [[0.0, "0.200 (PSI)"]]


def test_distance_and_its_sustained_part_have_the_limits_that_decide():
    rows = series.distance_rows([item(1)], series.feature_named("temp"))
    assert dict(zip(rows["line"], rows["value"], strict=True)) == {
        "distance": 0.05,
        "distance limit": 0.09,
        "sustained": 0.03,
        "sustained limit": pytest.approx(0.12 + 0.09 / 2),
    }
    assert set(rows["line"]) == set(chart_styles.DISTANCE_LINES)


def test_chosen_window_is_marked_in_the_line():
    windows = [item(1), item(2)]
    at = to_parameter(windows[0].window)
    rows = lines(series.distance_rows(windows, series.score, at), "distance")
    assert rows["chosen"].tolist() == [True, False]


def test_errors_without_labels_have_no_rows():
    without = window(1)
    without["concept"]["errors"] = None
    assert series.distance_rows([WindowItem.model_validate(without)], series.error).empty
    assert series.distance_rows([item(1, concept=None)], series.error).empty


def test_few_features_are_all_shown_in_the_order_of_the_profile():
    assert series.heat_map_features([item(1)], ["temp", "distance"], "temp") == ["temp", "distance"]


def test_heat_map_of_very_many_features_shows_the_most_severe_and_the_chosen_one():
    names = [f"f{i:03}" for i in range(200)]
    documents = [
        *(feature(name, statistic=0.001 * i) for i, name in enumerate(names)),
        drifted("critical", severity="critical", statistic=0.02),
        drifted("warned", severity="warning", statistic=0.9),
    ]
    names += ["critical", "warned"]
    names_shown = series.heat_map_features([item(1, *documents)], names, "f000")
    assert len(names_shown) == series.MAX_HEAT_MAP_ROWS
    assert {"f000", "critical", "warned", "f199"} <= set(names_shown)
    assert names_shown == sorted(names_shown, key=names.index)


def test_most_severe_verdict_comes_before_the_largest_distance():
    windows = [item(1, drifted("a", severity="warning", statistic=0.9), drifted("b"))]
    rank = series.severity_order(windows)
    assert min(rank, key=rank.__getitem__) == "b"


NUMERIC = {"edges": [1.0, 2.5], "reference": [0.2, 0.3, 0.5], "window": [0.1, 0.1, 0.8], "at": 2.0}
NAMED = {"categories": ["UA", "DL"], "reference": [0.6, 0.4], "window": [0.5, 0.5]}


def distribution_rows(distribution):
    found = None if distribution is None else Distribution.model_validate(distribution)
    return series.distribution_rows(found)


def test_bins_are_named_by_their_edges_and_the_last_one_is_open():
    rows = distribution_rows(NUMERIC)
    assert rows["bin"].tolist() == ["up to 1", "1 to 2.5", "above 2.5"] * 2
    assert rows["edge"].tolist()[:2] == [1.0, 2.5]
    assert pd.isna(rows["edge"].iloc[2])
    assert set(rows["at"]) == {2.0}


def test_cumulative_proportions_are_computed_for_each_distribution():
    rows = distribution_rows(NUMERIC)
    summed = rows[rows["source"] == "window"]["cumulative"].tolist()
    assert summed == pytest.approx([0.1, 0.2, 1.0])
    assert set(rows["source"]) == set(chart_styles.SOURCES)


def test_bins_of_categories_are_their_names():
    rows = distribution_rows(NAMED)
    assert rows["bin"].tolist() == ["UA", "DL"] * 2
    assert rows["edge"].isna().all()


@pytest.mark.parametrize(
    "distribution",
    [None, {**NUMERIC, "window": [1.0]}, {"reference": [1.0], "window": [1.0]}],
)
def test_missing_or_inconsistent_distribution_has_no_rows(distribution):
    assert distribution_rows(distribution).empty


def test_estimated_performance_has_a_line_beside_the_realised_one():
    one = window(1)
    one["concept"]["expected"] = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}}
    windows = [WindowItem.model_validate(one)]
    rows = series.expected_rows(windows, "accuracy")
    assert series.expected_rows(windows, "recall")["value"].isna().all()
    assert rows[["line", "value"]].to_numpy().tolist() == [["expected", 0.9], ["realised", 0.91]]
    assert set(rows["line"]) == set(chart_styles.EXPECTED_LINES)


@given(st.lists(st.integers(1, 28), min_size=1, max_size=10, unique=True))
def test_cells_never_overlap(days):
    cells = series.heat_map_rows([item(day) for day in sorted(days)], ["temp"], ("", ""))
    assert all(cells["end"].iloc[:-1].to_numpy() <= cells["start"].iloc[1:].to_numpy())


def test_sustained_limit_of_categories_has_three_quarters_of_the_noise():
    carrier = feature("carrier", kind="categorical")
    rows = series.distance_rows([item(1, carrier)], series.feature_named("carrier"))
    assert lines(rows, "sustained limit")["value"].tolist() == pytest.approx([0.12 + 0.75 * 0.09])
