"""Store: messages become rows, whatever cannot be understood is passed over, models are known."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from consumers.database.database import Fenced
from consumers.database.message_to_rows import TOPICS, changes_of
from consumers.database.tables import decisions, heartbeats, incidents, models, windows
from consumers.messages.records import TopicPartition
from consumers.roles.store import Store
from monitor.windows.evaluator import baseline
from tests.consumers.stored import (
    APRIL,
    DAY,
    HOUR,
    NOW,
    address,
    alert,
    database,
    decision,
    heartbeat,
    profile,
    record,
    registration,
    window,
)

P0 = TopicPartition("windows", 0)


@pytest.fixture
def store(database):
    return Store(database, clock_ms=lambda: NOW)


def rows(database, *columns):
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(*columns))]


def records(*messages):
    return [record(topic, document) for topic, document in messages]


# -- batches -------------------------------------------------------------------------------------


def test_it_begins_at_the_earliest_and_goes_on_where_it_ended(store):
    assert store.positions([P0]) == {}
    store.write(records(window()), {P0: (0, 7)})
    assert store.positions([P0]) == {P0: 7}


def test_the_earliest_offset_need_not_be_zero(store):
    store.positions([P0])
    store.write([], {P0: (500, 510)})
    store.write([], {P0: (510, 520)})
    assert store.positions([P0]) == {P0: 520}


def test_a_batch_of_nothing_but_transaction_markers_moves_the_offset(store, database):
    store.positions([P0])
    store.write([], {P0: (0, 3)})
    assert rows(database, windows) == []
    assert store.positions([P0]) == {P0: 3}


def test_a_worker_that_was_taken_for_dead_is_refused(database):
    """Both were told to begin at the earliest; the second one comes too late."""
    mine, successor = Store(database), Store(database)
    mine.positions([P0])
    successor.positions([P0])
    successor.write(records(window(data_revision=5)), {P0: (0, 9)})
    with pytest.raises(Fenced):
        mine.write(records(window(data_revision=6)), {P0: (0, 4)})
    assert rows(database, windows.c.revision) == [{"revision": 6}]


def test_a_partition_that_was_never_asked_about_is_refused(store):
    with pytest.raises(Fenced):
        store.write([], {P0: (0, 4)})


def test_what_was_refused_can_be_begun_anew(store):
    store.positions([P0])
    store.write([], {P0: (0, 4)})
    with pytest.raises(Fenced):
        store.write([], {P0: (3, 5)})
    assert store.positions([P0]) == {P0: 4}
    store.write([], {P0: (4, 5)})


def test_the_same_batches_cut_differently_leave_the_same_database(database, store):
    story = [
        window(0, status="provisional"),
        alert("opened"),
        window(1),
        heartbeat("detect"),
        window(0, performance_revision=4),
        alert("resolved", day=3),
        decision(),
    ]
    store.write(records(*story), {})
    whole = [rows(database, table) for table in (windows, incidents, heartbeats, decisions)]
    for message in story:
        store.write(records(message), {})
    assert [rows(database, table) for table in (windows, incidents, heartbeats, decisions)] == whole


# -- messages ------------------------------------------------------------------------------------


def test_a_window_keeps_its_parts_as_they_came(store, database):
    _, message = window(2, data_revision=3, performance_revision=4)
    store.write(records(("windows", message)), {})
    assert rows(database, windows) == [
        {
            "model": "flight-delay",
            "version": "1",
            "start_ms": APRIL + 2 * DAY,
            "end_ms": APRIL + 3 * DAY,
            "revision": 7,
            "data_status": "closed",
            "performance_status": "final",
            "data": message["data"],
            "concept": message["concept"],
            "performance": message["performance"],
        }
    ]


def test_a_window_of_a_model_without_labels_has_no_performance(store, database):
    store.write(records(window(performance=None, concept=None)), {})
    assert rows(database, windows.c.performance_status, windows.c.performance) == [
        {"performance_status": None, "performance": None}
    ]


def test_an_incident_holds_what_its_event_says(store, database):
    store.write(records(alert("resolved", day=3)), {})
    assert rows(database, incidents) == [
        {
            "id": "91ab",
            "model": "flight-delay",
            "version": "1",
            "kind": "data",
            "subject": "data/distance",
            "severity": "warning",
            "state": "resolved",
            "opened_ms": APRIL + DAY,
            "updated_ms": APRIL + 4 * DAY,
            "resolved_ms": APRIL + 4 * DAY,
            "window": {"start": "2013-04-04T00:00:00Z", "end": "2013-04-05T00:00:00Z"},
            "evidence": {"decided_by": "ks", "value": 0.31, "threshold": 0.09},
            "message": "data/distance: resolved.",
        }
    ]


def test_of_each_worker_the_last_heartbeat_is_kept_and_when_it_was_received(store, database):
    beats = [heartbeat("join", 1, age_s=9), heartbeat("join", 1, age_s=4), heartbeat("join", 0)]
    store.write(records(*beats, heartbeat("join", 1, age_s=30)), {})
    kept = (heartbeats.c.slot, heartbeats.c.at_ms, heartbeats.c.received_ms)
    found = rows(database, *kept)
    assert sorted(tuple(row.values()) for row in found) == [
        (0, NOW - 1_000, NOW),
        (1, NOW - 30_000, NOW),
    ]


def test_a_decision_is_kept_once_for_its_time(store, database):
    store.write(records(decision(0), decision(1), decision(1, decision="retrain")), {})
    found = rows(database, decisions.c.decided_ms, decisions.c.document)
    assert [(row["decided_ms"], row["document"]["decision"]) for row in found] == [
        (APRIL, "wait"),
        (APRIL + DAY, "retrain"),
    ]


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        pytest.param("windows", None, id="a tombstone"),
        pytest.param("windows", b"{", id="broken JSON"),
        pytest.param("windows", b'{"model": "\xff"}', id="not UTF-8"),
        pytest.param("windows", b"[" * 100_000, id="nested without end"),
        pytest.param("windows", b'{"schema": 1}', id="a field is missing"),
        pytest.param("windows", {**window()[1], "schema": 2}, id="another schema"),
        pytest.param("windows", {**window()[1], "revision": -1}, id="a negative revision"),
        pytest.param("windows", {**window()[1], "revision": 10**30}, id="beyond any column"),
        pytest.param("windows", {**window()[1], "start": "2013-04-01T00:00:00"}, id="a naive time"),
        pytest.param("windows", {**window()[1], "model": "a\x00b"}, id="what no text column takes"),
        pytest.param("windows", {**window()[1], "data": {"x": float("nan")}}, id="NaN"),
        pytest.param("windows", json.dumps(window()[1]).replace("900", "1e999").encode(), id="inf"),
        pytest.param("alerts", {**alert()[1], "data": None}, id="an event about nothing"),
        pytest.param("heartbeats", {"schema": 1, "role": "join"}, id="half a heartbeat"),
        pytest.param("retraining", [], id="not an object"),
        pytest.param("summaries", {}, id="a topic of others"),
    ],
)
def test_a_message_that_cannot_be_understood_is_passed_over_and_logged(
    store, database, caplog, topic, value
):
    store.positions([P0])
    with caplog.at_level(logging.WARNING):
        store.write([record(topic, value, offset=17), *records(window(1))], {P0: (0, 19)})
    assert [row["start_ms"] for row in rows(database, windows.c.start_ms)] == [APRIL + DAY]
    assert [message.partition(":")[0] for message in caplog.messages] == [f"skipped {topic}/0@17"]


def test_fields_that_are_not_known_yet_are_kept(store, database):
    _, message = window(news={"a": 1})
    message["data"]["news"] = {"b": 2}
    store.write(records(("windows", message)), {})
    assert rows(database, windows.c.data)[0]["data"]["news"] == {"b": 2}


def test_the_messages_that_the_documentation_shows_are_understood(caplog):
    """One JSON document in each section that is about a topic of store's."""
    page = Path(__file__, "../../../../docs/messages.md").resolve().read_text()
    shown = re.findall(r"## `(\w+)`\n.*?```json\n(.*?)```", page, re.DOTALL)
    read = [record(topic, text.encode()) for topic, text in shown if topic in TOPICS]
    found = changes_of(read, NOW)
    assert (len(found.windows), len(found.alerts), len(found.heartbeats)) == (1, 1, 1)
    assert caplog.messages == []


