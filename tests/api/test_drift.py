"""GET /drift/data, /drift/concept, /windows: findings of windows, as in the message."""

from __future__ import annotations

from typing import Any

import pytest

from tests.consumers import stored
from tests.consumers.stored import CARRIER, unlabelled_window, window


def feature(name: str, **fields: Any) -> dict[str, Any]:
    """As it is answered: bins come with ``categories`` and medians, which are null."""
    return with_categories(stored.feature(name, **fields))


def with_categories(value: Any) -> Any:
    if isinstance(value, dict):
        inside = {name: with_categories(part) for name, part in value.items()}
        absent = dict.fromkeys(("categories", "reference_median", "window_median"))
        return {**absent, **inside} if "edges" in value else inside
    return [with_categories(part) for part in value] if isinstance(value, list) else value


def test_data_drift_of_the_newest_window_has_all_documented_fields(client, watched):
    watched(window(0), window(1, data_revision=2))
    assert client.get("/drift/data").json() == {
        "model": "flight-delay",
        "version": "1",
        "window": {
            "start": "2013-04-02T00:00:00Z",
            "end": "2013-04-03T00:00:00Z",
            "revision": 2,
            "status": "closed",
        },
        "status": "ok",
        "segment": "",
        "rows": 900,
        "unknown_features": {"gate": 900},
        "features": [feature("temp"), CARRIER],
    }


def test_model_version_and_window_are_the_first_fields(client, watched):
    watched(window())
    assert list(client.get("/drift/data").json())[:3] == ["model", "version", "window"]


@pytest.mark.parametrize(
    ("asked", "start"),
    [
        pytest.param({}, "2013-04-04", id="the newest by default"),
        pytest.param(
            {"start": "2013-04-02T00:00:00Z", "end": "2013-04-03T00:00:00Z"},
            "2013-04-02",
            id="exactly one window",
        ),
        pytest.param({"end": "2013-04-03T23:59:59Z"}, "2013-04-02", id="window partly outside"),
        pytest.param({"start": "2013-04-04T00:00:00Z"}, "2013-04-04", id="start only"),
        pytest.param({"end": "2013-04-02T02:00:00+02:00"}, "2013-04-01", id="other offset"),
    ],
)
def test_range_selects_the_newest_window_that_lies_completely_in_it(client, watched, asked, start):
    watched(*(window(day) for day in range(4)))
    for path in ("/drift/data", "/drift/concept"):
        assert client.get(path, params=asked).json()["window"]["start"] == f"{start}T00:00:00Z"


@pytest.mark.parametrize(
    "asked",
    [
        {"start": "2013-04-01T00:00:01Z", "end": "2013-04-02T00:00:00Z"},
        {"start": "2014-01-01T00:00:00Z"},
        {"start": "2013-04-02T00:00:00Z", "end": "2013-04-01T00:00:00Z"},
    ],
)
def test_range_without_a_window_has_no_data(client, watched, asked):
    watched(window())
    answer = client.get("/drift/data", params=asked).json()
    assert (answer["window"], answer["status"], answer["features"]) == (None, "no_data", [])


def test_concept_drift_has_scores_errors_and_metrics_of_one_window(client, watched):
    watched(window(status="provisional"))
    answer = client.get("/drift/concept").json()
    assert answer == {
        "model": "flight-delay",
        "version": "1",
        "window": {
            "start": "2013-04-01T00:00:00Z",
            "end": "2013-04-02T00:00:00Z",
            "revision": 0,
            "status": "closed",
        },
        "status": "ok",
        "segment": "",
        "prediction": feature("score"),
        "errors": feature("error", rows=700),
        "further": [],
        "expected": {"accuracy": {"value": 0.92, "low": 0.89, "high": 0.95}},
        "realised": {"accuracy": 0.91, "roc_auc": None},
        "difference": {"accuracy": {"value": -0.01, "low": -0.04, "high": 0.02}},
        "detectors": [{"name": "adwin", "drifting": False, "detected_at": None}],
        "performance_status": "provisional",
    }


def test_concept_drift_without_labels_has_scores_but_no_errors(client, watched):
    watched(unlabelled_window())
    answer = client.get("/drift/concept").json()
    assert answer["prediction"]["name"] == "score"
    assert (answer["errors"], answer["realised"], answer["difference"]) == (None,) * 3
    assert answer["performance_status"] == "final"


def test_windows_have_all_parts_of_the_message(client, watched):
    _, message = window(data_revision=2, performance_revision=3)
    watched(("windows", message))
    (item,) = client.get("/windows").json()["items"]
    assert item == {
        "model": "flight-delay",
        "version": "1",
        "segment": "",
        "life": 0,
        "plan": None,
        "window": {
            "start": "2013-04-01T00:00:00Z",
            "end": "2013-04-02T00:00:00Z",
            "revision": 5,
            "status": "closed",
        },
        "data": with_categories(message["data"]),
        "concept": with_categories(message["concept"]),
        "performance": message["performance"],
    }


def test_distributions_false_omits_the_distributions_of_windows(client, watched):
    watched(window())
    (item,) = client.get("/windows?distributions=false").json()["items"]
    assert item["data"]["features"] == [feature("temp", distribution=None), CARRIER]
    assert client.get("/windows").json()["items"][0]["data"]["features"][0]["distribution"]


def test_windows_include_a_window_without_labels(client, watched):
    watched(unlabelled_window())
    (item,) = client.get("/windows").json()["items"]
    assert (item["performance"]["labels"], item["concept"]["errors"]) == (0, None)


def test_unknown_fields_of_messages_are_passed_through(client, watched):
    _, message = window()
    message["data"]["news"] = 1
    message["data"]["features"][0]["wasserstein"] = 0.5
    watched(("windows", message))
    answer = client.get("/drift/data").json()
    assert (answer["news"], answer["features"][0]["wasserstein"]) == (1, 0.5)


def test_history_of_a_feature_has_it_in_all_windows_newest_first(client, watched):
    for day in range(3):
        _, message = window(day)
        message["data"]["features"][0]["statistic"] = day / 10
        watched(("windows", message))
    answer = client.get("/drift/history", params={"feature": "temp", "limit": 2}).json()
    found = [(one["window"]["start"][:10], one["statistic"]) for one in answer["items"]]
    assert found == [("2013-04-03", 0.2), ("2013-04-02", 0.1)]
    assert {one["name"] for one in answer["items"]} == {"temp"}
    rest = client.get("/drift/history", params={"feature": "temp", "cursor": answer["next"]})
    assert [one["statistic"] for one in rest.json()["items"]] == [0.0]


def test_history_of_an_unknown_feature_names_the_features(client, watched):
    watched(window())
    answer = client.get("/drift/history", params={"feature": "tmep"})
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("there is no feature 'tmep'; the features are ")


def test_windows_are_answered_with_the_hash_of_their_settings(client, watched):
    watched(window(0), window(1, plan="8c0f6d2a41b7e953"))
    found = client.get("/windows").json()["items"]
    assert [item["plan"] for item in found] == ["8c0f6d2a41b7e953", None]
