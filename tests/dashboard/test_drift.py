"""The page of the data: features over windows, and one of them from close by."""

import pytest

from tests.dashboard.fake import (
    FakeApi,
    address,
    boxes,
    charts,
    drifted,
    feature,
    model,
    said,
    shown,
    window,
)


def watching(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


calm = window(1)
moved = window(2, feature("temp"), drifted("distance"))


def test_without_windows_it_says_what_to_start():
    app = shown("drift", watching())
    assert boxes(app) == ["info"]
    assert "driftline simulate" in said(app)


def test_one_window_is_a_map_and_a_feature_over_time():
    app = shown("drift", watching(calm))
    assert not app.exception
    assert charts(app) == 2


def test_it_opens_on_the_feature_that_moved_most_and_says_what_was_found():
    app = shown("drift", watching(calm, moved))
    assert address(app)["feature"] == "distance"
    assert "**◆ drift, critical** in the window 2013-04-02. The distribution lies 0.410" in said(
        app
    )


def test_that_feature_stays_when_another_moves_further():
    api = watching(calm, moved)
    app = shown("drift", api)
    api.windows["flight-delay"].append(window(3, drifted("temp", statistic=0.9)))
    app.run()
    assert address(app)["feature"] == "distance"


def test_an_address_reopens_its_feature_and_its_window():
    first = "2013-04-01T00:00:00Z/2013-04-02T00:00:00Z"
    app = shown("drift", watching(calm, moved), feature="temp", window=first)
    assert [box.value for box in app.selectbox[:2]] == ["temp", first]
    assert "**✔ no drift** in the window 2013-04-01." in said(app)


def test_a_window_older_than_those_shown_reopens_too():
    api = watching(calm, moved)
    old = "2012-01-01T00:00:00Z/2012-01-02T00:00:00Z"
    app = shown("drift", api, feature="temp", window=old)
    assert app.selectbox[1].value == old
    assert ("2012-01-01T00:00:00Z", "2012-01-02T00:00:00Z") in [
        (asked.get("start"), asked.get("end")) for path, asked in api.asked if path == "/drift/data"
    ]
    assert "This window holds no row of it." in said(app)


def test_choosing_is_written_into_the_address():
    app = shown("drift", watching(calm, moved))
    app.selectbox[0].select("temp").run()
    app.selectbox[1].select("2013-04-01T00:00:00Z/2013-04-02T00:00:00Z").run()
    app.selectbox[2].select("200").run()
    assert address(app)["feature"] == "temp"
    assert address(app)["window"] == "2013-04-01T00:00:00Z/2013-04-02T00:00:00Z"
    assert address(app)["last"] == "200"


@pytest.mark.parametrize(
    "nonsense", ["yesterday", "2013-04-01/2013-04-02", "/", "2013-04-01T00:00:00Z/"]
)
def test_a_window_that_is_none_is_the_newest(nonsense):
    app = shown("drift", watching(calm, moved), window=nonsense)
    assert not app.exception
    assert "in the window 2013-04-02" in said(app)


def test_a_feature_that_the_model_lacks_is_said():
    app = shown("drift", watching(calm), feature="colour")
    assert "The model has no feature colour." in said(app)
    assert address(app)["feature"] == "temp"


def test_too_few_rows_are_never_called_no_drift():
    few = feature("temp", rows=9, verdict="insufficient_data", detectable=0.7)
    words = said(shown("drift", watching(window(1, few)), feature="temp"))
    assert "✚ too few rows" in words
    assert "9 rows could not have shown a drift smaller than 0.700" in words
    assert "no drift**" not in words


def test_a_feature_without_any_value_is_said():
    empty = feature("temp", statistic=None, threshold=None)
    assert "No row has a value of it." in said(shown("drift", watching(window(1, empty))))


def test_a_window_that_reaches_back_before_the_first_row_is_not_judged():
    words = said(shown("drift", watching(window(1, status="incomplete")), feature="temp"))
    assert "**… not judged** in the window 2013-04-01" in words


def test_a_feature_without_a_row_in_the_window_is_said():
    app = shown("drift", watching(window(1, feature("distance"))), feature="temp")
    assert "This window holds no row of it." in said(app)
    assert charts(app) == 2


def test_distributions_are_drawn_where_the_api_tells_them():
    api = watching(calm)
    api.distribution = {"edges": [1.0, 2.0], "reference": [0.3] * 3, "window": [0.1] * 3, "at": 1.5}
    app = shown("drift", api)
    assert charts(app) == 4
    assert "how far that is is the KS distance, 0.050" in said(app)


def test_what_a_mark_means_stands_where_the_marks_are():
    assert "`p_value_threshold`. It opens no incident" in said(shown("drift", watching(calm)))


def test_features_that_the_reference_lacks_are_named():
    strange = window(1)
    strange["data"]["unknown_features"] = {"gate": 900}
    assert "Sent, but not in the reference: gate." in said(shown("drift", watching(strange)))


def test_a_model_without_features_is_said():
    bare = {**model(), "features": []}
    app = shown("drift", FakeApi(bare))
    assert boxes(app) == ["info"]


def test_names_are_shown_as_they_are_and_not_as_markdown():
    api = FakeApi(model("flight-delay", "a*b*:red[c]"))
    api.windows["flight-delay"] = [window(1, feature("a*b*:red[c]"))]
    assert r"a\*b\*\:red\[c\]" in shown("drift", api).subheader[0].value
