"""Answers are about the whole, or about the segment that was asked for."""

from __future__ import annotations

import pytest

from monitor.identity import segment_text
from tests.consumers.stored import APRIL, DAY, alert, rfc3339, window

SEGMENT = segment_text({"carrier": "A/B", "origin": "EWR"})
OF_WINDOWS = ["/drift/data", "/drift/concept", "/metrics/latest"]
LISTS = ["/windows", "/metrics/history", "/alerts", "/incidents"]


@pytest.fixture
def segmented(watched):
    """The whole with windows of two days and two incidents; a segment with one of each."""
    watched(window(0), window(1), window(2, segment=SEGMENT))
    for incident, fields in (("a", {}), ("b", {}), ("c", {"segment": SEGMENT})):
        opened_at = rfc3339(APRIL + ord(incident) * DAY)
        watched(alert(incident=incident, opened_at=opened_at, **fields))


@pytest.mark.parametrize(("asked", "day"), [("", 2), (SEGMENT, 3)])
@pytest.mark.parametrize("path", OF_WINDOWS)
@pytest.mark.usefixtures("segmented")
def test_newest_window_is_that_of_the_segment(client, path, asked, day):
    answer = client.get(path, params={"segment": asked}).json()
    assert (answer["segment"], answer["window"]["start"][:10]) == (asked, f"2013-04-0{day}")


@pytest.mark.parametrize(("asked", "count"), [("", 2), (SEGMENT, 1)])
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("segmented")
def test_lists_hold_what_belongs_to_the_segment(client, path, asked, count):
    items = client.get(path, params={"segment": asked}).json()["items"]
    assert [item["segment"] for item in items] == [asked] * count


@pytest.mark.parametrize("path", [*OF_WINDOWS, *LISTS])
@pytest.mark.usefixtures("segmented")
def test_answers_are_about_the_whole_by_default(client, path):
    assert client.get(path).json() == client.get(path, params={"segment": ""}).json()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.usefixtures("segmented")
def test_pages_stay_within_the_segment(client, path):
    found, asked = [], {"limit": 1}
    while asked:
        answer = client.get(path, params=asked).json()
        found += [item["segment"] for item in answer["items"]]
        asked = {"limit": 1, "cursor": answer["next"]} if answer["next"] else {}
    assert found == ["", ""]


@pytest.mark.parametrize("path", OF_WINDOWS)
@pytest.mark.usefixtures("segmented")
def test_segment_that_nothing_is_known_of_has_no_data(client, path):
    answer = client.get(path, params={"segment": "carrier=ZZ"}).json()
    assert answer["segment"] == "carrier=ZZ"
    assert (answer["window"], answer["status"]) == (None, "no_data")


@pytest.mark.parametrize("text", ["UA", "origin=EWR&carrier=UA", "carrier=\x00"])
@pytest.mark.parametrize("path", ["/drift/data", "/alerts"])
@pytest.mark.usefixtures("segmented")
def test_text_that_no_segment_has_is_answered_with_404(client, path, text):
    answer = client.get(path, params={"segment": text})
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")
    assert "is not a segment: expected name=value pairs" in answer.json()["detail"]


@pytest.mark.usefixtures("segmented")
def test_incident_names_its_segment_and_all_events_are_in_the_stream(client):
    assert client.get("/incidents/c").json()["segment"] == SEGMENT
    events = client.get("/events", headers={"Last-Event-ID": "unknown"}).text
    assert events.count("data: ") == 3


@pytest.mark.usefixtures("segmented")
def test_metrics_count_open_incidents_by_segment(client):
    lines = client.get("/metrics").text.splitlines()
    labels = 'kind="data",model="flight-delay",segment="{}",severity="warning",version="1"'
    for segment, count in (("", 2.0), (SEGMENT, 1.0)):
        assert f"driftline_open_incidents{{{labels.format(segment)}}} {count}" in lines
    ends = [line for line in lines if line.startswith("driftline_window_end_timestamp_seconds{")]
    assert len(ends) == 1


def test_segments_are_listed_those_with_most_incidents_first(client, watched):
    first, second = "carrier=AA", "carrier=UA"
    watched(window(0), window(1, segment=first), window(2, segment=first))
    watched(window(0, segment=second))
    for incident, fields in (("a", {}), ("b", {"segment": second, "severity": "warning"})):
        watched(alert(incident=incident, **fields))
    answer = client.get("/segments").json()
    assert [one["segment"] for one in answer["items"]] == [second, first]
    most, least = answer["items"]
    assert (most["severity"], most["critical"], most["warning"]) == ("warning", 0, 1)
    assert most["subjects"] == [alert()[1]["subject"]]
    assert (least["severity"], least["window"]["start"][:10]) == (None, "2013-04-03")


def test_version_without_segments_has_an_empty_list(client, watched):
    watched(window(0))
    assert client.get("/segments").json()["items"] == []
