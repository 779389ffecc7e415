"""The role detect: a worker may crash anywhere and lose its disk, and writes the same."""

from __future__ import annotations

import json
import logging
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import consumers.roles.detect
import consumers.roles.finding_messages
import consumers.roles.learning
from consumers.messages.alerts import decode_alert
from consumers.messages.arrow import ARROW_HEADERS, JSON_HEADERS
from consumers.messages.detect_state import clock_message
from consumers.messages.progress import (
    JoinProgress,
    SourceProgress,
    VersionJoined,
    VersionSeen,
    join_progress_messages,
    source_progress_messages,
)
from consumers.messages.reading import UnreadableMessage
from consumers.messages.records import Message, TopicPartition
from consumers.messages.summaries import decode_summary_message, encode_pieces
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect
from consumers.roles.join import Join
from monitor.counts.counts import Counts
from monitor.counts.profile import Profile
from monitor.counts.summary import Part, Summary
from monitor.events.progress import AppendTimes, EventTime, Seen
from monitor.identity import Key
from monitor.plan import Retraining
from monitor.tasks.binary import BINARY
from monitor.windows.clocks import AppendClock
from monitor.windows.evaluator import Evaluator
from monitor.windows.findings import WindowFinding
from monitor.windows.learned import Learned
from monitor.windows.lives import LifeAction
from producers.contract.learned import encode_learned, learned_key
from producers.contract.life_requests import LifeRequestMessage
from producers.contract.profiles import content_hash
from producers.contract.version_info import VersionInfo
from tests.consumers.in_memory import (
    NOW,
    PANE,
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    label,
    plan,
    positions_of,
    prediction,
    profile,
)
from tests.consumers.stored import version_state

S0, S1 = TopicPartition("summaries", 0), TopicPartition("summaries", 1)
MODELS = (("m", "1"), ("m", "2"), ("n", "1"))
WINDOW = 4 * PANE
WINDOWS = 8
DRIFTED = range(3, 5)  # windows in which x lies far away
PER_PANE = 8
EVERY = 3  # commits between snapshots
SEGMENT = "c=a"

evaluator_of = cache(Evaluator.of)


@pytest.fixture(autouse=True, scope="module")
def _frequent_snapshots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect, "SNAPSHOT_EVERY", EVERY)
        patch.setattr(consumers.roles.detect.Evaluator, "of", evaluator_of)
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


def table(*others: Profile, first: Profile | None = None) -> Table:
    known = (first or profile(), profile(version="2", threshold=0.8), profile("n"))
    return Table(*known, *others)


def table_with_segment() -> Table:
    """The segment of m/1 has the reference of the whole, and a whole budget of its own."""
    return table(first=replace(profile(), segments={SEGMENT: profile()}))


PLAN = replace(plan(), retraining=Retraining(lookback_ms=PANE, min_labels=120))


def detect(log: Log, directory: Path, profiles: Table | None = None) -> Detect:
    made = (profiles or table_with_segment(), constant(PLAN), log.partitions, log.read, directory)
    return Detect(*made, log.first_offset)


# -- a stream with everything in it ------------------------------------------------------------


def rows() -> list[tuple[str, bytes]]:
    """Eight windows of three model versions, as sent: one in ten late, labels a second behind."""
    rng = np.random.default_rng(3)
    sent: list[tuple[int, str, bytes]] = []
    for pane in range(4 * WINDOWS):
        far = pane // 4 in DRIFTED
        for i in range(PER_PANE):
            at_ms = T0 + pane * PANE + i * PANE // PER_PANE
            score = round(float(rng.random()), 2)
            features = {"x": 99.0 if far else round(float(rng.normal()), 1), "c": "ab"[i % 2]}
            own = {"id": f"{pane}-{i}", "time": at_ms, "score": score, "features": features}
            delay_ms = int(rng.choice([0, 100, 2_500], p=[0.6, 0.3, 0.1]))
            for model, version in (("m", "1"), ("m", "2"), ("n", "1")):
                row = prediction(**own, model=model, version=version)
                sent.append((at_ms + delay_ms, "predictions", row))
            known_ms = at_ms + int(rng.choice([300, 1_000, 3_800]))
            outcome = int(rng.random() < (0.5 if far else score))
            for model in ("m", "n"):
                value = label(id=own["id"], time=known_ms, model=model, label=outcome)
                sent.append((known_ms, "labels", value))
    return [(topic, value) for _, topic, value in sorted(sent, key=lambda row: row[0])]


@cache
def summarised() -> Log:
    """What ``aggregate`` and ``join`` make of it, turn by turn, on one partition of summaries."""
    log = Log(predictions=1, labels=1, joins=1, summaries=1, positions=1)
    sources = [*log.topic_partitions("predictions"), *log.topic_partitions("labels")]
    with TemporaryDirectory() as directory:
        made: Any = (table(), constant(PLAN), log.partitions)
        counting = Worker(Aggregate(*made, positions_of(log), VersionStates()), log, sources)
        joining = Worker(
            Join(*made, Path(directory), log.first_offset), log, log.topic_partitions("joins")
        )
        for i, (topic, value) in enumerate(rows()):
            log.append(Message(topic, None, value, 0))
            if i % 90 == 89:
                counting.work()
                joining.work()
        counting.work()
        joining.work()
        joining.release()
    return log.only("summaries")


