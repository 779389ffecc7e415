"""Store: messages become rows, invalid messages are skipped, model versions are registered."""

# ruff: noqa: F401, F811 - fixtures are imported by name and taken by name

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from consumers.database.database import Fenced
from consumers.database.message_to_rows import (
    TOPICS,
    distributions_of,
    row_batch,
    store_reader,
)
from consumers.database.tables import (
    decisions,
    distributions,
    heartbeats,
    incidents,
    models,
    windows,
)
from consumers.messages.records import CommittedOffset, TopicPartition
from consumers.roles.store import Store
from monitor.windows.reference import baseline
from producers.contract.version_info import VersionInfo
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
    unlabelled_window,
    window,
)

P0, ALERTS = TopicPartition("windows", 0), TopicPartition("alerts", 0)


RISK = VersionInfo(owner="risk", runbook="https://wiki.example/risk", tags={"tier": "1"})


class Published:
    """Stands in for the profile table."""

    def __init__(self, *registrations):
        self.registrations = list(registrations)
        self.described = 0  # how often a content hash was read

    def refresh(self):
        pass

    def versions(self):
        return {(r.head.model, r.head.version): r.head for r in self.registrations}

    def overview(self, model, version):
        return self._of(model, version).overview

    def content(self, model, version):
        self.described += 1
        return self._of(model, version).content_hash

    def info(self, model, version):
        return self._of(model, version).info

    def registered_ms(self, model, version):
        return self._of(model, version).registered_ms

    def _of(self, model, version):
        (found,) = [
            r for r in self.registrations if (r.head.model, r.head.version) == (model, version)
        ]
        return found


def store_role(database, profiles=None):
    return Store(database, profiles or Published(), clock_ms=lambda: NOW)


def assigned(database, *partitions, profiles=None):
    """A store that was assigned partitions at the positions in the database."""
    role = store_role(database, profiles)
    assign(role, database, *partitions)
    return role


def assign(role, database, *partitions):
    positions = database.positions(partitions)
    role.on_partitions_assigned(
        {partition: CommittedOffset(positions.get(partition, -2)) for partition in partitions}
    )


def offsets(role):
    return {partition: status["offset"] for partition, status in role.status().items()}


@pytest.fixture
def write(database):
    """Writes messages whatever their offsets."""

    def apply(read):
        database.apply(row_batch(read, NOW, store_reader()), {})

    return apply


def rows(database, *columns):
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(*columns))]


def records(*messages, first=0):
    return [
        record(topic, document, offset=first + i) for i, (topic, document) in enumerate(messages)
    ]


# -- positions -----------------------------------------------------------------------------------


def test_a_store_continues_at_the_offset_where_the_last_batch_ended(database):
    role = assigned(database, P0)
    role.write(records(window(0), first=6))
    assert database.positions([P0]) == {P0: 7}
    role.write(records(window(1), first=9))
    assert database.positions([P0]) == {P0: 10}
    assigned(database, P0).write(records(window(2), first=10))
    assert database.positions([P0]) == {P0: 11}


def test_a_first_batch_may_start_at_any_offset(database):
    assigned(database, P0).write(records(window(), first=500))
    assert database.positions([P0]) == {P0: 501}


def test_a_poll_without_records_writes_nothing(database):
    role = assigned(database, P0)
    role.write([])
    assert (rows(database, windows), database.positions([P0])) == ([], {})


def test_a_store_that_was_considered_dead_is_fenced(database):
    """Both start at the earliest record; the second one to write is too late."""
    first, successor = assigned(database, P0), assigned(database, P0)
    successor.write(records(window(data_revision=5)))
    with pytest.raises(Fenced):
        first.write(records(window(data_revision=6)))
    assert rows(database, windows.c.revision) == [{"revision": 6}]


def test_a_fenced_store_writes_again_once_it_was_assigned_the_new_position(database):
    role, rival = assigned(database, P0), assigned(database, P0)
    rival.write(records(window(0), window(1)))
    with pytest.raises(Fenced):
        role.write(records(window(0)))
    role.on_partitions_revoked([P0])
    assign(role, database, P0)
    role.write(records(window(2), first=2))
    assert database.positions([P0]) == {P0: 3}


def test_the_status_of_a_store_has_the_offsets_of_the_partitions_it_owns(database):
    role = assigned(database, P0, ALERTS)
    role.write(records(window(), first=4))
    assert offsets(role) == {"windows/0": 5, "alerts/0": 0}
    role.on_partitions_revoked([ALERTS])
    assert offsets(role) == {"windows/0": 5}


def test_the_same_messages_in_other_batches_give_the_same_rows(database, write):
    messages = [
        window(0, status="provisional"),
        alert("opened"),
        window(1),
        heartbeat("detect"),
        window(0, performance_revision=4),
        alert("resolved", day=3),
        decision(),
    ]
    write(records(*messages))
    tables = (windows, incidents, heartbeats, decisions)
    expected = [rows(database, table) for table in tables]
    for message in messages:
        write(records(message))
    assert [
        rows(database, table) for table in (windows, incidents, heartbeats, decisions)
    ] == expected


