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
from pathlib import Path
from typing import Any

import pytest

from driftline.settings import load_settings
from monitor.counts.profile import Profile
from producers.kafka.profile_publication import publish_profile
from tests.consumers.in_memory import T0, label, prediction, profile
from tests.integration.deployment import Deployment, Sent, Windows

pytestmark = pytest.mark.kafka

SPAN_MS, END_MS = 24_000, 60_000  # rows of six windows, and a row far behind the last of them
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


def judged(kafka: str, prefix: str, directory: Path, records: list[Sent]) -> Windows:
    """The windows of all versions in ``records``, when the last of each is final."""
    directory.mkdir()
    keys = sorted({key for record in records if (key := version_of(record)) is not None})
    with Deployment(kafka, prefix, directory, SETTINGS) as deployment:
        settings = load_settings(None, kafka={"bootstrap_servers": kafka, "prefix": prefix})
        for one in profiles(keys):
            publish_profile(settings, one)
        deployment.start("aggregate", "join", "detect")
        deployment.send(records)
        windows = Windows({}, {}, {})

        def all_are_final() -> bool:
            nonlocal windows
            windows = deployment.windows()
            return Counter(map(key_of, windows.final)) >= Counter(dict.fromkeys(keys, 14))

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
    assert len(alone.first) == 14


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
        settings = load_settings(None, kafka={"bootstrap_servers": kafka, "prefix": prefix})
        for one in profiles([ONLINE, SHADOW]):
            publish_profile(settings, one)
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