def new_log() -> Log:
    found = summarised().only("summaries")
    return Log.like(
        found, **{"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 2}
    )


@cache
def undisturbed(most: int) -> tuple[Log, bytes]:
    """One worker without trouble, in batches of so many; and its last snapshot."""
    log = new_log()
    with TemporaryDirectory() as directory:
        worker = Worker(detect(log, Path(directory)), log, [S0])
        while not worker.done:
            worker.work(most)
        snapshot = Path(directory) / "0.snapshot"
        return log, snapshot.read_bytes() if snapshot.exists() else b""


def written(log: Log, topic: str) -> list[tuple[bytes | None, bytes | None]]:
    return [(record.key, record.value) for record in log.all(topic)]


def documents(log: Log, topic: str) -> list[Any]:
    return [json.loads(record.value or b"") for record in log.all(topic)]


def test_stream_of_these_tests_has_late_rows_drift_and_final_windows():
    """Otherwise the following tests would prove little."""
    log, _ = undisturbed(4)
    found = documents(log, "windows")
    assert {(d["model"], d["version"]) for d in found} == {("m", "1"), ("m", "2"), ("n", "1")}
    assert len({(d["model"], d["version"], d["start"]) for d in found}) == 3 * (WINDOWS - 1)
    assert {d["data"]["revision"] for d in found} >= {0, 1, 2}
    assert {d["performance"]["status"] for d in found} == {"provisional", "final"}
    changes = [(e["subject"], e["type"].rpartition(".")[2]) for e in documents(log, "alerts")]
    assert changes.count(("data/x", "opened")) == changes.count(("data/x", "resolved")) == 3


# -- the law -----------------------------------------------------------------------------------

troubles = st.lists(
    st.tuples(
        st.integers(0, 7),  # batches without any, before it
        st.sampled_from(
            [
                "abort",
                "die",
                "die, lose the disk",
                "die, find an old snapshot",
                "die, find a snapshot of the future",
                "die, find a damaged snapshot",
                "die, find half a snapshot",
                "lose the partition for a while",
            ]
        ),
    ),
    min_size=2,
    max_size=6,
)


@given(most=st.sampled_from([4, 9]), troubles=troubles)
@settings(max_examples=10, deadline=None)
def test_detect_writes_the_same_whatever_fails_in_between(most, troubles):
    log = new_log()
    expected, future = undisturbed(most)
    with TemporaryDirectory() as directory:
        work_through(log, Path(directory), most, troubles, future)
    for topic in ("windows", "alerts", "retraining", "detect-state"):
        assert written(log, topic) == written(expected, topic)


def work_through(
    log: Log, directory: Path, most: int, troubles: list[tuple[int, str]], future: bytes
) -> None:
    worker = Worker(detect(log, directory), log, [S0], chunk=7)
    old = b""
    for undisturbed_batches, trouble in troubles:
        for _ in range(undisturbed_batches):
            worker.work(most)
        snapshot = directory / "0.snapshot"
        old = old or (snapshot.read_bytes() if snapshot.exists() else b"")
        if trouble == "abort":
            worker.abort(most)
            continue
        worker.commit_and_die(most)
        if trouble == "lose the partition for a while":
            other = Worker(detect(log, directory / "of another machine"), log, [S0])
            other.work(most)
        damage_snapshot(directory, trouble, old, future)
        worker = Worker(detect(log, directory), log, [S0], chunk=7)
    while not worker.done:
        worker.work(most)


def damage_snapshot(directory: Path, trouble: str, old: bytes, future: bytes) -> None:
    snapshot = directory / "0.snapshot"
    now = snapshot.read_bytes() if snapshot.exists() else b""
    left = {
        "die, find an old snapshot": old,
        "die, find a snapshot of the future": future,
        "die, find a damaged snapshot": now[:100] + bytes(b ^ 1 for b in now[100:101]) + now[101:],
        "die, find half a snapshot": now[: len(now) // 2],
    }
    if trouble == "die, lose the disk":
        shutil.rmtree(directory, ignore_errors=True)  # it may have been lost before
    elif trouble in left:
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_bytes(left[trouble])


@pytest.mark.parametrize("most", [1, 9, 1_000])
def test_detect_writes_the_same_windows_and_incidents_for_any_batch_size(most):
    expected, found = undisturbed(4)[0], undisturbed(most)[0]
    assert agreed(found) == agreed(expected)
    assert {e["id"] for e in documents(found, "alerts")} == {
        e["id"] for e in documents(expected, "alerts")
    }
    for key in VERSIONS:
        assert decisions_about(found, key) == decisions_about(expected, key)


def decisions_about(log: Log, key: tuple[str, str]) -> list[Any]:
    return [d for d in documents(log, "retraining") if (d["model"], d["version"]) == key]


def test_each_window_of_a_version_has_one_decision_and_they_differ():
    log, _ = undisturbed(4)
    for key in VERSIONS:
        found = decisions_about(log, key)
        decided = [d["decided_at"] for d in found]
        windows = [d for d in documents(log, "windows") if (d["model"], d["version"]) == key]
        assert decided == sorted(set(decided))
        assert set(decided) == {d["end"] for d in windows}
        assert {d["decision"] for d in found} == {"none", "wait", "retrain"}


def agreed(log: Log) -> Any:
    """Of each window: the data that decided, the performance that was judged, and the newest."""
    by_window: dict[str, Any] = {}
    for found in documents(log, "windows"):
        window = "/".join(found[name] for name in ("model", "version", "start", "end"))
        data, performance = found["data"], found["performance"]
        into = by_window.setdefault(window, {"decided": data})
        if performance["status"] == "final":
            into.setdefault("judged", {**performance, "revision": None})
        into["newest"] = ({**data, "revision": None}, {**performance, "revision": None})
    return by_window


# -- what it writes ----------------------------------------------------------------------------


def test_detect_keys_windows_and_increases_their_revision():
    log, _ = undisturbed(4)
    newest: dict[bytes, int] = {}
    for record, document in zip(log.all("windows"), documents(log, "windows"), strict=True):
        names = ("model", "version", "start", "end")
        assert record.key == "/".join(document[name] for name in names).encode()
        assert document["revision"] > newest.get(record.key, -1)
        newest[record.key] = document["revision"]


def test_each_window_carries_the_hash_of_the_settings_by_which_it_was_judged(log, tmp_path):
    made = (table(), constant(PLAN), log.partitions, log.read, tmp_path, log.first_offset)
    worker = Worker(Detect(*made, plan_hash="8c0f6d2a41b7e953"), log, [S0])
    handled(worker, log, row("m", 0), *passed(20 * PANE, ("m", "1")))
    assert {found["plan"] for found in documents(log, "windows")} == {"8c0f6d2a41b7e953"}


def test_detect_writes_each_alert_once_as_a_cloud_event_keyed_by_its_incident():
    log, _ = undisturbed(4)
    alerts = documents(log, "alerts")
    assert [record.key for record in log.all("alerts")] == [
        event["data"]["incident"].encode() for event in alerts
    ]
    assert {tuple(record.headers) for record in log.all("alerts")} == {
        (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
    }
    assert len({event["id"] for event in alerts}) == len(alerts)


def test_alert_has_the_info_of_its_model_version_as_of_now_and_the_same_id(tmp_path):
    log, profiles = new_log(), table()
    worker = Worker(detect(log, tmp_path, profiles), log, [S0])
    while not worker.done:
        opened = len(log.all("alerts"))
        profiles.describe("n", "1", VersionInfo(owner=f"owner {opened}"))
        worker.work(4)
    owners = [
        event["data"]["version_info"]["owner"]
        for event in documents(log, "alerts")
        if event["source"] == "/models/n"
    ]
    assert owners[0] == "owner 0"
    assert len(set(owners)) > 1
    expected = documents(undisturbed(4)[0], "alerts")
    assert {e["id"] for e in documents(log, "alerts")} == {e["id"] for e in expected}
    assert {e["data"]["version_info"]["owner"] for e in expected} == {None}


def test_incident_opens_with_the_drift_and_resolves_soon_after_its_end():
    changes = [
        (event["type"].rpartition(".")[2], event["time"][17:19])
        for event in documents(undisturbed(4)[0], "alerts")
        if event["subject"] == "data/x" and event["source"] == "/models/n"
    ]
    opened, resolved = changes
    assert opened[0] == "opened"
    assert 4 * 3 < int(opened[1]) < 4 * (3 + 1)  # in the window that drifts, before its end
    assert resolved[0] == "resolved"
    assert 4 * 5 < int(resolved[1]) < 4 * (5 + 1)  # in the first window after the drift


# -- by hand -----------------------------------------------------------------------------------


@pytest.fixture
def log() -> Log:
    return Log(
        summaries=2,
        **{"detect-state": 2, "windows": 1, "alerts": 1, "retraining": 1, "versions": 2},
    )


def row(model: str, pane: int, topic_partition: TopicPartition = S0, version: str = "1") -> Message:
    """One on-time row with a value of x."""
    x = profile(model, version).schema.features["x"]
    cells = {"rows": Counts.of([0]), "bins/x": Counts.of(x.sample.locate(np.array([0.0])))}
    summary = Summary(model, version, T0 + pane * PANE, Part.ON_TIME, cells)
    (value,) = encode_pieces([summary])
    return Message("summaries", model.encode(), value, topic_partition.partition, ARROW_HEADERS)


def passed(ms: int, *keys: tuple[str, str], at_ms: int = NOW) -> list[Message]:
    """Everything of these versions has come to this time of the stream, and was joined."""
    at, appended = T0 + ms, AppendTimes(1, {0: at_ms})
    seen = [
        VersionSeen(model=m, version=v, partition=0, seen=Seen(at, at_ms, at_ms, at_ms))
        for m, v in keys or MODELS
    ]
    joined = [
        VersionJoined(
            model=m, version=v, partition=0, predictions=EventTime(at), labels=EventTime(at)
        )
        for m, v in keys or MODELS
    ]
    sources = SourceProgress(schema=1, predictions=appended, labels=appended, versions=seen)
    joins = JoinProgress(schema=1, joins=appended, versions=joined)
    return [
        *source_progress_messages(sources, joins=0, summaries=1, has_append_times=True),
        *join_progress_messages(joins, 1, has_append_times=True),
    ]


def handled(worker: Worker[Detect], log: Log, *messages: Message) -> list[Message]:
    for message in messages:
        log.append(message)
    output = worker.work()
    return [] if output is None else list(output.messages)


def state_keys(messages: list[Message]) -> set[bytes | None]:
    return {message.key for message in messages if message.topic == "detect-state"}


def test_detect_state_is_written_only_for_what_changed_one_record_per_model_version(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    first = handled(worker, log, row("m", 0), row("m", 0, version="2"), row("n", 0))
    assert state_keys(first) == {b"clock/0", b"model/m/1", b"model/m/2", b"model/n/1"}
    assert state_keys(handled(worker, log, row("n", -1))) == {b"model/n/1"}
    assert state_keys(handled(worker, log, *passed(1))) >= {b"clock/0", b"time/m/1", b"time/n/1"}
    assert state_keys(handled(worker, log, *passed(2, ("m", "2")))) == {b"time/m/2"}
    assert state_keys(handled(worker, log, *passed(2, ("m", "2")))) == set()


def test_detect_state_goes_to_the_partition_with_the_number_of_the_summaries(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0, S1])
    messages = handled(worker, log, row("m", 0), row("n", 0, S1))
    partitions = {m.key: m.partition for m in messages if m.topic == "detect-state"}
    assert partitions == {b"clock/0": 0, b"model/m/1": 0, b"clock/1": 1, b"model/n/1": 1}


def test_successor_restores_the_models_of_its_partitions_only(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0, S1])
    handled(worker, log, row("m", 0), row("m", 0, version="2"), row("n", 0, S1))
    successor = detect(log, tmp_path)
    Worker(successor, log, [S0])
    counts: Any = {name: of["counts"] for name, of in successor.status().items()}
    assert counts == {
        "summaries/0": {"models": 2, "panes": 2, "open_incidents": 0, "foreign": 0, "unreadable": 0}
    }


def test_losing_a_partition_keeps_the_state_of_the_others(log, tmp_path):
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0, S1])
    handled(worker, log, row("m", 0), row("n", 0, S1))
    role.on_partitions_revoked([S1])
    assert set(role.status()) == {"summaries/0"}
    assert role.on_partitions_assigned({S1: log.committed[S1]}) == {}  # in its snapshot
    assert set(role.status()) == {"summaries/0", "summaries/1"}