# -- messages ------------------------------------------------------------------------------------


def test_a_window_is_stored_with_its_documents_unchanged(write, database):
    _, message = window(2, data_revision=3, performance_revision=4)
    write(records(("windows", message)))
    found = distributions_of(message)  # they are stored apart from the rest
    assert found["features"].keys() == {"temp", "carrier"}
    assert rows(database, distributions.c.document) == [{"document": found}]
    assert rows(database, windows) == [
        {
            "model": "flight-delay",
            "version": "1",
            "segment": "",
            "start_ms": APRIL + 2 * DAY,
            "end_ms": APRIL + 3 * DAY,
            "life": 0,
            "revision": 7,
            "plan": None,
            "data_status": "closed",
            "performance_status": "final",
            "data": message["data"],
            "concept": message["concept"],
            "performance": message["performance"],
        }
    ]


def test_a_window_without_labels_is_stored_with_its_documents(write, database):
    _, message = unlabelled_window()
    write(records(("windows", message)))
    assert rows(database, windows.c.performance_status, windows.c.performance) == [
        {"performance_status": "final", "performance": message["performance"]}
    ]


def test_an_incident_has_the_fields_of_its_event(write, database):
    _, message = alert("resolved", day=3, reason="recovered")
    write(records(("alerts", message)))
    assert rows(database, incidents) == [
        {
            "id": "91ab",
            "model": "flight-delay",
            "version": "1",
            "segment": "",
            "kind": "data",
            "subject": "data/distance",
            "severity": "warning",
            "state": "resolved",
            "reason": "recovered",
            "caused_by": None,
            "opened_ms": APRIL + DAY,
            "updated_ms": APRIL + 4 * DAY,
            "resolved_ms": APRIL + 4 * DAY,
            "window": {"start": "2013-04-04T00:00:00Z", "end": "2013-04-05T00:00:00Z"},
            "evidence": message["data"]["evidence"],
            "message": "data/distance: resolved.",
        }
    ]


def test_the_last_heartbeat_of_each_worker_is_kept_with_the_time_of_receipt(write, database):
    beats = [heartbeat("join", 1, age_s=9), heartbeat("join", 1, age_s=4), heartbeat("join", 0)]
    write(records(*beats, heartbeat("join", 1, age_s=30)))
    kept = (heartbeats.c.slot, heartbeats.c.at_ms, heartbeats.c.received_ms)
    found = rows(database, *kept)
    assert sorted(tuple(row.values()) for row in found) == [
        (0, NOW - 1_000, NOW),
        (1, NOW - 30_000, NOW),
    ]


def test_a_model_version_has_one_decision_at_each_time(write, database):
    write(records(decision(0), decision(1), decision(1, decision="retrain")))
    found = rows(database, decisions.c.decided_ms, decisions.c.document)
    assert [(row["decided_ms"], row["document"]["decision"]) for row in found] == [
        (APRIL, "wait"),
        (APRIL + DAY, "retrain"),
    ]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_foreign_message_is_skipped_logged_and_counted(database, caplog, topic):
    role = assigned(database, P0, TopicPartition(topic, 0))
    with caplog.at_level(logging.WARNING):
        role.write([record(topic, b"junk", offset=17), *records(window(1), first=18)])
    assert [row["start_ms"] for row in rows(database, windows.c.start_ms)] == [APRIL + DAY]
    assert [message.partition(":")[0] for message in caplog.messages] == [
        f"topic {topic}, partition 0, offset 17"
    ]
    assert role.status()[f"{topic}/0"]["counts"] == {"foreign": 1, "unreadable": 0}


def newer(days: int, offset: int):
    """A message of a release that is not ours."""
    return record("windows", {**window(days)[1], "schema": 2}, offset=offset)


def test_a_message_of_another_schema_is_skipped_counted_and_a_problem(database):
    role = assigned(database, P0)
    role.write([*records(window(1), first=16), newer(0, 17), newer(3, 18)])
    role.write(records(window(2), first=19))
    starts = [row["start_ms"] for row in rows(database, windows.c.start_ms)]
    assert sorted(starts) == [APRIL + DAY, APRIL + 2 * DAY]
    assert role.status()["windows/0"]["counts"] == {"foreign": 0, "unreadable": 2}
    assert (role.problem() or "").startswith(
        "messages were skipped, first: topic windows, partition 0, offset 17: this version cannot"
    )


def test_the_next_release_reads_again_from_the_first_message_that_was_skipped(
    database, monkeypatch
):
    assigned(database, P0).write([*records(window(1), first=16), newer(0, 17), newer(3, 18)])
    assert database.starts([P0, ALERTS]) == {P0: 19}
    monkeypatch.setattr("consumers.database.database.RELEASE", "99.0.0")
    assert database.starts([P0, ALERTS]) == {P0: 17}
    assert database.starts([P0]) == database.positions([P0]) == {P0: 17}
    assigned(database, P0).write(records(window(0), window(3), first=17))
    starts = [row["start_ms"] for row in rows(database, windows.c.start_ms)]
    assert sorted(starts) == [APRIL, APRIL + DAY, APRIL + 3 * DAY]
    assert database.starts([P0]) == {P0: 19}


