"""Overview: is my model all right, in words; what is open; how old that is."""

import pytest

from tests.dashboard.fake import (
    FakeApi,
    boxes,
    feature,
    health,
    incident,
    model,
    role,
    said,
    shown,
    window,
)


def watching(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


def test_it_opens_on_the_question():
    assert shown("overview", watching(window())).title[0].value == "Is flight-delay all right?"


def test_without_windows_it_says_what_to_start():
    app = shown("overview", watching())
    assert boxes(app) == ["info"]
    assert "Not known yet" in said(app)
    assert "driftline simulate" in said(app)


def test_one_calm_window_is_a_yes():
    app = shown("overview", watching(window(1)))
    assert boxes(app) == ["success"]
    assert "Yes, as far as the data tell.** Nothing is open, up to the window 2013-04-01" in said(
        app
    )


def test_performance_that_nobody_could_judge_yet_is_said_with_the_yes():
    app = shown("overview", watching(window(1, labels="provisional")))
    assert "performance is not judged yet" in said(app)


@pytest.mark.parametrize(
    ("severities", "box", "answer"),
    [
        (["warning"], "warning", "Perhaps not.** Open: 1 warning incident."),
        (["critical"], "error", "No.** Open: 1 critical incident."),
        (
            ["warning", "critical", "warning"],
            "error",
            "No.** Open: 1 critical incident and 2 warning incidents.",
        ),
    ],
)
def test_what_is_open_is_the_answer(severities, box, answer):
    api = watching(window())
    api.incidents["flight-delay"] = [
        incident(str(i), severity=severity) for i, severity in enumerate(severities)
    ]
    app = shown("overview", api)
    assert boxes(app) == [box]
    assert answer in said(app)


def test_an_open_incident_stands_with_its_evidence_and_its_links():
    api = watching(window())
    api.incidents["flight-delay"] = [incident()]
    words = said(shown("overview", api))
    assert "◆ **temp** (data) · critical · open · opened 2013-04-03" in words
    assert "the distribution moved by 0.41 in the window 2013-04-02." in words
    assert "[The whole story] alerts {'incident': '91ab'}" in words
    feature_link = "[Its distribution] drift {'feature': 'temp', 'window': '2013-04-02T00:00:00Z/"
    assert feature_link in words


def test_of_many_open_incidents_some_are_shown_and_the_others_linked():
    api = watching(window())
    api.incidents["flight-delay"] = [incident(str(i)) for i in range(7)]
    words = said(shown("overview", api))
    assert words.count("[The whole story]") == 5
    assert "[All 7 open incidents] alerts {}" in words


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"missing": ["join"]}, "role join was never heard of"),
        (
            {"roles": [role("join", status="silent", heartbeat_age_s=240)]},
            "silent (last heard of 4 min",
        ),
        ({"roles": [role("store", status="problem", problem="disk full")]}, "disk full"),
    ],
)
def test_calm_means_nothing_while_driftline_itself_is_not_well(trouble, reason):
    api = watching(window())
    api.health = health(**trouble) if "missing" in trouble else health(*trouble["roles"])
    app = shown("overview", api)
    assert boxes(app) == ["info"]
    assert reason in said(app)


def test_a_worker_whose_work_others_took_over_is_no_trouble():
    api = watching(window())
    api.health = health(role("join", status="replaced"), role("detect"))
    assert boxes(shown("overview", api)) == ["success"]


@pytest.mark.parametrize(
    ("newest", "reason"),
    [
        (window(1, status="incomplete"), "reaches back before the first row"),
        (window(1, status="no_data"), "holds no row"),
        (window(1, feature("temp", verdict="insufficient_data")), "too few rows to judge any"),
    ],
)
def test_a_window_that_decides_nothing_is_not_a_yes(newest, reason):
    app = shown("overview", watching(newest))
    assert boxes(app) == ["info"]
    assert reason in said(app)


def test_one_feature_without_enough_rows_is_said_with_the_yes():
    few = feature("temp", verdict="insufficient_data")
    app = shown("overview", watching(window(1, few, feature("distance"))))
    assert boxes(app) == ["success"]
    assert "Too few rows to judge: temp." in said(app)


def test_it_tells_how_old_the_data_are_by_their_own_time_and_by_the_clock():
    api = watching(window(7))
    api.health = health(role("aggregate", lag=12, progress_age_s=4.0))
    words = said(shown("overview", api))
    assert "The newest window ends 2013-04-08 (event time, UTC)" in words
    assert "last took in anything 4 s ago" in words
    assert "12 records still to be read" in words


def test_of_two_models_each_has_its_answer():
    api = FakeApi(model("flight-delay"), model("credit"))
    api.windows = {"flight-delay": [window()], "credit": [window(of="credit")]}
    api.incidents["credit"] = [incident(model="credit")]
    app = shown("overview", api)
    assert boxes(app) == ["success"]
    answers = next(t.value for t in app.table if "all right?" in t.value.columns)
    assert list(answers["all right?"]) == ["✔ Yes, as far as the data tell.", "◆ No."]


def test_production_stands_beside_the_baseline():
    app = shown("overview", watching(window(1), window(2, labels="provisional")))
    performance = app.table[0].value
    assert list(performance.loc["Recall"]) == [
        "0.900",
        "0.910",
        "0.880 to 0.940",
        "0.910",
        "✔ not degraded",
    ]
