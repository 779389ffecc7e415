"""GET /alerts, /incidents, /incidents/{id}, /retraining/status: incidents and decisions."""

from __future__ import annotations

import pytest

from tests.consumers.stored import APRIL, DAY, alert, decision, rfc3339

OPENED = {
    "id": "91ab",
    "model": "flight-delay",
    "version": "1",
    "segment": "",
    "kind": "data",
    "subject": "data/distance",
    "severity": "warning",
    "state": "open",
    "reason": None,
    "caused_by": None,
    "opened_at": "2013-04-02T00:00:00Z",
    "updated_at": "2013-04-02T00:00:00Z",
    "resolved_at": None,
    "window": {"start": "2013-04-01T00:00:00Z", "end": "2013-04-02T00:00:00Z"},
    "evidence": {"decided_by": "ks", "value": 0.31, "threshold": 0.09, "severity": "warning"},
    "message": "data/distance: opened.",
}


@pytest.mark.parametrize("path", ["/alerts", "/incidents"])
def test_incident_has_all_documented_fields(client, watched, path):
    watched(alert())
    assert client.get(path).json() == {"items": [OPENED], "next": None}


def test_alerts_have_one_item_per_incident_in_its_current_state(client, watched):
    watched(alert("opened", day=0), alert("escalated", day=1), alert("resolved", day=4))
    (item,) = client.get("/alerts").json()["items"]
    assert (item["state"], item["opened_at"], item["resolved_at"]) == (
        "resolved",
        "2013-04-02T00:00:00Z",
        "2013-04-06T00:00:00Z",
    )


def test_incident_has_all_of_its_transitions(client, watched):
    messages = [alert("opened", day=0), alert("escalated", day=1)]
    watched(*messages, alert(incident="another"))
    answer = client.get("/incidents/91ab").json()
    assert answer["severity"] == "critical"
    assert answer["transitions"] == [event for _, event in messages]


@pytest.mark.parametrize("id", ["nobody", "a%00b", "%F0%9F%A6%86"])
@pytest.mark.usefixtures("watched")
def test_unknown_incident_is_answered_with_404(client, id):
    assert client.get(f"/incidents/{id}").status_code == 404


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"state": "open"}, ["c", "a"]),
        ({"state": "resolved"}, ["b"]),
        ({"severity": "critical"}, ["c"]),
        ({"kind": "performance"}, ["c"]),
        ({"subject": "data/temp"}, ["a"]),
        ({"subject": "data/temp", "state": "resolved"}, []),
        ({"start": rfc3339(APRIL + 2 * DAY)}, ["c", "a"]),
        ({"end": rfc3339(APRIL + 3 * DAY)}, ["b", "a"]),
        ({"start": rfc3339(APRIL + 2 * DAY), "end": rfc3339(APRIL + 2 * DAY + 1)}, ["a"]),
    ],
)
@pytest.mark.parametrize("path", ["/alerts", "/incidents"])
def test_filters_of_incidents_are_combined(client, watched, path, asked, ids):
    watched(
        alert(incident="a", subject="data/temp"),
        alert("resolved", incident="b", day=1, opened_at=rfc3339(APRIL + 2 * DAY)),
        alert(
            incident="c",
            kind="performance",
            subject="performance/recall",
            severity="critical",
            opened_at=rfc3339(APRIL + 3 * DAY),
        ),
    )
    found = client.get(path, params=asked).json()["items"]
    assert [item["id"] for item in found] == ids


def test_pages_of_incidents_contain_all_incidents_newest_first(client, watched):
    for n in range(5):
        watched(alert(incident=f"i{n}", opened_at=rfc3339(APRIL + (n // 2) * DAY)))
    ids, cursor = [], {}
    while cursor is not None:
        page = client.get("/incidents", params={"limit": 2, **cursor}).json()
        ids += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"]} if page["next"] else None
    assert ids == ["i4", "i3", "i2", "i1", "i0"]


def test_retraining_status_is_the_newest_decision_with_its_reasons(client, watched):
    watched(decision(1, decision="retrain"), decision(0))
    assert client.get("/retraining/status").json() == {
        "model": "flight-delay",
        "version": "1",
        "window": None,
        "status": "ok",
        "decision": "retrain",
        "reasons": [
            {
                "condition": "critical_incidents",
                "required": "at least 1 open within the last 1 d",
                "actual": "0",
                "met": False,
            }
        ],
        "decided_at": "2013-04-02T00:00:00Z",
        "life": 0,
    }


@pytest.mark.usefixtures("watched")
def test_retraining_decision_is_none_before_the_first_decision(client):
    answer = client.get("/retraining/status").json()
    assert (answer["decision"], answer["reasons"], answer["decided_at"]) == ("none", [], None)
    assert answer["life"] is None
