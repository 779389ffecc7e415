"""The page of data drift: a heat map of features and windows, and one feature in detail."""

import pytest

from tests.dashboard.documents import DISTRIBUTION, drifted, feature, incident, model, window
from tests.dashboard.fake import FakeApi, address, boxes, charts, open_page, page_text


def api_with(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


no_drift = window(1)
with_drift = window(2, feature("temp"), drifted("distance"))


def test_page_without_windows_names_the_command_that_starts_the_simulator():
    app = open_page("drift", api_with())
    assert boxes(app) == ["info"]
    assert "driftline simulate" in page_text(app)


def test_one_window_shows_a_heat_map_and_a_feature_over_time():
    app = open_page("drift", api_with(no_drift))
    assert not app.exception
    assert charts(app) == 3


def test_feature_without_missing_or_odd_values_has_no_chart_of_them():
    none = dict.fromkeys(("missing", "wrong_type", "out_of_range"), 0)
    app = open_page("drift", api_with(window(1, feature("temp", **none))), feature="temp")
    assert charts(app) == 2
    assert "No value of these windows is missing" in page_text(app)


def test_page_opens_on_the_feature_with_the_most_severe_drift():
    app = open_page("drift", api_with(no_drift, with_drift))
    assert address(app)["feature"] == "distance"
    assert "**◆ drift, critical** in the window 2013-04-02. KS 0.410" in page_text(app)


def test_chosen_feature_stays_when_another_drifts_further():
    api = api_with(no_drift, with_drift)
    app = open_page("drift", api)
    api.windows["flight-delay"].append(window(3, drifted("temp", statistic=0.9)))
    app.run()
    assert address(app)["feature"] == "distance"


def test_address_selects_feature_and_window():
    first = "2013-04-01T00:00:00Z/2013-04-02T00:00:00Z"
    app = open_page("drift", api_with(no_drift, with_drift), feature="temp", window=first)
    assert [box.value for box in app.selectbox[:2]] == ["temp", first]
    assert "**✔ no drift** in the window 2013-04-01." in page_text(app)


def test_address_selects_a_window_older_than_those_shown():
    api = api_with(no_drift, with_drift)
    old = "2012-01-01T00:00:00Z/2012-01-02T00:00:00Z"
    app = open_page("drift", api, feature="temp", window=old)
    assert app.selectbox[1].value == old
    assert ("2012-01-01T00:00:00Z", "2012-01-02T00:00:00Z") in [
        (query.get("start"), query.get("end"))
        for path, query in api.requests
        if path == "/drift/data"
    ]
    assert "No rows in this window." in page_text(app)


def test_selections_are_written_to_the_address():
    app = open_page("drift", api_with(no_drift, with_drift))
    app.selectbox[0].select("temp").run()
    app.selectbox[1].select("2013-04-01T00:00:00Z/2013-04-02T00:00:00Z").run()
    app.selectbox[2].select("200").run()
    assert address(app)["feature"] == "temp"
    assert address(app)["window"] == "2013-04-01T00:00:00Z/2013-04-02T00:00:00Z"
    assert address(app)["last"] == "200"


@pytest.mark.parametrize(
    "nonsense", ["yesterday", "2013-04-01/2013-04-02", "/", "2013-04-01T00:00:00Z/"]
)
def test_invalid_window_in_the_address_selects_the_newest(nonsense):
    app = open_page("drift", api_with(no_drift, with_drift), window=nonsense)
    assert not app.exception
    assert "in the window 2013-04-02" in page_text(app)


def test_unknown_feature_in_the_address_shows_a_warning():
    app = open_page("drift", api_with(no_drift), feature="colour")
    assert "The model has no feature colour." in page_text(app)
    assert address(app)["feature"] == "temp"


def test_too_few_rows_are_not_shown_as_no_drift():
    few = feature("temp", rows=9, verdict="insufficient_data", detectable=0.7)
    text = page_text(open_page("drift", api_with(window(1, few)), feature="temp"))
    assert "✚ too few rows" in text
    assert "with 9 rows, only a distance above 0.700 counts as drift" in text
    assert "no drift**" not in text


def test_feature_without_values_is_reported():
    empty = feature("temp", statistic=None, threshold=None)
    assert "No values in this window." in page_text(open_page("drift", api_with(window(1, empty))))


def test_window_that_starts_before_the_first_row_is_not_judged():
    text = page_text(open_page("drift", api_with(window(1, status="incomplete")), feature="temp"))
    assert "**… not judged** in the window 2013-04-01" in text


def test_feature_without_rows_in_the_window_is_reported():
    app = open_page("drift", api_with(window(1, feature("distance"))), feature="temp")
    assert "No rows in this window." in page_text(app)
    assert charts(app) == 2


def test_distributions_are_shown_if_the_api_returns_them():
    api = api_with(no_drift)
    api.distribution = {"edges": [1.0, 2.0], "reference": [0.3] * 3, "window": [0.1] * 3, "at": 1.5}
    app = open_page("drift", api, feature="temp")
    assert charts(app) == 5
    assert "**temp**: reference, and 2013-04-01" in page_text(app)


def test_mark_of_a_p_value_is_explained_on_the_page():
    assert "p-value at or below `p_value_threshold`. It opens no incident" in page_text(
        open_page("drift", api_with(no_drift))
    )


def test_features_missing_in_the_reference_are_named():
    unknown = window(1)
    unknown["data"]["unknown_features"] = {"gate": 900}
    assert "Received, but not in the reference: gate." in page_text(
        open_page("drift", api_with(unknown))
    )


def test_model_without_features_shows_a_message():
    bare = {**model(), "features": []}
    app = open_page("drift", FakeApi(bare))
    assert boxes(app) == ["info"]


def test_names_of_features_are_not_markdown():
    api = FakeApi(model("flight-delay", "a*b*:red[c]"))
    api.windows["flight-delay"] = [window(1, feature("a*b*:red[c]"))]
    assert r"a\*b\*\:red\[c\]" in open_page("drift", api).subheader[0].value


def test_incident_of_the_address_is_drawn_from_its_own_window():
    long = {"start": "2013-03-28T08:00:00Z", "end": "2013-04-09T08:00:00Z"}
    figures = {**incident()["evidence"], "window": long, "distribution": DISTRIBUTION}
    api = api_with(no_drift, with_drift)
    api.incidents["flight-delay"] = [incident(evidence=figures, message="data/temp: KS 0.9.")]
    parameter = f"{long['start']}/{long['end']}"
    app = open_page("drift", api, feature="temp", window=parameter, incident="91ab")
    text = page_text(app)
    assert "**temp**: reference, and 2013-03-28 08:00 to 2013-04-09 08:00" in text
    assert "KS 0.9." in text
    assert "no drift" not in text
    assert "No rows in this window" not in text
    assert charts(app) == 5
    assert boxes(app) == []


def test_another_feature_or_window_leaves_the_incident():
    api = api_with(no_drift, with_drift)
    api.incidents["flight-delay"] = [incident()]
    app = open_page("drift", api, feature="temp", incident="91ab")
    app.selectbox[0].select("distance").run()
    assert "incident" not in address(app)


def test_window_in_which_nothing_could_be_told_has_no_tick():
    varying = feature("temp", statistic=0.9, verdict="cannot_judge", detectable=1.0)
    text = page_text(open_page("drift", api_with(window(1, varying)), feature="temp"))
    assert "**▨ cannot judge** in the window 2013-04-01. KS 0.900. Cannot judge" in text


FOUR_HOURS = "2013-04-02T08:00:00Z/2013-04-02T12:00:00Z"


def test_link_of_an_incident_opens_the_own_window_that_contains_its_window():
    app = open_page("drift", api_with(no_drift, with_drift), feature="temp", window=FOUR_HOURS)
    text = page_text(app)
    assert "**✔ no drift** in the window 2013-04-02." in text
    assert (
        "The chosen period, 2013-04-02 08:00 to 12:00, is not one of the model's windows. Shown:"
        " 2013-04-02." in text
    )
    assert address(app)["window"] == FOUR_HOURS


def test_link_of_an_incident_opens_the_newest_own_window_that_overlaps_if_none_contains_it():
    across = "2013-04-01T22:00:00Z/2013-04-02T02:00:00Z"
    text = page_text(
        open_page("drift", api_with(no_drift, with_drift), feature="distance", window=across)
    )
    assert "**◆ drift, critical** in the window 2013-04-02." in text


def test_long_incident_opens_the_newest_own_window_inside_it():
    days = "2013-04-01T00:00:00Z/2013-04-03T00:00:00Z"
    text = page_text(open_page("drift", api_with(no_drift, with_drift), window=days))
    assert "in the window 2013-04-02." in text


def test_own_window_is_shown_without_a_note():
    own = "2013-04-02T00:00:00Z/2013-04-03T00:00:00Z"
    text = page_text(open_page("drift", api_with(no_drift, with_drift), window=own))
    assert "The chosen period" not in text
