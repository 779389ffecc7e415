"""Values of a later release: unknown ones of enumerations, and incidents about Driftline itself."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

import api.answers
from tests.consumers.stored import alert, decision, feature, heartbeat, metric, window

SEVERE = {"verdict": "cannot_judge", "severity": "notice"}


def hints(hint: Any) -> Iterator[Any]:
    """A type and all types inside it."""
    yield hint
    if get_origin(hint) is not Literal:
        for inside in get_args(hint):
            yield from hints(inside)


ANSWERS = [
    found
    for name in api.answers.__all__
    if isinstance(found := getattr(api.answers, name), type) and issubclass(found, BaseModel)
]


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_has_a_closed_enumeration_because_the_dashboard_reads_it(answer):
    for field in answer.model_fields.values():
        found = list(hints(field.annotation))
        assert Literal not in map(get_origin, found)
        assert not any(isinstance(one, type) and issubclass(one, Enum) for one in found)


def test_unknown_values_are_stored_and_answered_as_they_are(client, watched):
    topic, document = window(0, status="final")
    document["data"] |= {"status": "sampled", "features": [feature("temp", **SEVERE)]}
    document["performance"]["metrics"] = {"accuracy": metric(severity="notice")}
    watched(
        (topic, document),
        alert("muted", severity="notice", state="muted", reason="asked"),
        decision(decision="ask"),
        heartbeat("advise"),
    )
    drift = client.get("/drift/data").json()
    assert drift["window"]["status"] == "sampled"
    assert {name: drift["features"][0][name] for name in SEVERE} == SEVERE
    assert client.get("/metrics/latest").json()["metrics"]["accuracy"]["severity"] == "notice"
    (incident,) = client.get("/alerts").json()["items"]
    found = (incident["severity"], incident["state"], incident["reason"])
    assert found == ("notice", "muted", "asked")
    assert client.get("/retraining/status").json()["decision"] == "ask"
    assert client.get("/health").json()["roles"][0]["role"] == "advise"


@pytest.mark.parametrize("reason", ["recovered", "retired", "stale", "rebased"])
def test_incident_is_answered_with_the_reason_of_its_resolution(client, watched, reason):
    watched(alert("opened"), alert("resolved", day=1, reason=reason))
    (incident,) = client.get("/alerts?state=resolved").json()["items"]
    assert incident["reason"] == reason


def test_stale_incident_is_answered_with_the_incident_that_made_it_stale(client, watched):
    watched(alert("opened"), alert("resolved", day=1, reason="stale", caused_by="rows"))
    assert client.get("/incidents/91ab").json()["caused_by"] == "rows"


def test_incident_about_driftline_itself_has_no_model_and_no_filter_breaks(client, watched):
    own = {"model": None, "version": None, "kind": "driftline", "subject": "driftline/store"}
    watched(alert(incident="own", **own), alert())
    answer = client.get("/incidents/own").json()
    assert (answer["model"], answer["version"]) == (None, None)
    for path in ("/alerts", "/incidents", "/incidents?model=flight-delay&state=open"):
        assert [item["id"] for item in client.get(path).json()["items"]] == ["91ab"]
    metrics = client.get("/metrics").text
    labels = 'kind="driftline",model="",segment="",severity="warning",version=""'
    assert f"driftline_open_incidents{{{labels}}} 1.0" in metrics
    events = client.get("/events", headers={"Last-Event-ID": "unknown"}).text
    assert events.count("data: ") == 2
    of_model = client.get("/events?model=flight-delay", headers={"Last-Event-ID": "unknown"}).text
    assert of_model.count("data: ") == 1