def test_aborted_batch_is_not_added_to_the_sums(log, tmp_path):
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0])
    handled(worker, log, row("m", 0))
    log.append(row("n", 0))
    worker.abort()
    assert role.status()["summaries/0"]["counts"] == {
        "models": 1,
        "panes": 1,
        "open_incidents": 0,
        "foreign": 0,
        "unreadable": 0,
    }


def test_rebuild_reads_only_the_summaries_that_a_window_still_needs():
    log, _ = undisturbed(4)
    with TemporaryDirectory() as directory:
        behind = detect(log, Path(directory)).on_partitions_assigned({S0: log.committed[S0]})
    offsets = [record.offset for record in log.all("summaries")]
    assert offsets[-1] / 4 < behind[S0] < offsets[-1]


def test_first_commit_and_every_third_after_it_save_reading_the_summaries_again(log, tmp_path):
    """A worker that is killed again and again makes progress."""
    worker = Worker(detect(log, tmp_path), log, [S0])
    again = []
    for pane in range(2 * EVERY):
        handled(worker, log, row("m", pane))
        found = detect(log, tmp_path).on_partitions_assigned({S0: log.committed[S0]})
        again.append(pane + 1 - found.get(S0, pane + 1))
    assert again == [0, 1, 2, 0, 1, 2]


