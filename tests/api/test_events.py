"""GET /events: every transition, in order, resumable, and never silent for long."""

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


def test_it_goes_on_after_the_last_event_that_was_seen(client, watched):
    story = [alert("opened", day=0), alert("escalated", day=1), alert("resolved", day=4)]
    watched(*story)
    answer = follow(client, "91ab-opened-0")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert events(answer) == [(event["id"], event) for _, event in story[1:]]


def test_it_begins_with_what_is_new(client, watched):
    watched(alert())
    assert events(follow(client)) == []


def test_an_id_that_is_not_there_any_more_gets_everything(client, watched):
    watched(alert("opened"), alert("resolved", day=3))
    assert len(events(follow(client, "of a database long gone"))) == 2


def test_more_than_fits_into_one_look_comes_in_order_too(client, watched):
    watched(*(alert("repeated", incident=f"{n:04}") for n in range(1_200)))
    ids = [event["data"]["incident"] for _, event in events(follow(client, "unknown"))]
    assert ids == [f"{n:04}" for n in range(1_200)]


def test_a_model_can_be_followed_alone(client, watched):
    watched.models(registration("other"))
    watched(alert(incident="a"), alert(incident="b", model="other"))
    found = events(follow(client, "unknown", model="other"))
    assert [event["source"] for _, event in found] == ["/models/other"]


@pytest.mark.usefixtures("watched")
def test_silence_is_filled_with_comments(client):
    assert ": still here\n\n" in follow(client).text
