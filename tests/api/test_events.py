"""GET /events: all transitions, in order, resumable, with comments while idle."""

from __future__ import annotations

import json

import pytest

from tests.consumers.stored import alert, registration


def events(answer) -> list[tuple[str, dict]]:
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(
            line.split(": ", 1) for line in block.splitlines() if line[:1] not in ("", ":")
        )
        if "data" in fields:
            found.append((fields["id"], json.loads(fields["data"])))
    return found


def follow(client, after: str | None = None, **params):
    return client.get("/events", params=params, headers={"Last-Event-ID": after} if after else {})


def test_event_stream_continues_after_last_event_id(client, watched):
    messages = [alert("opened", day=0), alert("escalated", day=1), alert("resolved", day=4)]
    watched(*messages)
    answer = follow(client, "91ab-opened-0")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer) == [(event["id"], event) for _, event in messages[1:]]


def test_event_stream_without_last_event_id_has_only_new_events(client, watched):
    watched(alert())
    assert events(follow(client)) == []


def test_unknown_last_event_id_gets_all_events(client, watched):
    watched(alert("opened"), alert("resolved", day=3))
    assert len(events(follow(client, "of a database long gone"))) == 2


def test_events_of_several_database_reads_are_in_order(client, watched):
    watched(*(alert("repeated", incident=f"{n:04}") for n in range(1_200)))
    ids = [event["data"]["incident"] for _, event in events(follow(client, "unknown"))]
    assert ids == [f"{n:04}" for n in range(1_200)]


def test_event_stream_of_one_model_has_only_its_events(client, watched):
    watched.models(registration("other"))
    watched(alert(incident="a"), alert(incident="b", model="other"))
    found = events(follow(client, "unknown", model="other"))
    assert [event["source"] for _, event in found] == ["/models/other"]


@pytest.mark.usefixtures("watched")
def test_idle_event_stream_sends_comments(client):
    assert ": still here\n\n" in follow(client).text