def test_snapshot_that_cannot_be_written_is_logged_and_does_not_stop_detect(log, tmp_path, caplog):
    (tmp_path / "full").write_text("no directory")
    worker = Worker(detect(log, tmp_path / "full"), log, [S0])
    with caplog.at_level(logging.WARNING):
        for pane in range(EVERY):
            handled(worker, log, row("m", pane))
    assert "could not be written" in caplog.text


def test_detect_starts_empty_without_committed_offsets_and_state(log, tmp_path):
    assert detect(log, tmp_path).on_partitions_assigned({S0: log.position(S0)}) == {}


def test_detect_writes_nothing_without_records(log, tmp_path):
    assert Worker(detect(log, tmp_path), log, [S0]).work() is None


def test_status_of_detect_has_offset_watermark_and_counts(log, tmp_path):
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0])
    assert role.status()["summaries/0"]["offset"] == 0
    handled(worker, log, row("m", 0), *passed(1_500, ("m", "1")))
    assert role.status()["summaries/0"] == {
        "offset": 3,
        "watermark": "2013-04-01T00:00:01.500Z",
        "counts": {"models": 1, "panes": 1, "open_incidents": 0, "foreign": 0, "unreadable": 0},
    }


# -- versions that are set aside ---------------------------------------------------------------

M2 = ("m", "2")
VERSIONS = (("m", "1"), M2, ("n", "1"))
LOST = "summaries that the windows of m/1 still need were deleted by retention"
OTHER_PANE = "the profile of n/1 was taken with panes of 1 s, the configuration says 2 s"


def of_versions(log: Log, *keys: tuple[str, str]) -> dict[str, list[bytes | None]]:
    """The messages on ``windows`` and ``alerts`` about some model versions."""
    subjects = {f"/models/{model}": model for model, _ in keys}
    windows = [
        record.value
        for record, document in zip(log.all("windows"), documents(log, "windows"), strict=True)
        if (document["model"], document["version"]) in keys
    ]
    alerts = [
        record.value
        for record, event in zip(log.all("alerts"), documents(log, "alerts"), strict=True)
        if (subjects.get(event["source"]), event["data"]["version"]) in keys
    ]
    return {"windows": windows, "alerts": alerts}


def results_of(log: Log, key: tuple[str, str]) -> Any:
    """What must not depend on when a version was judged.

    Labels may be known when it is, so those of a first, provisional publication are left out.
    """
    found = {
        window: {**results, "decided": {**results["decided"], "errors": None}}
        for window, results in agreed(log).items()
        if window.startswith("/".join((*key, "")))
    }
    events = [json.loads(value or b"") for value in of_versions(log, key)["alerts"]]
    events.sort(key=lambda event: event["subject"])  # kinds do not interact
    return found, events, decisions_about(log, key)


def reconfigured(directory: Path, log: Log) -> Detect:
    """A role that is configured with other panes for the model n."""
    other = replace(PLAN, windows=replace(PLAN.windows, pane_ms=2 * PANE))
    role = detect(log, directory)
    role._plan_of = lambda model: other if model == "n" else PLAN
    return role


@pytest.mark.parametrize("lose_disk", [False, True])
@pytest.mark.parametrize(("first", "last"), [(0, 9), (5, 15), (12, 200)])
def test_version_of_another_pane_is_set_aside_and_closes_what_is_due_once_it_fits(
    tmp_path, first, last, lose_disk
):
    log, expected = new_log(), undisturbed(4)[0]
    worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
    for _ in range(first):
        worker.work(4)
    written_before = of_versions(log, ("n", "1"))
    role = reconfigured(tmp_path, log)
    worker = Worker(role, log, [S0], chunk=7)
    for _ in range(first, last):
        worker.work(4)
    assert role.problem() is not None
    assert role.problem().startswith(f"1 model version is set aside: n/1: {OTHER_PANE}")
    assert of_versions(log, ("n", "1")) == written_before
    if lose_disk:
        shutil.rmtree(tmp_path)
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0], chunk=7)
    log.append(Message("summaries", *update_of(log), 0, JSON_HEADERS))
    while not worker.done:
        worker.work(4)
    assert role.problem() is None
    assert of_versions(log, ("m", "1"), M2) == of_versions(expected, ("m", "1"), M2)
    assert results_of(log, ("n", "1")) == results_of(expected, ("n", "1"))


def update_of(log: Log) -> tuple[bytes | None, bytes | None]:
    """The newest watermarks of a log again, which change nothing."""
    record = next(
        record for record in reversed(log.all("summaries")) if b"sources" in (record.value or b"")
    )
    return record.key, record.value


