"""The role retrain: each decision with its reasons, written again only if it has changed."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import Message, Output, TopicPartition
from consumers.messages.times import rfc3339
from consumers.roles.retrain import Retrain
from monitor.plan import DAY, Plan, Retraining
from tests.consumers import stored
from tests.consumers.in_memory import T0, Log, Worker, constant

W0, W1, A0 = TopicPartition("windows", 0), TopicPartition("windows", 1), TopicPartition("alerts", 0)
PLACES = (W0, W1, A0)
PLAN = Plan(retraining=Retraining(min_labels=100))
SEGMENT = "carrier=UA"


def new_log() -> Log:
    return Log(windows=2, alerts=1, retraining=1)


def retrain(plan: Plan = PLAN) -> Retrain:
    return Retrain(constant(plan))


def window(start: int, labels: int, *, days: int = 1, partition: int = 0, **names: Any) -> Message:
    """Of so many days from the day ``start``."""
    _, document = stored.window(
        start, **{"model": "m", **names}, end=rfc3339(T0 + (start + days) * DAY)
    )
    document["performance"]["labels"] = labels
    return Message("windows", None, json.dumps(document).encode(), partition)


def alert(
    severity: str, incident: str = "1", *, resolved: int | None = None, **names: str
) -> Message:
    resolved_at = None if resolved is None else rfc3339(T0 + resolved * DAY)
    fields = {"model": "m", **names, "severity": severity, "resolved_at": resolved_at}
    _, document = stored.alert(incident=incident, **fields)
    return Message("alerts", None, json.dumps(document).encode(), 0)


def decided(*messages: Message, plan: Plan = PLAN) -> dict[str, Any]:
    """The last decision after these messages, all in one batch."""
    log = new_log()
    for message in messages:
        log.append(message)
    Worker(retrain(plan), log, PLACES).work()
    return decisions(log)[-1]


def decisions(log: Log) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in log.all("retraining")]


def reasons(decision: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {r["condition"]: (r["actual"], r["met"]) for r in decision["reasons"]}


# -- decisions and their reasons ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "decision"),
    [
        pytest.param([window(0, 500)], "none", id="nothing is wrong"),
        pytest.param([window(0, 500), alert("warning")], "none", id="a warning is not enough"),
        pytest.param([window(0, 100), alert("critical")], "retrain", id="critical, and labels"),
        pytest.param([window(0, 99), alert("critical")], "wait", id="critical, labels lacking"),
        pytest.param(
            [window(0, 500), alert("critical"), alert("critical", resolved=1)],
            "retrain",
            id="resolved just now",
        ),
        pytest.param(
            [window(0, 500), alert("critical"), alert("critical", resolved=2)],
            "retrain",
            id="resolved in a pane after the newest window",
        ),
        pytest.param(
            [window(0, 500), window(5, 1), alert("critical"), alert("critical", resolved=1)],
            "none",
            id="resolved longer ago than is looked back",
        ),
        pytest.param(
            [window(0, 500), alert("warning"), alert("critical"), alert("critical", resolved=1)],
            "retrain",
            id="escalated, and resolved just now",
        ),
        pytest.param(
            [
                window(0, 500),
                window(9, 1),
                alert("critical", "1", resolved=1),
                alert("critical", "2"),
            ],
            "retrain",
            id="one of two still open",
        ),
        pytest.param(
            [window(0, 500), alert("critical", model="other")], "none", id="of another model"
        ),
        pytest.param([window(0, 500), alert("critical", segment=SEGMENT)], "none", id="of a part"),
    ],
)
def test_retrain_decides(messages, decision):
    assert decided(*messages)["decision"] == decision


def test_stale_incident_does_not_count_even_within_the_lookback():
    stale = alert("critical", resolved=2, reason="stale")
    decision = decided(window(0, 150), alert("critical"), window(1, 150), stale)
    assert decision["decision"] == "none"


def test_critical_incident_about_the_traffic_does_not_count():
    assert decided(window(0, 150), alert("critical", kind="traffic"))["decision"] == "none"


def test_decision_has_every_condition_as_the_documentation_shows_it():
    page = (Path(__file__).parents[3] / "docs" / "messages.md").read_text()
    shown = json.loads(page.partition("## `retraining`")[2].split("```json\n")[1].split("```")[0])
    windows = [window(-7 * i, 6_566, days=7) for i in range(6)]
    found = decided(*windows, window(36, 27, days=7), alert("critical"), plan=Plan())
    expected = {**shown, "model": "m", "decided_at": rfc3339(T0 + 43 * DAY)}
    fresh = next(r for r in expected["reasons"] if r["condition"] == "fresh_labels")
    fresh["actual"] = str(6 * 6_566 + 27)
    assert found == expected


def test_decision_is_dated_at_the_end_of_the_newest_window():
    assert decided(window(3, 1), window(1, 1))["decided_at"] == rfc3339(T0 + 4 * DAY)


def test_decision_about_a_version_that_was_reset_is_made_from_its_new_life():
    """The windows of its old life end in 2035, say, and its incident ended with the reset."""
    old = [
        window(9_000, 500),
        alert("critical"),
        alert("critical", resolved=9_001, reason="rebased"),
    ]
    found = decided(*old, window(1, 60, life=1), window(9_001, 500))
    assert (found["life"], found["decided_at"]) == (1, rfc3339(T0 + 2 * DAY))
    assert reasons(found)["fresh_labels"] == ("60", False)
    assert reasons(found)["critical_incidents"] == ("0", False)


def test_labels_of_overlapping_windows_count_once():
    halves = [window(start, 40, days=2) for start in range(4)]
    assert reasons(decided(*halves))["fresh_labels"] == ("80", False)


def test_newer_revision_of_a_window_replaces_its_labels():
    assert reasons(decided(window(0, 40), window(0, 60)))["fresh_labels"] == ("60", False)


def test_labels_of_segments_do_not_count():
    decision = decided(window(0, 40), window(0, 30, segment=SEGMENT), window(9, 1, segment=SEGMENT))
    assert reasons(decision)["fresh_labels"] == ("40", False)
    assert decision["decided_at"] == rfc3339(T0 + DAY)


def test_no_decision_is_written_before_the_first_window():
    log = new_log()
    log.append(alert("critical"))
    Worker(retrain(), log, PLACES).work()
    assert decisions(log) == []


def test_each_model_has_its_own_decision():
    log = new_log()
    for message in (window(0, 500), window(0, 500, model="n"), alert("critical", model="n")):
        log.append(message)
    Worker(retrain(), log, PLACES).work()
    assert {(d["model"], d["decision"]) for d in decisions(log)} == {
        ("m", "none"),
        ("n", "retrain"),
    }
    assert {record.key for record in log.all("retraining")} == {b"m", b"n"}


# -- once, and not again -----------------------------------------------------------------------


def test_unchanged_decision_is_not_written_again():
    log = new_log()
    worker = Worker(retrain(), log, PLACES)
    for message in (window(0, 500), window(0, 500), alert("warning")):
        log.append(message)
        worker.work()
    assert len(decisions(log)) == 1


def test_restart_reads_the_history_again_and_repeats_no_decision():
    log = new_log()
    for message in (window(0, 500), alert("critical")):
        log.append(message)
    Worker(retrain(), log, PLACES).work()
    successor = Worker(retrain(), log, PLACES)
    log.append(alert("warning", "2"))
    successor.work()
    assert [d["decision"] for d in decisions(log)] == ["retrain"]
    log.append(window(1, 500))
    successor.work()
    assert [reasons(d)["fresh_labels"][0] for d in decisions(log)] == ["500", "1000"]


def test_aborted_decision_is_written_by_the_next_transaction():
    log = new_log()
    log.append(window(0, 500))
    worker = Worker(retrain(), log, PLACES)
    worker.abort()
    assert decisions(log) == []
    worker.work()
    assert [d["decision"] for d in decisions(log)] == ["none"]


def test_messages_of_an_aborted_batch_count_only_when_they_are_read_again():
    log = new_log()
    log.append(window(0, 50))
    log.append(window(1, 50))
    worker = Worker(retrain(), log, PLACES)
    worker.abort()
    worker.work(most=1)
    assert [reasons(d)["fresh_labels"][0] for d in decisions(log)] == ["50"]


def test_partition_that_is_lost_and_assigned_again_keeps_the_history_of_the_others():
    log = new_log()
    for message in (window(0, 50), window(1, 50, partition=1), alert("critical")):
        log.append(message)
    role = retrain()
    worker = Worker(role, log, PLACES)
    worker.work()
    role.on_partitions_revoked([W1])
    assert role.on_partitions_assigned({W1: log.committed[W1]}) == {W1: 0}
    role.replay(log.read(W1))
    log.append(window(2, 50))
    worker.work()
    assert [reasons(d)["fresh_labels"][0] for d in decisions(log)] == ["100", "150"]


def revised(start: int, labels: int) -> Message:
    """All revisions of a window are in one partition, so that the last one is the newest."""
    return window(start, labels, partition=start % 2)


stories = st.lists(
    st.one_of(
        st.builds(revised, st.integers(0, 6), st.sampled_from([40, 60])),
        st.builds(
            alert,
            st.sampled_from(["warning", "critical"]),
            st.sampled_from(["1", "2"]),
            resolved=st.sampled_from([None, None, 1, 6]),
        ),
    ),
    max_size=12,
)
turns = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["commit", "abort", "die"])), max_size=8
)


@given(story=stories, turns=turns)
@settings(max_examples=60, deadline=None)
def test_last_decision_is_the_same_whatever_fails_in_between(story, turns):
    log, expected = new_log(), new_log()
    for message in story:
        log.append(message)
        expected.append(message)
    Worker(retrain(), expected, PLACES).work()
    worker = Worker(retrain(), log, PLACES, chunk=2)
    for most, event in turns:
        if event == "commit":
            worker.work(most)
        elif event == "abort":
            worker.abort(most)
        else:
            worker.commit_and_die(most)
            worker = Worker(retrain(), log, PLACES, chunk=2)
    while not worker.done:
        worker.work(2)
    assert decisions(log)[-1:] == decisions(expected)[-1:]
    written = decisions(log)
    assert all(a != b for a, b in itertools.pairwise(written))


# -- the rest ----------------------------------------------------------------------------------


def test_retrain_writes_nothing_without_records():
    assert Worker(retrain(), new_log(), PLACES).work() is None


def test_batch_that_changes_no_decision_is_committed():
    log = new_log()
    log.append(alert("warning"))
    assert Worker(retrain(), log, PLACES).work() == Output([])
    assert log.committed[A0].next_offset == 1


def test_status_of_retrain_has_the_offset_of_each_partition():
    role = retrain()
    log = new_log()
    log.append(window(0, 1))
    Worker(role, log, PLACES).work()
    assert role.status() == {
        "windows/0": {"offset": 1, "counts": {"foreign": 0}},
        "windows/1": {"offset": 0, "counts": {"foreign": 0}},
        "alerts/0": {"offset": 0, "counts": {"foreign": 0}},
    }


def test_foreign_messages_are_skipped_and_counted():
    log, role = new_log(), retrain()
    for value in (None, b"hello", b"{}"):
        log.append(Message("alerts", None, value, 0))
    log.append(window(0, 500))
    Worker(role, log, PLACES).work()
    assert [d["decision"] for d in decisions(log)] == ["none"]
    assert role.status()["alerts/0"]["counts"] == {"foreign": 3}


def test_foreign_messages_are_skipped_by_a_replay_too():
    log = new_log()
    log.append(Message("windows", None, b"hello", 0))
    log.append(window(0, 500))
    Worker(retrain(), log, PLACES).work()
    successor = retrain()
    Worker(successor, log, PLACES)
    assert successor.status()["windows/0"]["counts"] == {"foreign": 1}


def test_message_of_another_schema_ends_retrain_with_its_place():
    log = new_log()
    log.append(Message("windows", None, b'{"schema": 2}', 1))
    with pytest.raises(UnreadableMessage, match="topic windows, partition 1, offset 0: "):
        Worker(retrain(), log, PLACES).work()


def test_alert_about_driftline_itself_or_of_an_unknown_severity_changes_no_decision():
    own = Message("alerts", None, json.dumps(stored.alert(model=None, version=None)[1]).encode(), 0)
    messages = [window(0, 500), own, alert("notice")]
    assert decided(*messages) == decided(window(0, 500))
