"""GET /health and /metrics: who works, who does not, and where every record went."""

from __future__ import annotations

import pytest

from tests.consumers.stored import alert, heartbeat, window

WELL = [heartbeat(role) for role in ("aggregate", "join", "detect", "store")]


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
def test_before_any_sign_of_life_there_is_no_data(client):
    answer = client.get("/health")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["roles"]) == ("no_data", [])


def test_all_is_well_while_every_needed_role_gives_signs(client, feed):
    feed(*WELL)
    assert roles(client)[0] == "ok"


def test_a_role_that_never_gave_a_sign_is_missed_by_name(client, feed):
    feed(*WELL[:-1])
    answer = client.get("/health").json()
    assert (answer["status"], answer["missing"]) == ("degraded", ["store"])


def test_a_role_is_told_with_its_progress_its_lag_and_its_watermark(client, feed):
    held = {
        "predictions/0": partition(90, end=100, watermark="2013-05-02T00:00:00Z"),
        "predictions/1": partition(50, end=51, watermark="2013-05-01T00:00:00Z"),
        "predictions/2": {"offset": None, "end": None, "watermark": None},
    }
    feed(heartbeat("aggregate", 1, partitions=held, progress_at="2025-12-31T23:59:50Z"))
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
        "partitions": held,
    }


@pytest.mark.parametrize(
    ("sick", "status"),
    [
        pytest.param(heartbeat("join", problem="no broker"), "problem", id="says so itself"),
        pytest.param(heartbeat("join", age_s=31), "silent", id="silent for half a minute"),
        pytest.param(heartbeat("join", age_s=29), "ok", id="silent for less"),
        pytest.param(heartbeat("join", age_s=-60), "ok", id="its clock is ahead"),
    ],
)
def test_a_role_is_unwell_when(client, feed, sick, status):
    feed(*WELL, sick)
    overall, found = roles(client)
    assert found["join", 0] == status
    assert overall == ("ok" if status == "ok" else "degraded")


def test_no_age_is_negative_when_a_clock_is_ahead(client, feed):
    feed(heartbeat("join", age_s=-60))
    (role,) = client.get("/health").json()["roles"]
    assert (role["heartbeat_age_s"], role["progress_age_s"]) == (0, 0)


def test_a_silent_worker_whose_partitions_others_took_over_is_no_harm(client, feed):
    feed(
        *WELL,
        heartbeat("join", 0, age_s=600, partitions={"joins/0": partition(5)}),
        heartbeat("join", 1, partitions={"joins/0": partition(9), "joins/1": partition(4)}),
    )
    assert roles(client)[0] == "ok"
    assert roles(client)[1]["join", 0] == "replaced"


def test_a_silent_worker_with_a_partition_that_nobody_took_over_is(client, feed):
    feed(
        *WELL,
        heartbeat("join", 0, age_s=600, partitions={"joins/0": partition(5)}),
        heartbeat("join", 1, partitions={"joins/1": partition(4)}),
    )
    overall, found = roles(client)
    assert (overall, found["join", 0]) == ("degraded", "silent")


def test_of_a_partition_that_moved_the_counts_at_the_largest_offset_count(client, feed):
    """Each record is counted once, wherever its partition was when it was counted.

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
        "dead": {"contract": 4, "undecodable": 1},
    }
    assert answer["labels"] == {"received": 4, "counted": 4, "late": 0, "too_late": 0, "dead": {}}


def test_what_became_of_labels_is_summed_over_the_partitions_of_joins(client, feed):
    label_outcomes = {"matched": 5, "waiting": 2, "expired": 1, "duplicates": 1, "superseded": 1}
    label_outcomes |= {"predictions": 20, "repeated_predictions": 2}
    held = {f"joins/{n}": partition(n, labels=10, **label_outcomes) for n in range(3)}
    feed(heartbeat("join", partitions=held))
    assert client.get("/health").json()["joins"] == {
        "labels": 30,
        **{fate: 3 * count for fate, count in label_outcomes.items()},
    }


def test_prometheus_reads_the_same_in_its_own_words(client, watched):
    dead = {"received": 3, "counted": 2, "dead": {"contract": 1}}
    watched(
        *WELL[1:],
        heartbeat("aggregate", partitions={"predictions/0": partition(3, end=8, **dead)}),
        window(0),
        window(1, status="provisional"),
        alert(),
    )
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.text.splitlines()
    of = 'model="flight-delay",version="1"'
    for line in (
        'driftline_heartbeat_age_seconds{role="join",slot="0"} 1.0',
        'driftline_lag_records{role="aggregate",slot="0"} 5.0',
        'driftline_records{topic="predictions",fate="counted",reason=""} 2.0',
        'driftline_records{topic="predictions",fate="dead",reason="contract"} 1.0',
        f'driftline_open_incidents{{{of},kind="data",severity="warning"}} 1.0',
        f'driftline_metric{{{of},metric="accuracy"}} 0.91',
        f'driftline_ks_distance{{{of},feature="temp"}} 0.21',
        f"driftline_window_end_timestamp_seconds{{{of}}} 1364947200.0",
    ):
        assert line in lines
    assert not any('metric="roc_auc"' in line for line in lines)  # undefined there