def test_version_without_a_profile_is_judged_as_soon_as_the_profile_is_published(tmp_path, caplog):
    log, expected = new_log(), undisturbed(4)[0]
    profiles = Table(profile(), profile("n"))
    role = detect(log, tmp_path, profiles)
    worker = Worker(role, log, [S0])
    for _ in range(12):
        worker.work(4)
    reason = "the profile of m/2 is gone from the topic 'profiles'"
    assert (role.problem() or "").startswith(f"1 model version is set aside: m/2: {reason}")
    assert caplog.text.count(f"m/2 is set aside: {reason}") == 1
    assert profiles.catch_ups == 1  # it waits for the end of the topic once, not in each batch
    assert of_versions(log, M2) == {"windows": [], "alerts": []}
    profiles.publish(profile(version="2", threshold=0.8))
    while not worker.done:
        worker.work(4)
    assert role.problem() is None
    others = (("m", "1"), ("n", "1"))
    assert of_versions(log, *others) == of_versions(expected, *others)
    assert results_of(log, M2) == results_of(expected, M2)


@pytest.mark.parametrize("fails", ["judge_data", "judge_performance", "window_message"])
def test_version_that_cannot_be_judged_does_not_stop_the_others(tmp_path, monkeypatch, fails):
    log, expected = new_log(), undisturbed(4)[0]
    module: Any = consumers.roles.finding_messages
    owner = module if fails == "window_message" else Evaluator
    works = getattr(owner, fails)

    def failing(subject: Any, *args: Any, **settings: Any) -> Any:
        found = subject.profile if owner is Evaluator else subject.key
        if (found.model, found.version) == M2:
            raise OverflowError("too large")
        return works(subject, *args, **settings)

    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0], chunk=7)
    for i in range(20):
        if i == 7:
            monkeypatch.setattr(owner, fails, failing)
        worker.work(4)
    assert role.problem() == "1 model version is set aside: m/2: OverflowError('too large')"
    monkeypatch.setattr(owner, fails, works)
    worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
    while not worker.done:
        worker.work(4)
    others = (("m", "1"), ("n", "1"))
    assert of_versions(log, *others) == of_versions(expected, *others)
    assert results_of(log, M2) == results_of(expected, M2)


def retained(log: Log, oldest: int) -> None:
    """Let retention delete the summaries before an offset."""
    log._records[S0] = [record for record in log._records[S0] if record.offset >= oldest]


def test_version_whose_summaries_were_deleted_before_a_rebuild_is_set_aside(tmp_path):
    log, expected = new_log(), undisturbed(4)[0]
    worker = Worker(detect(log, tmp_path / "lost"), log, [S0])
    for _ in range(8):
        worker.work(4)
    written_before = of_versions(log, *VERSIONS)
    retained(log, log.position(S0).next_offset)
    for message in (*(row("o", pane) for pane in range(40, 45)), *passed(60 * PANE, ("o", "1"))):
        log.append(message)
    profiles = table(profile("o"))
    for disk in ("empty", "empty", "of another machine"):  # a restart must not forget it
        role = detect(log, tmp_path / disk, profiles)
        worker = Worker(role, log, [S0])
        for _ in range(2 * EVERY):
            worker.work(1)
        assert (role.problem() or "").startswith(f"3 model versions are set aside: m/1: {LOST}")
    while not worker.done:
        worker.work(4)
    assert of_versions(log, *VERSIONS) == written_before != of_versions(expected, *VERSIONS)
    assert of_versions(log, ("o", "1"))["windows"]
    about = [f"{model}/{version}" for model, version in VERSIONS]
    assert told(log) == [("opened", one) for one in about]  # once, in spite of the restarts


def told(log: Log) -> list[tuple[str, str]]:
    """The changes of the incidents about summaries that are lost."""
    alerts = [decode_alert(record) for record in log.all("alerts")]
    own = [alert for alert in alerts if alert.subject == "driftline/summaries"]
    assert all(alert.data.model is None for alert in own)
    assert len({alert.id for alert in own}) == len(own)
    return [(alert.change, alert.data.evidence.detail or "") for alert in own]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "requests", [[LifeAction.RESET], [LifeAction.RETIRE, LifeAction.RESTORE]], ids=str
)
def test_version_whose_summaries_were_deleted_is_judged_again_from_its_next_life_on(
    tmp_path, log, requests, restarts
):
    disks = (tmp_path / str(number) for number in range(9))
    worker = Worker(detect(log, next(disks)), log, [S0])
    handled(worker, log, row("m", 0), row("n", 0), *passed(500, ("m", "1"), ("n", "1")))
    retained(log, log.position(S0).next_offset)
    disk = next(disks)
    worker = Worker(detect(log, disk), log, [S0])
    handled(worker, log, row("m", 1), row("n", 1), *passed(20 * PANE, ("m", "1"), ("n", "1")))
    assert (worker.role.problem() or "").startswith("2 model versions are set aside: m/1: " + LOST)
    assert "driftline models reset m 1" in (worker.role.problem() or "")
    assert told(log) == [("opened", "m/1"), ("opened", "n/1")]
    for action in requests:
        handled(worker, log, request(action))
        found = worker.role.problem() or ""
        assert found.startswith("1 model version is set aside: n/1: "), action
        if restarts:
            worker = Worker(detect(log, disk), log, [S0])
    assert told(log)[2:] == [("resolved", "m/1")]
    later = [row("m", pane) for pane in range(40, 48)]
    handled(worker, log, *later, *passed(60 * PANE, ("m", "1"), ("n", "1"), at_ms=NOW + 1))
    assert "m/1" not in (worker.role.problem() or "")
    windows = [d for d in documents(log, "windows") if d["data"]["rows"]]
    assert {(d["model"], d["life"]) for d in windows} == {("m", 1)}
    assert rows_by_window(log) == {"m/1": 2 * [4]}
    handled(worker, log, request(LifeAction.RETIRE, model="n"))
    assert worker.role.problem() is None
    for _ in range(EVERY):
        handled(worker, log, tick(NOW + 2))
    assert (disk / "0.snapshot").exists()  # the panes are complete again


