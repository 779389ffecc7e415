"""The overview: status of the model, open incidents, performance, freshness, health."""

import pytest

from tests.dashboard.documents import COLLECTING, feature, health, incident, model, role, window
from tests.dashboard.fake import FakeApi, boxes, open_page, page_text


def api_with(*windows):
    api = FakeApi(model())
    api.windows["flight-delay"] = list(windows)
    return api


def test_title_is_the_name_of_the_model():
    assert open_page("overview", api_with(window())).title[0].value == "flight-delay"


def test_page_without_windows_names_the_command_that_starts_the_simulator():
    app = open_page("overview", api_with())
    assert boxes(app) == ["info"]
    assert "**Unknown.**" in page_text(app)
    assert "driftline simulate" in page_text(app)


def test_one_window_without_drift_is_healthy():
    app = open_page("overview", api_with(window(1)))
    assert boxes(app) == ["success"]
    assert "**Healthy.** No open incidents up to the window 2013-04-01." in page_text(app)


def test_healthy_status_mentions_performance_that_is_not_judged_yet():
    app = open_page("overview", api_with(window(1, labels="provisional")))
    assert "Performance is not judged yet" in page_text(app)


@pytest.mark.parametrize(
    ("severities", "box", "answer"),
    [
        (["warning"], "warning", "**Warning.** Open: 1 warning incident."),
        (["critical"], "error", "**Critical.** Open: 1 critical incident."),
        (
            ["warning", "critical", "warning"],
            "error",
            "Open: 1 critical incident and 2 warning incidents; worst: **temp** (data) since",
        ),
    ],
)
def test_most_severe_open_incident_is_the_status(severities, box, answer):
    api = api_with(window())
    api.incidents["flight-delay"] = [
        incident(str(i), severity=severity) for i, severity in enumerate(severities)
    ]
    app = open_page("overview", api)
    assert boxes(app) == [box]
    assert answer in page_text(app)


def test_unknown_verdict_is_shown_as_it_is_and_not_taken_for_health():
    newest = window(1, feature("temp", verdict="surprise"), feature("distance"))
    app = open_page("overview", api_with(newest))
    assert boxes(app) == ["info"]
    assert r"not every feature is judged: temp \(surprise\)" in page_text(app)


def test_open_incident_is_shown_with_its_message_and_links():
    api = api_with(window())
    api.incidents["flight-delay"] = [incident()]
    text = page_text(open_page("overview", api))
    assert "◆ **temp** (data) · Open since 2013-04-03" in text
    assert "The distribution moved by 0.41 in the window 2013-04-02." in text
    assert "[Evidence and history] alerts {'incident': '91ab'}" in text
    feature_link = "[Distribution] drift {'feature': 'temp', 'window': '2013-04-02T00:00:00Z/"
    assert feature_link in text


def test_many_open_incidents_are_shown_in_part_with_a_link_to_all():
    api = api_with(window())
    api.incidents["flight-delay"] = [incident(str(i)) for i in range(7)]
    text = page_text(open_page("overview", api))
    assert text.count("[Evidence and history]") == 5
    assert "[All 7 open incidents] alerts {}" in text


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ({"missing": ["join"]}, "the role join is not running"),
        (
            {"roles": [role("join", status="silent", heartbeat_age_s=240)]},
            "join-0 is silent (last heartbeat 4 min ago)",
        ),
        ({"roles": [role("store", status="problem", problem="disk full")]}, "disk full"),
    ],
)
def test_status_is_unknown_while_a_role_has_a_problem(problem, reason):
    api = api_with(window())
    api.health = health(**problem) if "missing" in problem else health(*problem["roles"])
    app = open_page("overview", api)
    assert boxes(app) == ["warning", "info"]
    assert "**Driftline itself has a problem:**" in app.warning[0].value
    assert reason in app.warning[0].value
    assert reason in page_text(app)


