"""Models beside each other on one Kafka: each has the windows that it has alone.

Fifty models share four partitions: an online model, one that is scored in bulk long after the
events, a replay of last year, a shadow version half a day of its windows behind, a model whose
reference holds 1e200, and small ones. Panes are seconds here, windows four of them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from monitor.counts.profile import Profile
from monitor.plan import Plan
from monitor.plan import Windows as WindowsPlan
from monitor.tasks.binary import BINARY
from monitor.windows.learned import Learned
from producers.contract.learned import encode_learned, learned_key
from producers.contract.profile_overview import encode_overview, overview_of
from producers.contract.profiles import content_hash, encode_profile
from tests.consumers.in_memory import T0, label, prediction, profile
from tests.integration.deployment import Deployment, Sent, Windows

pytestmark = pytest.mark.kafka

SPAN_MS, END_MS = 24_000, 60_000  # rows of six windows, and a row far behind the last of them
PUBLISHED = 9  # windows of a version at least: six with rows, and three empty ones
YEAR_MS = 365 * 86_400_000
SETTINGS = {
    "DRIFTLINE_WINDOWS__PANE": "1s",
    "DRIFTLINE_WINDOWS__LENGTH": "4s",
    "DRIFTLINE_WINDOWS__LONGEST": "8s",
    "DRIFTLINE_TIME__LATENESS": "500ms",
    "DRIFTLINE_TIME__ACCEPT_LATE": "3s",
    "DRIFTLINE_TIME__LABEL_HORIZON": "4s",
    "DRIFTLINE_TIME__LABEL_WAIT": "1500ms",
}
PLAN = Plan(windows=WindowsPlan(pane_ms=1_000, length_ms=4_000, slide_ms=4_000, longest_ms=8_000))
ONLINE, NIGHTLY, SHADOW, REPLAY = ("online", "1"), ("nightly", "1"), ("online", "2"), ("old", "1")
POISONED = ("poisoned", "1")
SMALL = [(f"small-{n:02}", "1") for n in range(45)]


def rows(key: tuple[str, str], start_ms: int, every_ms: int = 100) -> list[Sent]:
    """Predictions of a version in all partitions, with labels, and rows that close its windows."""
    model, version = key
    found = [
        record
        for n, at_ms in enumerate(range(start_ms, start_ms + SPAN_MS, every_ms))
        for record in row(model, version, n, at_ms)
    ]
    for number in range(4):
        found += row(model, version, -1 - number, start_ms + END_MS, number)
    return found


def row(
    model: str, version: str, number: int, at_ms: int, partition: int | None = None
) -> list[Sent]:
    source = number % 4 if partition is None else partition
    own = {"id": f"{number}", "time": at_ms, "model": model}
    features = {"x": round((number * 37 % 100) / 40 - 1.25, 2), "c": "ab"[number % 2]}
    score = (number * 13 % 10) / 10
    sent = prediction(**own, version=version, features=features, score=score)
    known = label(**{**own, "time": at_ms + 200}, label=int(number % 3 == 0))
    return [Sent("predictions", source, None, sent), Sent("labels", source, None, known)]


def interleaved(*streams: list[Sent]) -> list[Sent]:
    """One record of each stream in turn, while they last."""
    longest = max(map(len, streams))
    return [stream[i] for i in range(longest) for stream in streams if i < len(stream)]


def profiles(keys: Iterable[tuple[str, str]]) -> Iterator[Profile]:
    return (profile(*key, sentinel=1e200 if key == POISONED else None) for key in keys)


def registrations(keys: Iterable[tuple[str, str]]) -> Iterator[Sent]:
    """What ``driftline register`` writes of them, without a transaction for each."""
    for one in profiles(keys):
        found = learned(1e200 if (one.model, one.version) == POISONED else None)
        derived = {
            "overview": encode_overview(overview_of(one, found.baseline)),
            "learned": encode_learned(found, learned_key(PLAN, content_hash(one)), BINARY),
        }
        for key, value in encode_profile(one, derived=derived):
            yield Sent("profiles", 0, key, value)


@cache
def learned(sentinel: float | None) -> Learned:
    """Learned once: the profiles differ in their names alone."""
    return Learned.of(PLAN, profile(sentinel=sentinel))


def judged(kafka: str, prefix: str, directory: Path, records: list[Sent]) -> Windows:
    """The windows of all versions in ``records``, when the last of each is final."""
    directory.mkdir()
    keys = sorted({key for record in records if (key := version_of(record)) is not None})
    with Deployment(kafka, prefix, directory, SETTINGS) as deployment:
        deployment.send(registrations(keys))
        deployment.start("aggregate", "join", "detect")
        deployment.send(records)
        windows = Windows({}, {}, {})

        def all_are_final() -> bool:
            nonlocal windows
            windows = deployment.windows()
            return Counter(map(key_of, windows.final)) >= Counter(dict.fromkeys(keys, PUBLISHED))

        deployment.until(all_are_final, "the final windows of all versions")
        time.sleep(1.0)
        totals = deployment.total("predictions")
        assert (totals.get("late", 0), totals.get("too_late", 0)) == (0, 0)
        return deployment.windows()


def version_of(record: Sent) -> tuple[str, str] | None:
    document = json.loads(record.value or b"")
    return (document["model"], document["version"]) if "version" in document else None


def key_of(window: str) -> tuple[str, str]:
    model, version, *_ = window.split("/")
    return model, version


def of_version(windows: Windows, key: tuple[str, str]) -> list[dict[str, object]]:
    return [
        {window: found for window, found in part.items() if key_of(window) == key}
        for part in (windows.first, windows.final, windows.last)
    ]


@pytest.fixture(scope="module")
def beside(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Windows:
    """Fifty models at once. Those that are behind come while the others are ahead."""
    online, half = rows(ONLINE, T0), len(rows(ONLINE, T0)) // 2
    shadow = [r for r in rows(SHADOW, T0) if r.topic == "predictions"]  # they share the labels
    records = [
        *online[:half],
        *interleaved(
            online[half:],
            shadow,
            rows(REPLAY, T0 - YEAR_MS),
            rows(POISONED, T0),
            *(rows(key, T0 + n * 7_000, every_ms=500) for n, key in enumerate(SMALL)),
        ),
        *rows(NIGHTLY, T0 - 12 * 3_600_000),
    ]
    prefix = f"beside-{time.time_ns():x}"
    return judged(kafka, prefix, tmp_path_factory.mktemp("beside") / "of", records)


def test_windows_of_a_model_are_the_same_beside_forty_nine_others(beside, kafka, tmp_path, prefix):
    alone = judged(kafka, prefix, tmp_path / "alone", rows(ONLINE, T0))
    assert of_version(beside, ONLINE) == of_version(alone, ONLINE)
    assert len(alone.first) == PUBLISHED


@pytest.mark.parametrize(
    ("key", "start_ms", "every_ms"),
    [
        pytest.param(NIGHTLY, T0 - 12 * 3_600_000, 100, id="scored in bulk, half a day later"),
        pytest.param(REPLAY, T0 - YEAR_MS, 100, id="a replay of last year"),
        pytest.param(SHADOW, T0, 100, id="a shadow version that is behind"),
        pytest.param(POISONED, T0, 100, id="a reference that holds 1e200"),
        *(pytest.param(key, T0 + n * 7_000, 500, id=key[0]) for n, key in enumerate(SMALL[:3])),
    ],
)
def test_model_that_is_behind_others_is_judged_with_all_its_rows(beside, key, start_ms, every_ms):
    first, final, _ = of_version(beside, key)
    counts = Counter(
        (at_ms - T0 % 4_000) // 4_000 for at_ms in range(start_ms, start_ms + SPAN_MS, every_ms)
    )
    assert sum(found["data"]["rows"] for found in first.values()) == counts.total()
    assert max(found["data"]["rows"] for found in first.values()) == 4_000 // every_ms
    if key != SHADOW:
        assert max(found["labels"] for found in final.values()) == 4_000 // every_ms


# -- lives of versions -------------------------------------------------------------------------


def test_replaced_version_is_retired_on_request_and_the_new_one_answers(kafka, tmp_path, prefix):
    """Its incidents end with a reason, and rows that still come are counted as retired."""
    with Deployment(kafka, prefix, tmp_path, SETTINGS) as deployment:
        deployment.send(registrations([ONLINE, SHADOW]))
        assert "online  1        registered" in deployment.cli("models", "list")
        deployment.start()
        drifted = [r for r in rows(ONLINE, T0) if r.topic == "predictions"]
        deployment.send([r._replace(value=moved(r.value or b"")) for r in drifted])
        deployment.until(lambda: "open" in states_of_incidents(deployment), "an open incident")
        deployment.send(rows(SHADOW, T0 + END_MS))
        deployment.until(
            lambda: "online  2        live" in deployment.cli("models", "list"), "a live version"
        )
        assert "replaced by version 2" in deployment.cli("models", "show", "online", "1")
        done = deployment.cli("models", "retire", "online", "1", "--by", "ada", "--why", "old")
        assert done.startswith("online/1 is retired since ")
        deployment.until(
            lambda: states_of_incidents(deployment) == {"resolved"}, "no open incident of version 1"
        )
        reasons = {alert["data"]["reason"] for alert in alerts_of(deployment, "1")}
        assert "retired" in reasons
        deployment.send(rows(ONLINE, T0 + 2 * END_MS)[:40])
        deployment.until(lambda: deployment.total("predictions").get("retired") == 20, "the count")
        assert deployment.total("predictions").get("dead:unknown_model", 0) == 0
        assert "ada" in deployment.cli("models", "list")


def moved(value: bytes) -> bytes:
    """A prediction with another ``x``."""
    document = json.loads(value)
    return json.dumps({**document, "features": {**document["features"], "x": 99.0}}).encode()


def alerts_of(deployment: Deployment, version: str) -> list[dict[str, Any]]:
    return [alert for alert in deployment.alerts() if alert["data"]["version"] == version]


def states_of_incidents(deployment: Deployment) -> set[str]:
    """The newest state of each incident of version 1."""
    newest = {}
    for _, key, value, _ in deployment.read("alerts"):
        alert = json.loads(value or b"")
        if alert["data"]["version"] == "1":
            newest[key] = alert["data"]["state"]
    return set(newest.values())


# -- live --------------------------------------------------------------------------------------

LIVE, CONTROL = ("live", "1"), ("control", "1")
SHARED, IDLE_PARTITION = (0, 1, 2), 3
SECONDS, EVERY_MS = 14, 200
AHEAD_MS = 9 * 60_000


@dataclass
class LiveRun:
    """Two versions in real time, one of which has a sender whose clock is ahead."""

    deployment: Deployment
    starts_ms: list[int]  # of the windows with rows, without that of the first row
    sent: Counter[int]  # rows of each version by start of their window

    def windows(self, key: tuple[str, str]) -> list[dict[int, dict[str, object]]]:
        """First, final and newest of each window up to now, by start."""
        return [
            {start: found for w, found in part.items() if (start := start_ms(w)) in self.starts_ms}
            for part in of_version(self.deployment.windows(), key)
        ]


def start_ms(window: str) -> int:
    return round(datetime.fromisoformat(window.split("/")[2]).timestamp() * 1000)


@pytest.fixture(scope="module")
def live(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveRun]:
    """Rows of both versions for some seconds; one partition has none after a few of them."""
    horizon = {"DRIFTLINE_TIME__LABEL_HORIZON": "60s"}  # panes are kept for longer than the tests
    silence = {"DRIFTLINE_TIME__IDLE_AFTER": "2s", "DRIFTLINE_TRAFFIC__NONE_AFTER": "3s"}
    settings = {**SETTINGS, **horizon, **silence}
    directory = tmp_path_factory.mktemp("live")
    with Deployment(kafka, f"live-{time.time_ns():x}", directory, settings) as deployment:
        deployment.send(registrations([LIVE, CONTROL]))
        deployment.start("aggregate", "join", "detect")
        time.sleep(3.0)
        began_ms, sent = time.time_ns() // 1_000_000, Counter[int]()
        for number, due_ms in enumerate(range(began_ms, began_ms + SECONDS * 1_000, EVERY_MS)):
            time.sleep(max(0.0, due_ms / 1_000 - time.time()))
            now_ms = time.time_ns() // 1_000_000
            partitions = (*SHARED, IDLE_PARTITION) if number < 10 else SHARED
            places = [(number * 4 + partition, now_ms, partition) for partition in partitions]
            records = [r for at in places for key in (LIVE, CONTROL) for r in row(*key, *at)]
            ahead = row(*LIVE, -1 - number, now_ms + AHEAD_MS, 1)[:1]
            deployment.send([*records, *ahead])
            sent[now_ms - now_ms % 4_000] += len(partitions)
        yield LiveRun(deployment, sorted(sent)[1:], sent)


def test_last_window_of_a_live_version_closes_and_gets_final_without_another_row(live):
    def all_are_final() -> bool:
        return all(set(live.windows(key)[1]) == set(live.starts_ms) for key in (LIVE, CONTROL))

    live.deployment.until(all_are_final, "the final windows of both versions", 30)


def test_live_version_without_rows_has_a_critical_incident_about_its_traffic(live):
    def gaps() -> list[dict[str, Any]]:
        every = [
            alert for alert in live.deployment.alerts() if alert["data"]["model"] == CONTROL[0]
        ]
        traffic = [alert for alert in every if alert["subject"] == "traffic/rows"]
        return [a["data"] for a in traffic if a["data"]["evidence"]["detail"] == "none"]

    live.deployment.until(lambda: bool(gaps()), "an incident about the traffic", 30)
    (gap,) = gaps()
    last_row_ms = max(live.sent) + 4_000  # of a window that holds a row
    began_ms = datetime.fromisoformat(gap["window"]["start"]).timestamp() * 1_000
    ended_ms = datetime.fromisoformat(gap["window"]["end"]).timestamp() * 1_000
    assert gap["severity"] == "critical"
    assert ended_ms - began_ms == 3_000
    assert max(live.sent) < began_ms <= last_row_ms


def test_sender_whose_clock_is_ahead_makes_no_row_late_and_changes_no_window_up_to_now(live):
    assert live.windows(LIVE) == live.windows(CONTROL)
    rows_of = {start: found["data"]["rows"] for start, found in live.windows(LIVE)[0].items()}
    assert rows_of == {start: live.sent[start] for start in live.starts_ms}
    totals = live.deployment.total("predictions")
    assert (totals.get("late", 0), totals.get("too_late", 0)) == (0, 0)
    assert totals["counted"] == 2 * live.sent.total() + SECONDS * 1_000 // EVERY_MS


def test_rows_of_a_partition_that_was_idle_amend_windows_that_have_closed(live):
    before, _, _ = live.windows(CONTROL)
    start = live.starts_ms[-2]
    again = [row(*CONTROL, -1 - n, start + 1_000, IDLE_PARTITION)[:1] for n in range(3)]
    live.deployment.send([record for records in again for record in records])

    def is_amended() -> bool:
        newest = live.windows(CONTROL)[2][start]
        return newest["data"]["rows"] == live.sent[start] + 3

    live.deployment.until(is_amended, "the window with the rows of the idle partition", 30)
    assert live.windows(CONTROL)[0] == before
    assert live.deployment.total("predictions").get("late", 0) == 0