def test_a_worker_whose_partition_was_taken_back_writes_nothing(database, monkeypatch):
    role = assigned(database, P0)
    role.write([newer(0, 16)])
    monkeypatch.setattr("consumers.database.database.RELEASE", "99.0.0")
    database.starts([P0])
    with pytest.raises(Fenced):
        role.write(records(window(1), first=17))


def test_a_name_with_a_nul_is_stored_without_it(write, database):
    """PostgreSQL stores no NUL; the name of a feature may hold one."""
    _, event = alert(message="data/a\x00b: opened.")
    write(records(("alerts", {**event, "subject": "data/a\x00b"})))
    found = rows(database, incidents.c.subject, incidents.c.message)
    assert found == [{"subject": "data/a\ufffdb", "message": "data/a\ufffdb: opened."}]


def test_unknown_fields_of_a_message_are_stored(write, database):
    _, message = window(news={"a": 1})
    message["data"]["news"] = {"b": 2}
    write(records(("windows", message)))
    assert rows(database, windows.c.data)[0]["data"]["news"] == {"b": 2}


def test_the_messages_in_the_documentation_are_valid(caplog):
    """One JSON document in each section that is about a topic of store's."""
    page = Path(__file__, "../../../../docs/messages.md").resolve().read_text()
    shown = re.findall(r"## `(\w+)`\n.*?```json\n(.*?)```", page, re.DOTALL)
    read = [record(topic, text.encode()) for topic, text in shown if topic in TOPICS]
    found = row_batch(read, NOW, store_reader())
    assert (len(found.windows), len(found.alerts), len(found.heartbeats)) == (1, 1, 1)
    assert caplog.messages == []


# -- models --------------------------------------------------------------------------------------


def test_a_model_version_is_described_by_its_profile(database):
    described = replace(registration(), info=RISK)
    assigned(database, profiles=Published(described)).write([])
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
        "task": "binary",
        "labelled": True,
        "label_delay_ms": {"p50": HOUR, "p90": HOUR, "p99": HOUR},
        "owner": "risk",
        "description": None,
        "runbook": "https://wiki.example/risk",
        "tags": {"tier": "1"},
        "reference": {"start_ms": APRIL - 31 * DAY, "end_ms": APRIL - 31 * DAY + 4 * HOUR},
    }


def test_a_model_version_that_is_registered_again_keeps_its_first_time(database):
    assigned(database, profiles=Published(registration(at_ms=NOW))).write([])
    later = (registration(at_ms=NOW + DAY), registration(version="2", at_ms=NOW + DAY))
    assigned(database, profiles=Published(*later)).write([])
    found = rows(database, models.c.version, models.c.registered_ms)
    assert found == [
        {"version": "1", "registered_ms": NOW},
        {"version": "2", "registered_ms": NOW + DAY},
    ]


def test_model_versions_are_written_only_when_there_are_new_ones(database):
    profiles = Published(registration())
    role = assigned(database, profiles=profiles)
    role.write([])
    role.write([])
    assert profiles.described == 1
    profiles.registrations.append(registration(version="2"))
    role.write([])
    assert [row["version"] for row in rows(database, models.c.version)] == ["1", "2"]


def test_model_version_whose_owner_changes_is_written_again(database):
    profiles = Published(registration(at_ms=NOW))
    role = assigned(database, profiles=profiles)
    role.write([])
    profiles.registrations = [replace(registration(at_ms=NOW), info=RISK)]
    role.write([])
    (row,) = rows(database, models)
    assert (row["document"]["owner"], row["registered_ms"]) == ("risk", NOW)


def test_only_new_model_versions_are_read_and_written(database):
    profiles = Published(registration(), registration(version="2"))
    role = assigned(database, profiles=profiles)
    role.write([])
    profiles.registrations.append(registration(version="3"))
    role.write([])
    assert profiles.described == 3


def test_a_model_version_whose_profile_cannot_be_read_is_left_out(database):
    damaged = replace(registration(), overview=None)
    assigned(database, profiles=Published(damaged, registration(version="2"))).write([])
    assert [row["version"] for row in rows(database, models.c.version)] == ["2"]


def test_model_version_that_takes_the_place_of_a_deleted_one_is_written(database):
    profiles = Published(registration())
    role = assigned(database, profiles=profiles)
    role.write([])
    profiles.registrations = [registration(version="2")]
    role.write([])
    profiles.registrations = []
    role.write([])
    assert [row["version"] for row in rows(database, models.c.version)] == ["1", "2"]


def test_bytes_that_are_no_text_in_a_field_of_another_release_are_skipped(database):
    """The fields that are read are valid; the document, which is stored whole, is not."""
    value = (
        json.dumps({**window()[1], "news": "x"}).encode().replace(b'"news": "x"', b'"news": "\xc2"')
    )
    role = assigned(database, P0)
    role.write([record("windows", value, offset=0), *records(window(1), first=1)])
    assert role.status()["windows/0"]["counts"] == {"foreign": 0, "unreadable": 1}
    assert len(rows(database, windows.c.start_ms)) == 1
