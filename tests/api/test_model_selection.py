"""Which model version is selected: the requested one, or the newest of the only model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from producers.contract.version_info import VersionInfo
from tests.consumers.stored import NOW, alert, registration, version_state, window

ONE_OBJECT = [
    "/metrics/baseline",
    "/metrics/latest",
    "/drift/data",
    "/drift/concept",
    "/retraining/status",
]
LISTS = ["/alerts", "/incidents", "/metrics/history", "/windows"]


@pytest.mark.parametrize("path", ONE_OBJECT)
@pytest.mark.usefixtures("database")
def test_answers_have_no_data_before_the_first_registration(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert list(answer.json().items())[:4] == [
        ("model", None),
        ("version", None),
        ("window", None),
        ("status", "no_data"),
    ]


@pytest.mark.parametrize("path", [*LISTS, "/models"])
@pytest.mark.usefixtures("database")
def test_lists_are_empty_before_the_first_registration(client, path):
    assert client.get(path).json() == {"items": [], "next": None}


@pytest.mark.parametrize("path", [p for p in ONE_OBJECT if p != "/metrics/baseline"])
@pytest.mark.usefixtures("watched")
def test_answers_name_the_model_but_have_no_data_before_the_first_window(client, path):
    answer = client.get(path).json()
    assert (answer["model"], answer["version"]) == ("flight-delay", "1")
    assert (answer["window"], answer["status"]) == (None, "no_data")


@pytest.mark.parametrize("path", [*ONE_OBJECT, *LISTS])
def test_default_version_is_the_one_registered_last(client, feed, path):
    feed.models(
        registration(version="10", at_ms=NOW - 1),
        registration(version="9", at_ms=NOW),
        registration(version="8", at_ms=NOW - 2),
    )
    feed(window(version="9"), window(version="10"), alert(version="9"))
    answer = client.get(path).json()
    found = answer["items"][0] if path in LISTS else answer
    assert found["version"] == "9"


@pytest.mark.parametrize("path", ONE_OBJECT)
@pytest.mark.parametrize(
    ("states", "selected"),
    [
        pytest.param({}, "3", id="none has rows: the newest"),
        pytest.param({"1": "live"}, "1", id="the live one"),
        pytest.param({"1": "live", "2": "shadow", "3": "retired"}, "1", id="live among others"),
        pytest.param({"1": "shadow", "2": "shadow", "3": "retired"}, "2", id="none is live"),
        pytest.param(dict.fromkeys("123", "retired"), "3", id="all are retired"),
    ],
)
def test_default_version_is_the_live_one_or_the_newest_that_is_not_retired(
    client, feed, path, states, selected
):
    feed.models(*(registration(version=v, at_ms=NOW - 9 + int(v)) for v in "123"))
    feed(*(version_state(version, state) for version, state in states.items()))
    assert client.get(path).json()["version"] == selected
    assert client.get(path, params={"version": "2"}).json()["version"] == "2"


def test_models_have_their_state_with_who_changed_it_when_and_why(client, feed):
    feed.models(registration(version="1"), registration(version="2"))
    changed = {"by": "ada", "why": "too old"}
    feed(version_state("1", "live"), version_state("1", "retired", **changed))
    states = {item["version"]: item for item in client.get("/models").json()["items"]}
    names = ("state", "state_since", "state_by", "state_why")
    assert [states["1"][name] for name in names] == [
        *("retired", "2026-01-01T00:00:00Z", "ada", "too old")
    ]
    assert [states["2"][name] for name in names] == ["registered", None, None, None]


def test_alerts_default_to_the_newest_version_and_incidents_to_all_versions(client, feed):
    feed.models(registration(version="1", at_ms=NOW - 1), registration(version="2", at_ms=NOW))
    feed(alert(incident="old", version="1"), alert(incident="new", version="2"))

    def ids(path):
        return {item["id"] for item in client.get(path).json()["items"]}

    assert ids("/alerts") == {"new"}
    assert ids("/alerts?version=1") == {"old"}
    assert ids("/incidents") == {"old", "new"}
    assert ids("/incidents?version=1") == {"old"}


@pytest.mark.parametrize("path", [*ONE_OBJECT, *LISTS])
def test_request_must_select_one_of_several_models_and_the_400_lists_them(client, feed, path):
    feed.models(registration("a", at_ms=NOW), registration("b", at_ms=NOW - 1))
    answer = client.get(path)
    assert answer.status_code == 400
    assert answer.json()["models"] == [
        {"model": "a", "version": "1"},
        {"model": "b", "version": "1"},
    ]
    assert client.get(path, params={"model": "b"}).status_code == 200


@pytest.mark.parametrize("path", [*ONE_OBJECT, *LISTS])
@pytest.mark.parametrize("query", [{"model": "nobody"}, {"version": "7"}])
@pytest.mark.usefixtures("watched")
def test_unregistered_model_or_version_is_a_404_that_lists_the_models(client, path, query):
    answer = client.get(path, params=query)
    assert answer.status_code == 404
    assert answer.json()["models"] == [{"model": "flight-delay", "version": "1"}]


@pytest.mark.usefixtures("database")
def test_requested_model_is_a_404_before_the_first_registration(client):
    assert client.get("/drift/data?model=nobody").status_code == 404


def test_models_have_all_documented_fields(client, feed):
    info = VersionInfo(owner="risk", runbook="https://wiki.example", tags={"tier": "1"})
    feed.models(replace(registration(), info=info))
    (item,) = client.get("/models").json()["items"]
    assert item == {
        "model": "flight-delay",
        "version": "1",
        "task": "binary",
        "registered_at": "2025-12-31T00:00:00Z",
        "state": "registered",
        "state_since": None,
        "state_by": None,
        "state_why": None,
        "features": [
            {"name": "temp", "kind": "numeric"},
            {"name": "carrier", "kind": "categorical"},
        ],
        "threshold": 0.5,
        "pane_ms": 3_600_000,
        "rows": 400,
        "labelled": True,
        "reference_start": "2013-03-01T00:00:00Z",
        "reference_end": "2013-03-01T04:00:00Z",
        "owner": "risk",
        "description": None,
        "runbook": "https://wiki.example",
        "tags": {"tier": "1"},
        "segments": [],
        "label_delay_ms": {"p50": 3_600_000, "p90": 3_600_000, "p99": 3_600_000},
    }
