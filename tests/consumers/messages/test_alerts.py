"""The message of an alert: a CloudEvent, as its page shows it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from consumers.messages.alert_message import alert_message
from consumers.messages.alerts import decode_alert
from consumers.messages.records import Record
from monitor.decisions.incidents import Change
from monitor.performance.change_by_segment import SegmentShare
from producers.contract.version_info import VersionInfo
from tests.consumers.in_memory import T0
from tests.consumers.messages.examples import (
    DAY,
    DEGRADED,
    MESSAGES,
    SHARES,
    documented,
    raised,
    transition,
)

INFO = VersionInfo(
    owner="operations",
    description="Late arrivals",
    runbook="https://wiki.example/flight-delay",
    tags={"tier": "1"},
)


def alert(*arguments: Any, **options: Any) -> Any:
    message = alert_message(transition(*arguments, **options), INFO)
    return json.loads(msgspec.json.encode(message))


def keys(document: Any) -> Any:
    """The names of all fields, at every level."""
    if isinstance(document, dict):
        return {name: keys(value) for name, value in document.items()}
    return ()


def test_an_alert_has_the_fields_that_its_page_shows_and_no_others():
    shown = documented("alerts")
    assert keys(alert()) == keys(shown)
    assert alert()["type"] == shown["type"]
    assert alert()["source"] == shown["source"]
    assert alert()["data"]["evidence"] == shown["data"]["evidence"]
    assert alert()["data"]["version_info"] == shown["data"]["version_info"]


def test_an_alert_of_a_segment_names_it():
    whole = transition()
    of_segment = replace(whole, key=whole.key._replace(segment="carrier=UA"))
    message = alert_message(of_segment)
    assert (message.data.segment, alert()["data"]["segment"]) == ("carrier=UA", "")
    assert message.source == "/models/flight-delay"
    read = decode_alert(Record("alerts", 0, 0, None, msgspec.json.encode(message)))
    assert read == message


def test_an_alert_without_a_segment_is_about_the_whole():
    written = alert()
    del written["data"]["segment"]
    read = decode_alert(Record("alerts", 0, 0, None, json.dumps(written).encode()))
    assert read == alert_message(transition(), INFO)


def test_an_alert_of_performance_has_the_evidence_that_its_page_lists():
    listed = re.search(r"Evidence of performance: (.*?)\.\n", MESSAGES.read_text(), re.DOTALL)
    assert listed is not None
    evidence = alert(about=DEGRADED, subject="performance/recall")["data"]["evidence"]
    assert set(evidence) == set(re.findall(r"`(\w+)`", listed[1])) | {"severity"}
    assert (evidence["decided_by"], evidence["labels"]) == ("recall", 700)
    assert evidence["coverage"] == pytest.approx(700 / 912)


def test_an_alert_names_the_window_of_its_evidence_even_if_it_comes_later():
    later = alert(Change.REPEATED, end_ms=T0 + 3 * DAY)
    assert later["time"] == "2013-04-04T00:00:00Z"
    assert later["data"]["window"]["end"] == "2013-04-02T00:00:00Z"
    assert "to 2013-04-02T00:00:00Z. Limit" in later["data"]["message"]
    assert alert(Change.RESOLVED, end_ms=T0 + 3 * DAY)["data"]["window"]["end"] == later["time"]


def test_an_alert_names_the_other_subjects_of_its_incident():
    grouped = ("quality/dewp", "quality/humid")
    data = alert(subject="quality/temp", grouped=grouped)["data"]
    assert data["evidence"]["grouped"] == list(grouped)
    assert data["message"].endswith(" Also affected: quality/dewp, quality/humid.")
    resolved = alert(Change.RESOLVED, subject="quality/temp", grouped=grouped)["data"]
    assert "dewp" not in resolved["message"]
    assert "grouped" not in alert()["data"]["evidence"]


def test_an_alert_of_categories_names_the_category_and_its_proportions():
    data = alert(about=raised(SHARES), subject="data/carrier")["data"]
    assert data["evidence"]["detail"] == "'UA': 20% before, 40% now"
    assert "'UA': 20% before, 40% now" in data["message"]


@pytest.mark.parametrize("change", list(Change))
def test_an_alert_has_the_change_in_its_type_and_whether_it_is_open_in_its_state(change):
    event = alert(change)
    assert event["type"] == f"driftline.incident.{change.value}"
    resolved = change is Change.RESOLVED
    assert event["data"]["state"] == ("resolved" if resolved else "open")
    assert event["data"]["reason"] == ("recovered" if resolved else None)
    assert event["data"]["resolved_at"] == ("2013-04-02T00:00:00Z" if resolved else None)


def test_the_id_of_an_alert_is_repeated_by_a_replay_and_differs_for_other_content():
    events = [alert(), alert(Change.REPEATED), alert(end_ms=T0 + 2 * DAY)]
    assert alert()["id"] == events[0]["id"] == alert_message(transition()).id
    assert len({event["id"] for event in events}) == 3


def test_an_alert_of_the_whole_names_segments_by_their_share_and_then_by_their_incidents():
    found = transition(about=DEGRADED, subject="performance/recall")
    shares = SegmentShare("c=a", 0.9, 0.8, 0.1), SegmentShare("c=b", 0.1, 0.1, 0.0)
    told = replace(found.incident, told=replace(found.evidence, segments=shares))
    named = replace(found, incident=told, segments=("c=b", "c=z"))
    message = alert_message(named)
    segments = message.data.evidence.segments or []
    assert [(one.segment, one.share, one.incident) for one in segments] == [
        ("c=a", 0.9, False),
        ("c=b", 0.1, True),
        ("c=z", None, True),
    ]
    assert (
        " Part of the fall by segment: c=a 90% (mix 10%), c=b 10% (mix 0%)." in message.data.message
    )


def test_an_alert_of_a_segment_refers_to_the_incident_of_the_whole():
    found = replace(transition(), part_of="91ab")
    assert alert_message(found).data.evidence.part_of == "91ab"
    assert alert_message(transition()).data.evidence.part_of is None


def test_an_alert_of_the_whole_about_a_distribution_names_segments_with_incidents():
    found = replace(transition(), segments=("c=a", "c=b", "c=c", "c=d"))
    assert alert_message(found).data.message.endswith(
        " Also in segments: c=a, c=b, c=c and 1 more."
    )