def test_version_whose_summaries_were_deleted_is_judged_in_the_batch_of_its_reset(tmp_path, log):
    worker = Worker(detect(log, tmp_path / "a"), log, [S0])
    handled(worker, log, row("m", 0), *passed(500, ("m", "1")))
    retained(log, log.position(S0).next_offset)
    worker = Worker(detect(log, tmp_path / "b"), log, [S0])
    later = [row("m", pane) for pane in range(40, 48)]
    after = passed(60 * PANE, ("m", "1"), at_ms=NOW + 1)
    handled(worker, log, row("m", 1), request(LifeAction.RESET), *later, *after)
    assert worker.role.problem() is None
    assert {d["life"] for d in documents(log, "windows")} == {1}
    assert rows_by_window(log) == {"m/1": 2 * [4]}


def rows_by_window(log: Log) -> dict[str, list[int]]:
    """Of the windows that hold any, by version, as published last."""
    newest: dict[str, dict[str, int]] = defaultdict(dict)
    for window in documents(log, "windows"):
        if window["data"]["rows"]:
            name = f"{window['model']}/{window['version']}"
            newest[name][window["start"]] = window["data"]["rows"]
    return {name: [rows for _, rows in sorted(of.items())] for name, of in newest.items()}


def test_version_whose_panes_are_in_the_snapshot_needs_no_deleted_summaries(tmp_path):
    log, expected = new_log(), undisturbed(4)[0]
    worker = Worker(detect(log, tmp_path), log, [S0])
    for _ in range(4 * EVERY):
        worker.work(4)
    saved = log.position(S0).next_offset
    worker.work(4)
    retained(log, saved)
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0])
    while not worker.done:
        worker.work(4)
    assert role.problem() is None
    assert of_versions(log, *VERSIONS) == of_versions(expected, *VERSIONS)


def test_version_whose_windows_exceed_the_message_limit_is_set_aside(tmp_path, monkeypatch):
    log, expected = new_log(), undisturbed(4)[0]
    sizes = [len(value or b"") for value in of_versions(expected, M2)["windows"]]
    others = (("m", "1"), ("n", "1"))
    assert max(sizes) > max(len(v or b"") for v in of_versions(expected, *others)["windows"])
    monkeypatch.setattr(consumers.roles.finding_messages, "MAX_WINDOW_BYTES", max(sizes) - 1)
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0])
    while not worker.done:
        worker.work(4)
    assert f"m/2: the message of a window has {max(sizes):,} bytes" in (role.problem() or "")
    assert of_versions(log, *others) == of_versions(expected, *others)


def test_problem_names_few_versions_and_the_number_of_all(log, tmp_path):
    role = detect(log, tmp_path, Table())
    handled(Worker(role, log, [S0]), log, *(row("m", 0, version=str(v)) for v in (1, 2, 3, 4, 5)))
    problem = role.problem() or ""
    assert problem.startswith("5 model versions are set aside: m/1: the profile of m/1 is gone")
    assert problem.endswith("; and 2 more, see the log")
    role.on_partitions_revoked([S0])
    assert role.problem() is None


# -- messages that cannot be used --------------------------------------------------------------


def test_foreign_messages_in_summaries_are_skipped_and_counted(log, tmp_path):
    role = detect(log, tmp_path)
    worker = Worker(role, log, [S0])
    foreign = [Message("summaries", None, value, 0) for value in (None, b"junk", b"{}")]
    handled(worker, log, *foreign, row("m", 0))
    counts: Any = role.status()["summaries/0"]["counts"]
    assert (counts["foreign"], counts["panes"]) == (3, 1)


def test_foreign_messages_in_detect_state_are_skipped_and_counted(log, tmp_path):
    handled(Worker(detect(log, tmp_path), log, [S0]), log, row("m", 0))
    for key, value in ((b"clock/0", None), (b"model/m/1", b"junk"), (b"other", b"{}"), (None, b"")):
        log.append(Message("detect-state", key, value, 0))
    successor = detect(log, tmp_path)
    Worker(successor, log, [S0])
    counts: Any = successor.status()["summaries/0"]["counts"]
    assert (counts["foreign"], counts["models"], counts["panes"]) == (3, 1, 1)


def test_clock_of_another_schema_is_refused_with_its_place(log, tmp_path):
    log.append(Message("detect-state", b"clock/0", b'{"schema": 2}', 0))
    with pytest.raises(UnreadableMessage, match="topic detect-state, partition 0, offset 0: "):
        Worker(detect(log, tmp_path), log, [S0])


def test_clock_of_another_schema_is_no_matter_once_a_later_one_replaces_it(log, tmp_path):
    """Compaction has not removed it yet."""
    log.append(Message("detect-state", b"clock/0", b'{"schema": 2}', 0))
    log.append(clock_message(0, AppendClock()))
    Worker(detect(log, tmp_path), log, [S0])


def test_what_the_registration_has_learned_is_not_learned_again(tmp_path, monkeypatch):
    profiles, log = table(), new_log()
    for key in VERSIONS:
        of = profiles.get(*key)
        learned = encode_learned(Learned.of(PLAN, of), learned_key(PLAN, content_hash(of)), BINARY)
        profiles.published_learning[key] = learned
    monkeypatch.setattr(consumers.roles.learning.Learned, "of", None)  # a call would fail
    role = detect(log, tmp_path, profiles)
    worker = Worker(role, log, [S0])
    while not worker.done:
        worker.work(4)
    assert role.problem() is None
    assert of_versions(log, *VERSIONS) == of_versions(undisturbed(4)[0], *VERSIONS)


# -- segments ----------------------------------------------------------------------------------

M1 = Key("m", "1")


@cache
def with_segment() -> Log:
    """The stream of these tests; each summary of m/1 is that of a segment as well."""
    found = new_log()
    log = found.only("detect-state")
    for record in found.read(S0):
        value = record.value
        content = decode_summary_message(record)
        if isinstance(content, list):
            mine = [one for one in content if one.key == M1]
            (value,) = encode_pieces([*content, *(replace(one, segment=SEGMENT) for one in mine)])
        log.append(Message("summaries", record.key, value, 0, record.headers))
    return log


