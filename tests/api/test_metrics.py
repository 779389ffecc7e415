"""GET /metrics/baseline, /metrics/latest, /metrics/history: performance of a model."""

from __future__ import annotations

import pytest

from monitor.windows.reference import baseline
from tests.consumers.stored import NOW, metric, profile, registered, window


def test_latest_metrics_are_the_newest_final_window_and_the_newest_provisional_one(client, watched):
    watched(
        window(0),
        window(1, performance_revision=2),
        window(2, status="provisional"),
        window(3, status="provisional"),
    )
    answer = client.get("/metrics/latest").json()
    coming = answer.pop("provisional")
    assert answer == {
        "model": "flight-delay",
        "version": "1",
        "window": {
            "start": "2013-04-02T00:00:00Z",
            "end": "2013-04-03T00:00:00Z",
            "revision": 2,
            "status": "final",
        },
        "status": "ok",
        "segment": "",
        "rows": 900,
        "labels": 700,
        "coverage": 0.7777777777777778,
        "metrics": {"accuracy": metric(), "roc_auc": metric(None, low=None, high=None)},
    }
    assert (coming["window"]["start"], coming["window"]["status"]) == (
        "2013-04-04T00:00:00Z",
        "provisional",
    )


def test_latest_metrics_without_a_final_window_have_only_the_provisional_one(client, watched):
    watched(window(0, status="provisional"))
    answer = client.get("/metrics/latest").json()
    assert (answer["window"], answer["status"], answer["metrics"]) == (None, "no_data", {})
    assert answer["provisional"]["metrics"]["accuracy"] == metric()


def test_latest_metrics_omit_a_provisional_window_older_than_the_final_one(client, watched):
    watched(window(0, status="provisional"), window(1))
    assert client.get("/metrics/latest").json()["provisional"] is None


def test_latest_metrics_pass_over_windows_without_rows(client, watched):
    """They follow where rows have ended, for example after ``--finish``."""
    topic, empty = window(1)
    empty["data"] |= {"status": "no_data", "rows": 0}
    empty["performance"] |= {"rows": 0, "labels": 0, "coverage": None, "metrics": {}}
    watched(window(0), (topic, empty))
    answer = client.get("/metrics/latest").json()
    assert (answer["window"]["start"], answer["rows"]) == ("2013-04-01T00:00:00Z", 900)


@pytest.mark.usefixtures("watched")
def test_baseline_has_the_metrics_of_the_profile(client):
    answer = client.get("/metrics/baseline").json()
    measured = baseline(profile())
    assert {name: m["value"] for name, m in answer.pop("metrics").items()} == {
        name: m.value for name, m in measured.items()
    }
    assert answer == {
        "model": "flight-delay",
        "version": "1",
        "window": {
            "start": "2013-03-01T00:00:00Z",
            "end": "2013-03-01T04:00:00Z",
            "revision": 0,
            "status": "reference",
        },
        "status": "ok",
        "rows": 400,
        "threshold": 0.5,
    }


def test_baseline_of_a_reference_without_labels_has_no_metrics(client, feed):
    feed.models(registered(profile("m", labelled=False), "hash", NOW))
    answer = client.get("/metrics/baseline").json()
    assert (answer["status"], answer["rows"], answer["metrics"]) == ("ok", 400, {})


def test_metrics_history_is_newest_first_with_the_status_of_each_window(client, watched):
    watched(window(0), window(2, status="provisional"), window(1))
    found = client.get("/metrics/history").json()["items"]
    assert [(item["window"]["start"][:10], item["window"]["status"]) for item in found] == [
        ("2013-04-03", "provisional"),
        ("2013-04-02", "final"),
        ("2013-04-01", "final"),
    ]
    assert found[0]["metrics"] == {
        "accuracy": metric(),
        "roc_auc": metric(None, low=None, high=None),
    }
    assert (found[0]["rows"], found[0]["labels"]) == (900, 700)


def test_metrics_history_has_only_windows_in_the_requested_range(client, watched):
    watched(*(window(day) for day in range(5)))
    range_query = {"start": "2013-04-02T00:00:00Z", "end": "2013-04-04T00:00:00Z"}
    found = client.get("/metrics/history", params=range_query).json()["items"]
    assert [item["window"]["start"][:10] for item in found] == ["2013-04-03", "2013-04-02"]


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
@pytest.mark.parametrize("path", ["/metrics/history", "/windows"])
def test_pages_of_windows_contain_all_windows_newest_first(client, watched, path, limit):
    watched(*(window(day) for day in range(5)))
    items, cursor = [], {}
    while cursor is not None:
        page = client.get(path, params={"limit": limit, **cursor}).json()
        assert len(page["items"]) <= limit
        items += page["items"]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert [item["window"]["start"][8:10] for item in items] == ["05", "04", "03", "02", "01"]


def test_next_page_is_not_affected_by_newer_windows(client, watched):
    watched(*(window(day) for day in range(4)))
    first = client.get("/windows?limit=2").json()
    watched(window(4))
    second = client.get("/windows", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["window"]["start"][8:10] for item in second["items"]] == ["02", "01"]