def test_role_that_is_silent_is_told_beside_open_incidents():
    api = api_with(window())
    api.incidents["flight-delay"] = [incident()]
    api.health = health(role("detect", status="silent", heartbeat_age_s=240))
    app = open_page("overview", api)
    assert boxes(app) == ["error", "warning"]
    assert "detect-0 is silent (last heartbeat 4 min ago)" in app.warning[0].value


def test_healthy_status_names_features_that_cannot_be_judged():
    varying = feature("temp", verdict="cannot_judge", detectable=1.0)
    app = open_page("overview", api_with(window(1, varying, feature("distance"))))
    assert boxes(app) == ["success"]
    assert "Cannot judge, the reference itself varies as much: temp." in page_text(app)


def test_replaced_worker_is_not_a_problem():
    api = api_with(window())
    api.health = health(role("join", status="replaced"), role("detect"))
    assert boxes(open_page("overview", api)) == ["success"]


@pytest.mark.parametrize(
    ("newest", "reason"),
    [
        (window(1, status="incomplete"), "starts before the first row"),
        (window(1, status="no_data"), "has no rows"),
        (window(1, feature("temp", verdict="insufficient_data")), "too few rows to judge any"),
    ],
)
def test_window_that_is_not_judged_is_not_healthy(newest, reason):
    app = open_page("overview", api_with(newest))
    assert boxes(app) == ["info"]
    assert reason in page_text(app)


def test_healthy_status_names_features_with_too_few_rows():
    few = feature("temp", verdict="insufficient_data")
    app = open_page("overview", api_with(window(1, few, feature("distance"))))
    assert boxes(app) == ["success"]
    assert "Too few rows to judge: temp." in page_text(app)


def test_freshness_is_shown_in_event_time_and_by_the_clock():
    api = api_with(window(7))
    api.health = health(role("aggregate", lag=1200, progress_age_s=4.0))
    text = page_text(open_page("overview", api))
    assert "Newest window ends 2013-04-08 (event time, UTC)" in text
    assert "Last activity 4 s ago." in text
    assert "Consumer lag: 1,200 records." in text


@pytest.mark.parametrize(("lag", "shown"), [(9_999, []), (195_064, ["warning"])])
def test_role_that_is_behind_by_more_than_a_window_is_told_above_the_status(lag, shown):
    api = api_with(window())
    api.health = health(role("join", lag=12), role("aggregate", lag=lag))
    app = open_page("overview", api)
    assert boxes(app) == [*shown, "success"]
    assert ("aggregate-0 has 195,064 records still to read." in page_text(app)) == bool(shown)


def test_every_model_has_its_status():
    api = FakeApi(model("flight-delay"), model("credit"))
    api.windows = {"flight-delay": [window()], "credit": [window(model="credit")]}
    api.incidents["credit"] = [incident(model="credit")]
    app = open_page("overview", api)
    assert boxes(app) == ["success"]
    statuses = next(t.value for t in app.table if "status" in t.value and "reason" in t.value)
    assert list(statuses["status"]) == ["✔ Healthy", "◆ Critical"]


def test_performance_table_shows_production_beside_the_baseline():
    app = open_page("overview", api_with(window(1), window(2, labels="provisional")))
    performance = app.table[0].value
    assert list(performance.loc["Recall"]) == [
        "0.900",
        "0.910",
        "✔ not degraded",
        "0.880 to 0.940",
        "0.910",
    ]


def test_health_is_requested_once_for_all_models():
    api = FakeApi(model("flight-delay"), model("credit"))
    open_page("overview", api)
    assert [path for path, _ in api.requests].count("/health") == 1


def test_versions_that_are_collecting_are_shown_with_how_far_they_are():
    api = api_with(window(1))
    api.health = health(collecting=[COLLECTING])
    text = page_text(open_page("overview", api))
    assert "**new · version 1 is collecting its reference:** 7 of 9 rows." in text