def worked_through(directory: Path, log: Log, most: int, *, lose_disk: bool) -> Worker[Detect]:
    worker = Worker(detect(log, directory), log, [S0], chunk=7)
    while not worker.done:
        worker.work(most)
        if lose_disk:
            shutil.rmtree(directory, ignore_errors=True)
            worker = Worker(detect(log, directory), log, [S0], chunk=7)
    return worker


def key_of(document: Any) -> Key:
    """Of a message on ``windows`` or ``alerts``."""
    about = document["data"] if "specversion" in document else document
    return Key(about["model"], about["version"], about["segment"])


def without_segment(document: Any) -> Any:
    """Without what may differ between a segment and the whole with the same rows.

    Their alerts refer to each other.
    """
    names = ("segment", "id", "incident", "segments", "part_of", "message")
    if isinstance(document, dict):
        return {n: without_segment(one) for n, one in document.items() if n not in names}
    return document


@pytest.mark.parametrize("lose_disk", [False, True])
def test_segment_is_judged_beside_the_whole_with_the_clock_of_its_version(tmp_path, lose_disk):
    log, expected = with_segment().only("summaries"), undisturbed(4)[0]
    worked_through(tmp_path, log, 4, lose_disk=lose_disk)
    for topic in ("windows", "alerts"):
        found = documents(log, topic)
        whole = [one for one in found if key_of(one).segment == ""]
        alone = documents(expected, topic)
        assert list(map(without_segment, whole)) == list(map(without_segment, alone))
        assert [one.get("id") for one in whole] == [one.get("id") for one in alone]
        segment = [without_segment(one) for one in found if key_of(one).segment == SEGMENT]
        assert segment == [without_segment(one) for one in whole if key_of(one) == M1] != []
    ids = [(one["id"], one["data"]["incident"]) for one in documents(log, "alerts")]
    assert len(set(ids)) == len(ids)
    assert b"model/m/1/c=a" in {record.key for record in log.all("detect-state")}


def test_segment_that_cannot_be_judged_does_not_stop_the_whole(tmp_path, monkeypatch):
    log, expected = with_segment().only("summaries"), undisturbed(4)[0]
    works = consumers.roles.finding_messages.window_message

    def failing(finding: WindowFinding, *args: Any) -> Any:
        if finding.key.segment:
            raise OverflowError("too large")
        return works(finding, *args)

    with monkeypatch.context() as patch:
        patch.setattr(consumers.roles.finding_messages, "window_message", failing)
        role = detect(log, tmp_path)
        worker = Worker(role, log, [S0])
        for _ in range(20):
            worker.work(4)
        problem = "1 model version is set aside: m/1/c=a: OverflowError('too large')"
        assert role.problem() == problem
    worker = Worker(detect(log, tmp_path), log, [S0])
    while not worker.done:
        worker.work(4)
    windows = documents(log, "windows")
    assert [one for one in windows if not key_of(one).segment] == documents(expected, "windows")
    ends = {one["end"] for one in windows if key_of(one) == M1}
    assert {one["end"] for one in windows if key_of(one).segment} == ends


