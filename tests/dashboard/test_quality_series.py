"""Rows of the charts about what was counted."""

from api.answers import WindowItem
from dashboard import chart_styles, quality_series, series
from tests.dashboard.documents import feature, window


def item(day, **fields):
    document = window(day)
    document["data"]["features"] = [feature("temp", rows=200, **fields)]
    return WindowItem.model_validate(document)


def shares(*items):
    rows = quality_series.share_rows(items, series.feature_named("temp"))
    return {line: list(of["value"]) for line, of in rows.groupby("line")}


def test_columns_exist_without_rows():
    rows = quality_series.share_rows([], series.feature_named("temp"))
    assert list(rows.columns) == quality_series.SHARE_COLUMNS
    assert list(quality_series.volume_rows([]).columns) == quality_series.VOLUME_COLUMNS


def test_share_is_of_the_rows_of_the_window():
    unseen = {"rows": 50, "values": {"new": 50}}
    odd = {"missing": 20, "wrong_type": 2, "not_finite": 1, "out_of_range": 4, "unseen": unseen}
    found = shares(item(1, **odd), item(2, **{**odd, "missing": 0}))
    assert found == {
        "missing": [0.1, 0.0],
        "wrong type": [0.01, 0.01],
        "infinite": [0.005, 0.005],
        "out of range": [0.02, 0.02],
        "new categories": [0.25, 0.25],
    }
    assert set(found) == set(chart_styles.SHARE_LINES)


def test_kind_that_a_feature_has_not_has_no_line():
    none = dict.fromkeys(("wrong_type", "not_finite", "out_of_range", "unseen"))
    assert shares(item(1, missing=3, **none)) == {"missing": [0.015]}


def test_window_without_rows_of_the_feature_leaves_a_gap():
    document = window(2)
    document["data"]["features"] = [feature("temp", rows=0, missing=0)]
    assert shares(WindowItem.model_validate(document)) == {}


def test_volume_has_rows_and_labels_of_each_window():
    rows = quality_series.volume_rows([item(1)])
    document = window(1)
    assert list(rows["line"]) == list(chart_styles.VOLUMES)
    assert list(rows["value"]) == [document["data"]["rows"], document["performance"]["labels"]]


def test_window_without_performance_has_no_labels():
    document = window(1)
    document["performance"] = None
    rows = quality_series.volume_rows([WindowItem.model_validate(document)])
    assert list(rows["value"]) == [document["data"]["rows"], 0]