# -- models --------------------------------------------------------------------------------------


def test_a_model_is_described_by_its_profile(store, database):
    store.write_models([registration()])
    (row,) = rows(database, models)
    document = row.pop("document")
    measured = baseline(profile())["accuracy"]
    assert row == {
        "model": "flight-delay",
        "version": "1",
        "registered_ms": NOW - DAY,
        "content_hash": "hash of flight-delay 1",
    }
    assert document.pop("baseline")["accuracy"] == {
        "value": measured.value,
        "low": measured.interval()[0],
        "high": measured.interval()[1],
        "resolution": 0.0,
    }
    assert document == {
        "features": [
            {"name": "temp", "kind": "numeric"},
            {"name": "carrier", "kind": "categorical"},
        ],
        "threshold": 0.5,
        "pane_ms": HOUR,
        "rows": 400,
        "labelled": True,
        "label_delay_ms": {"p50": HOUR, "p90": HOUR, "p99": HOUR},
        "reference": {"start_ms": APRIL - 31 * DAY, "end_ms": APRIL - 31 * DAY + 4 * HOUR},
    }


def test_a_model_that_is_written_again_keeps_the_time_of_its_registration(store, database):
    store.write_models([registration(at_ms=NOW)])
    store.write_models([registration(at_ms=NOW + DAY), registration(version="2", at_ms=NOW + DAY)])
    found = rows(database, models.c.version, models.c.registered_ms)
    assert found == [
        {"version": "1", "registered_ms": NOW},
        {"version": "2", "registered_ms": NOW + DAY},
    ]