@pytest.mark.parametrize("action", [LifeAction.RESET, LifeAction.RETIRE])
def test_end_of_a_version_ends_its_segments(tmp_path, action):
    log = new_log().only("detect-state")
    records = with_segment().read(S0)
    for record in records[: len(records) // 2]:
        log.append(Message("summaries", record.key, record.value, 0, record.headers))
    log.append(request(action))
    worked_through(tmp_path, log, 4, lose_disk=False)
    about = [e for e in documents(log, "alerts") if key_of(e) == M1._replace(segment=SEGMENT)]
    changes = [(e["type"].rpartition(".")[2], e["data"]["reason"]) for e in about]
    reason = "retired" if action is LifeAction.RETIRE else "rebased"
    assert {("opened", None), ("resolved", reason)} == set(changes)
    left = {record.key: record.value for record in log.all("detect-state")}
    assert [left[key] for key in (b"time/m/1", b"model/m/1", b"model/m/1/c=a")] == [None] * 3
    successor = detect(log, tmp_path)
    Worker(successor, log, [S0])
    counts: Any = successor.status()["summaries/0"]["counts"]
    assert counts["models"] == 2


# -- lives of versions -------------------------------------------------------------------------


def request(action: LifeAction, version: str = "1", model: str = "m") -> Message:
    content = LifeRequestMessage(
        model=model, version=version, action=action, by="ada", why="of reasons"
    )
    return Message("summaries", None, msgspec.json.encode(content), 0, JSON_HEADERS)


def states(log: Log) -> dict[str, tuple[str, str]]:
    """State and reason of each version, as published."""
    found = {f"{d['model']}/{d['version']}": d for d in documents(log, "versions")}
    return {name: (document["state"], document["why"]) for name, document in found.items()}


def test_first_row_makes_a_version_live_and_the_one_before_a_shadow(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, *passed(1, ("m", "1")))
    assert states(log) == {"m/1": ("live", "its first row")}
    handled(worker, log, *passed(1, ("m", "2")))
    assert states(log) == {
        "m/1": ("shadow", "replaced by version 2"),
        "m/2": ("live", "its first row"),
    }
    handled(Worker(detect(log, tmp_path), log, [S0]), log, *passed(2, ("m", "1")))
    assert states(log)["m/2"] == ("live", "its first row")


def test_version_in_a_state_that_a_later_release_has_written_is_watched_and_keeps_it(log, tmp_path):
    topic, document = version_state("1", "collecting", model="m")
    log.append(Message(topic, b"m/1", json.dumps(document).encode(), 0))
    role = detect(log, tmp_path)
    handled(Worker(role, log, [S0]), log, row("m", 0), *passed(1, ("m", "1"), ("m", "2")))
    assert {name: state for name, (state, _) in states(log).items()} == {
        "m/1": "collecting",
        "m/2": "live",
    }
    counts: Any = role.status()["summaries/0"]["counts"]
    assert (counts["models"], counts["panes"]) == (2, 1)


@pytest.mark.parametrize("most", [1, 4, 1_000])
@pytest.mark.parametrize("lose_disk", [False, True])
def test_retired_version_resolves_its_incidents_and_is_not_judged_any_more(
    tmp_path, most, lose_disk
):
    found = new_log()
    log, at = found.only("detect-state"), len(found.read(S0)) // 2
    for record in found.read(S0)[:at]:
        log.append(Message("summaries", record.key, record.value, 0, record.headers))
    log.append(request(LifeAction.RETIRE))
    for record in found.read(S0)[at:]:
        log.append(Message("summaries", record.key, record.value, 0, record.headers))
    worker = Worker(detect(log, tmp_path), log, [S0])
    while not worker.done:
        worker.work(most)
        if lose_disk:
            shutil.rmtree(tmp_path, ignore_errors=True)
            worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
    expected = undisturbed(4)[0]
    others = (M2, ("n", "1"))
    assert agreed_of(log, others) == agreed_of(expected, others)
    assert states(log)["m/1"] == ("retired", "of reasons")
    mine = [e["data"] for e in documents(log, "alerts") if e["data"]["version"] == "1"]
    mine = [data for data in mine if data["model"] == "m"]
    opened = {data["incident"] for data in mine if data["state"] == "open"}
    reasons = {d["incident"]: d["reason"] for d in mine if d["state"] == "resolved"}
    assert opened == reasons.keys()
    assert "retired" in reasons.values()
    counts: Any = worker.role.status()["summaries/0"]["counts"]
    assert counts["models"] == 2
    keys = {r.key: r.value for r in log.all("detect-state")}
    assert keys.get(b"model/m/1") is None


def agreed_of(log: Log, keys: Any) -> Any:
    return {
        window: found
        for window, found in agreed(log).items()
        if any(window.startswith("/".join((*key, ""))) for key in keys)
    }


def test_restored_version_starts_with_the_rows_after_its_restoration(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("m", 0), *passed(1, ("m", "1")), request(LifeAction.RETIRE))
    handled(worker, log, row("m", 1), *passed(1, ("m", "1")))
    handled(worker, log, request(LifeAction.RESTORE), row("m", 2))
    assert states(log)["m/1"] == ("shadow", "of reasons")
    successor = detect(log, tmp_path)
    Worker(successor, log, [S0])
    for role in (worker.role, successor):
        counts: Any = role.status()["summaries/0"]["counts"]
        assert (counts["models"], counts["panes"]) == (1, 1)


def of_life(number: int, value: bytes) -> bytes:
    """A message of ``join`` about versions in this life; any other as it is."""
    try:
        document = json.loads(value)
    except ValueError:  # an Arrow stream
        return value
    if document.get("type") == "joins":
        document["versions"] = [{**one, "life": number} for one in document["versions"]]
    return json.dumps(document).encode()


@pytest.mark.parametrize("lose_disk", [False, True])
def test_version_that_was_reset_judges_the_same_rows_again_as_another_life(tmp_path, lose_disk):
    """Its windows and incidents are equal but for the number of the life and the ids."""
    log = new_log()
    for model, version in (("m", "1"), ("m", "2"), ("n", "1")):
        log.append(request(LifeAction.RESET, version, model), NOW - 1)  # before the rows come again
    for record in summarised().read(S0):
        value = of_life(1, record.value or b"")
        log.append(Message("summaries", record.key, value, 0, record.headers))
    worked_through(tmp_path, log, 4, lose_disk=lose_disk)
    windows: list[list[Any]] = [[], []]
    for window in documents(log, "windows"):
        windows[window.pop("life")].append(window)
    assert windows[0] == windows[1] != []
    alerts = documents(log, "alerts")
    ended = [one for one in alerts if one["data"]["reason"] == "rebased"]
    others = [without_segment(one) for one in alerts if one not in ended]
    assert others[: len(others) // 2] == others[len(others) // 2 :] != []
    assert len({one["id"] for one in alerts}) == len(alerts)


@pytest.mark.parametrize("action", [LifeAction.RESET, LifeAction.RETIRE])
def test_panes_of_a_snapshot_before_a_reset_do_not_come_back(log, tmp_path, action):
    worker = Worker(detect(log, tmp_path), log, [S0])
    for pane in range(EVERY):
        seen = passed(pane, ("m", "1"), ("n", "1"))
        handled(worker, log, row("m", pane), row("n", pane), *seen)
    assert (tmp_path / "0.snapshot").exists()
    handled(worker, log, request(action))
    successor = detect(log, tmp_path)
    Worker(successor, log, [S0])
    for role in (worker.role, successor):
        counts: Any = role.status()["summaries/0"]["counts"]
        assert counts["panes"] == EVERY  # those of the other model, which need the snapshot


def test_shadow_without_rows_is_retired_after_its_time(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, *passed(1, ("m", "1")), *passed(1, ("m", "2")))
    after_ms = PLAN.time.retire_after_ms or 0
    for span_ms, state in ((after_ms - 1, "shadow"), (after_ms, "retired")):
        handled(worker, log, tick(NOW + span_ms))
        assert states(log)["m/1"][0] == state
    assert states(log)["m/2"][0] == "live"  # its silence is for people to judge


def tick(append_ms: int) -> Message:
    """Append time goes on."""
    appended = AppendTimes(1, {0: append_ms})
    progress = SourceProgress(schema=1, predictions=appended, labels=appended)
    (message,) = source_progress_messages(progress, joins=0, summaries=1, has_append_times=True)
    return message


def test_alert_names_the_state_of_its_version():
    log, _ = undisturbed(4)
    found = {(e["data"]["version"], e["data"]["version_state"]) for e in documents(log, "alerts")}
    assert ("2", "live") in found
