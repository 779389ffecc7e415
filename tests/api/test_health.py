"""GET /health: the state of each worker, and counts of all records."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from driftline.configuration.sources import SourceSection
from driftline.settings import Settings
from tests.consumers.stored import NOW, heartbeat

HEALTHY_WITHOUT_JOIN = [heartbeat(role) for role in ("aggregate", "detect", "store")]
HEALTHY = [*HEALTHY_WITHOUT_JOIN, heartbeat("join")]


def partition(offset: int, *, end: int | None = None, watermark=None, **counts):
    return {
        "offset": offset,
        "end": offset if end is None else end,
        "watermark": watermark,
        "idle": False,
        "counts": counts,
    }


def roles(client):
    answer = client.get("/health").json()
    found = {(role["role"], role["slot"]): role["status"] for role in answer["roles"]}
    return answer["status"], found


@pytest.mark.usefixtures("database")
def test_status_is_no_data_before_the_first_heartbeat(client):
    answer = client.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["roles"]) == ("no_data", [])


def test_status_is_ok_if_every_required_role_sends_heartbeats(client, feed):
    feed(*HEALTHY)
    assert roles(client)[0] == "ok"


def test_role_that_never_sent_a_heartbeat_is_listed_as_missing(client, feed):
    feed(*HEALTHY[:-1])
    answer = client.get("/health").json()
    assert (answer["status"], answer["missing"]) == ("degraded", ["join"])


def test_ingest_is_missing_if_there_are_sources(reader, feed):
    source = SourceSection(topic="scored", model="$.model", features="$.input")
    app = create_app(reader, Settings(sources=[source]), clock_ms=lambda: NOW)
    feed(*HEALTHY)
    with TestClient(app, "http://localhost") as client:
        answer = client.get("/health").json()
        assert (answer["status"], answer["missing"]) == ("degraded", ["ingest"])
        feed(heartbeat("ingest"))
        assert client.get("/health").json()["missing"] == []


COLLECTING = {
    **{"model": "m", "version": "1", "rows": 7, "needed": 9, "start": "2013-04-01T00:00:00Z"},
    **{"end": None, "labels": None, "refused": 0, "progress": "7 of 9 rows"},
}


def test_versions_that_are_collecting_are_listed_with_how_far_they_are(client, feed):
    feed(*HEALTHY, heartbeat("retrain", collecting=[COLLECTING]))
    answer = client.get("/health").json()
    assert (answer["status"], answer["collecting"]) == ("ok", [COLLECTING])
    feed(heartbeat("retrain", age_s=0, collecting=[]))
    assert client.get("/health").json()["collecting"] == []


def test_retrain_is_missing_if_it_has_to_collect(reader, feed):
    of_version = {"model": {"value": "m"}, "features": "$.input"}
    source = SourceSection(topic="scored", collect=5, **of_version)
    app = create_app(reader, Settings(sources=[source]), clock_ms=lambda: NOW)
    feed(*HEALTHY, heartbeat("ingest"))
    with TestClient(app, "http://localhost") as client:
        assert client.get("/health").json()["missing"] == ["retrain"]


def test_pair_is_missing_if_a_source_has_a_pair(reader, feed):
    pair = {"id": "$.id", "kind": "$.kind"}
    source = {"topic": "t", "model": "$.model", "features": "$.input", "pair": pair}
    app = create_app(reader, Settings(sources=[source]), clock_ms=lambda: NOW)
    feed(*HEALTHY, heartbeat("ingest"))
    with TestClient(app, "http://localhost") as client:
        assert client.get("/health").json()["missing"] == ["pair"]


def test_worker_has_its_progress_lag_and_watermark(client, feed):
    partitions = {
        "predictions/0": partition(90, end=100, watermark="2013-05-02T00:00:00Z"),
        "predictions/1": partition(50, end=51, watermark="2013-05-01T00:00:00Z"),
        "predictions/2": {"offset": None, "end": None, "watermark": None},
    }
    feed.now_ms = NOW - 1_000
    feed(heartbeat("aggregate", 1, partitions=partitions, progress_at="2025-12-31T23:59:50Z"))
    (role,) = client.get("/health").json()["roles"]
    assert role == {
        "role": "aggregate",
        "slot": 1,
        "status": "ok",
        "problem": None,
        "heartbeat_at": "2025-12-31T23:59:59Z",
        "heartbeat_age_s": 1.0,
        "progress_at": "2025-12-31T23:59:50Z",
        "progress_age_s": 10.0,
        "lag": 11,
        "watermark": "2013-05-01T00:00:00Z",
        "foreign": 0,
        "plan": None,
        "partitions": partitions,
    }


def test_worker_has_the_foreign_messages_of_all_its_partitions(client, feed):
    partitions = {
        "windows/0": partition(9, foreign=2),
        "alerts/0": partition(9, foreign=1),
        "alerts/1": {"offset": 9, "end": 9},
    }
    feed(heartbeat("store", partitions=partitions))
    (role,) = client.get("/health").json()["roles"]
    assert role["foreign"] == 3


def received(feed, age_s, *messages):
    """Heartbeats that ``store`` received ``age_s`` seconds ago."""
    feed.now_ms = NOW - round(age_s * 1000)
    feed(*messages)
    feed.now_ms = NOW


def test_worker_that_reports_a_problem_degrades_the_status(client, feed):
    feed(*HEALTHY, heartbeat("join", problem="no broker"))
    overall, states = roles(client)
    assert (overall, states["join", 0]) == ("degraded", "problem")


@pytest.mark.parametrize("clock_error_s", [-3_600, -40, 0, 40, 3_600])
@pytest.mark.parametrize(("age_s", "status"), [(0, "ok"), (29, "ok"), (31, "silent")])
def test_worker_is_silent_30_s_after_its_heartbeat_was_received_whatever_its_clock_shows(
    client, feed, age_s, status, clock_error_s
):
    received(feed, age_s, heartbeat("join", age_s=age_s - clock_error_s))
    feed(*HEALTHY_WITHOUT_JOIN)
    overall, states = roles(client)
    assert states["join", 0] == status
    assert overall == ("ok" if status == "ok" else "degraded")


def test_ages_do_not_depend_on_the_clock_of_the_worker(client, feed):
    """Its clock is 40 s behind: it commits 5 s before a heartbeat, which is received 2 s ago."""
    progress_at = "2025-12-31T23:59:13Z"
    received(feed, 2, heartbeat("join", age_s=42, progress_at=progress_at))
    (worker,) = client.get("/health").json()["roles"]
    assert (worker["heartbeat_age_s"], worker["progress_age_s"]) == (2, 7)
    assert worker["heartbeat_at"] == "2025-12-31T23:59:58Z"
    assert worker["progress_at"] == "2025-12-31T23:59:53Z"


def test_ages_are_never_negative_when_the_clock_of_store_is_ahead(client, feed):
    received(feed, -60, heartbeat("join"))
    (worker,) = client.get("/health").json()["roles"]
    assert (worker["heartbeat_age_s"], worker["progress_age_s"]) == (0, 0)


def test_silent_worker_is_replaced_if_others_have_all_of_its_partitions(client, feed):
    received(feed, 600, heartbeat("join", 0, partitions={"joins/0": partition(5)}))
    feed(
        *HEALTHY_WITHOUT_JOIN,
        heartbeat("join", 1, partitions={"joins/0": partition(9), "joins/1": partition(4)}),
    )
    assert roles(client)[0] == "ok"
    assert roles(client)[1]["join", 0] == "replaced"


def test_silent_worker_with_a_partition_that_no_other_worker_has_degrades_the_status(client, feed):
    received(feed, 600, heartbeat("join", 0, partitions={"joins/0": partition(5)}))
    feed(
        *HEALTHY_WITHOUT_JOIN,
        heartbeat("join", 1, partitions={"joins/1": partition(4)}),
    )
    overall, found = roles(client)
    assert (overall, found["join", 0]) == ("degraded", "silent")


def test_counts_of_a_moved_partition_are_those_at_the_largest_offset(client, feed):
    """Each record is counted once, whichever worker had its partition.

    predictions/0   slot 0: 10 read ──▶ slot 1: 25 read          25
    predictions/1   slot 1: 7 read                                7
    """
    before = partition(10, **{"received": 10, "counted": 9, "too_late": 1, "late": 0, "dead": {}})
    after = partition(
        25, **{"received": 25, "counted": 20, "too_late": 2, "late": 4, "dead": {"contract": 3}}
    )
    other = partition(
        7,
        **{
            "received": 7,
            "counted": 5,
            "late": 0,
            "too_late": 0,
            "retired": 0,
            "lost": 0,
            "dead": {"contract": 1, "undecodable": 1},
        },
    )
    labels = partition(4, **{"received": 4, "counted": 4, "dead": {}})
    feed(
        heartbeat("aggregate", 0, partitions={"predictions/0": before, "labels/0": labels}),
        heartbeat("aggregate", 1, partitions={"predictions/0": after, "predictions/1": other}),
        heartbeat("retrain", 0, partitions={"predictions/0": partition(99, **{"received": 99})}),
    )
    answer = client.get("/health").json()
    assert answer["predictions"] == {
        "received": 32,
        "counted": 25,
        "late": 4,
        "too_late": 2,
        "retired": 0,
        "lost": 0,
        "dead": {"contract": 4, "undecodable": 1},
    }
    assert answer["labels"] == {
        "received": 4,
        "counted": 4,
        "late": 0,
        "too_late": 0,
        "retired": 0,
        "lost": 0,
        "dead": {},
    }


@pytest.mark.parametrize(
    ("labels", "expired", "warned"),
    [(10_000, 999, False), (10_000, 1_000, True), (50, 50, False), (100, 100, True)],
)
def test_share_of_expired_labels_is_warned_of_with_the_setting(
    client, feed, labels, expired, warned
):
    counts = {"labels": labels, "expired": expired, "matched": labels - expired}
    feed(*HEALTHY_WITHOUT_JOIN, heartbeat("join", partitions={"joins/0": partition(9, **counts)}))
    answer = client.get("/health").json()
    found = [text for text in answer["warnings"] if "time.label_horizon" in text]
    assert [f"{expired:,} of {labels:,} labels" in text for text in found] == [True] * warned
    assert answer["status"] == "ok"


def test_label_counts_are_summed_over_the_partitions_of_joins(client, feed):
    label_outcomes = {"matched": 5, "waiting": 2, "expired": 1, "duplicates": 1, "superseded": 1}
    label_outcomes |= {"predictions": 20, "repeated_predictions": 2}
    partitions = {f"joins/{n}": partition(n, labels=10, **label_outcomes) for n in range(3)}
    feed(heartbeat("join", partitions=partitions))
    assert client.get("/health").json()["joins"] == {
        "labels": 30,
        **{name: 3 * count for name, count in label_outcomes.items()},
    }


# -- settings ------------------------------------------------------------------------------------


def test_a_worker_with_other_settings_than_most_is_a_problem(client, feed):
    feed(*(heartbeat(role, plan="a") for role in ("aggregate", "join", "store")))
    feed(heartbeat("detect", plan="b"))
    answer = client.get("/health").json()
    problems = {role["role"]: role["problem"] for role in answer["roles"] if role["problem"]}
    assert answer["status"] == "degraded"
    assert set(problems) == {"detect"}
    assert problems["detect"].startswith("its settings differ from those of most workers")


def test_workers_with_the_same_settings_or_of_an_earlier_release_are_no_problem(client, feed):
    feed(*(heartbeat(role, plan="a") for role in ("aggregate", "join", "store")))
    feed(heartbeat("detect"), heartbeat("detect", 1, plan="b", age_s=10_000))
    found = client.get("/health").json()["roles"]
    assert {
        (role["role"], role["slot"]): role["problem"] for role in found if role["slot"] == 0
    } == {(role, 0): None for role in ("aggregate", "join", "detect", "store")}


def test_lost_records_are_counted_and_warned_of(client, feed):
    partitions = {
        "predictions/0": partition(90, received=80, lost=7),
        "predictions/1": partition(50, received=50, lost=3),
        "labels/0": partition(50, received=50),
    }
    feed(heartbeat("aggregate", partitions=partitions))
    answer = client.get("/health").json()
    assert (answer["predictions"]["lost"], answer["labels"]["lost"]) == (10, 0)
    assert answer["warnings"] == [
        "retention has deleted 10 records of predictions before they were read: add workers to"
        " aggregate, or raise retention.ms of the topic"
    ]
    assert 'driftline_lost_records_total{partition="0",topic="predictions"} 7.0' in (
        client.get("/metrics").text
    )
