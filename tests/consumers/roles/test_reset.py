"""A version is reset, and the same rows and labels come again: the new life is as the one before.

``aggregate``, ``join`` and ``detect`` work on one log, with restarts.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import consumers.roles.detect
import consumers.roles.learning
from consumers.messages.arrow import JSON_HEADERS
from consumers.messages.positions import SourceKey
from consumers.messages.records import Message, TopicPartition
from consumers.messages.versions import decode_version
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect
from consumers.roles.join import Join
from monitor.plan import Plan
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from monitor.windows.lives import LifeAction, VersionState
from producers.contract.life_requests import LifeRequestMessage
from tests.consumers.in_memory import (
    HORIZON,
    NOW,
    PANE,
    T0,
    Log,
    Table,
    Worker,
    constant,
    label,
    plan,
    positions_of,
    prediction,
    profile,
)

PANES, PER_PANE = 24, 6
MORE = 8  # panes in which only the other version has rows, after the reset
AT_ONCE = 100  # rows of a turn
ENDLESS = 1_000_000
ONE, TWO = ("m", "1"), ("m", "2")

Sent = tuple[str, int, bytes]  # topic, partition, value


@pytest.fixture(autouse=True, scope="module")
def _shared_evaluators() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect.Evaluator, "of", cache(Evaluator.of))
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


def rows(panes: range, *versions: str) -> list[Sent]:
    """Rows of versions of one model and their labels, by the time of sending; some are late."""
    rng = np.random.default_rng(5)
    sent: list[tuple[int, *Sent]] = []
    for pane in panes:
        for i in range(PER_PANE):
            at_ms = T0 + pane * PANE + i * PANE // PER_PANE
            score = round(float(rng.random()), 2)
            features = {"x": round(float(rng.normal()), 1), "c": "ab"[i % 2]}
            own = {"id": f"{pane}-{i}", "time": at_ms, "score": score, "features": features}
            delay_ms = int(rng.choice([0, 2_500], p=[0.9, 0.1]))
            sent += [
                (at_ms + delay_ms, "predictions", i % 2, prediction(**own, version=version))
                for version in versions
            ]
            known_ms = at_ms + int(rng.choice([300, 1_000, 1_400]))
            outcome = int(rng.random() < score)
            value = label(id=own["id"], time=known_ms, label=outcome)
            sent.append((known_ms, "labels", i % 2, value))
    return [row[1:] for row in sorted(sent, key=lambda row: row[0])]


class Followed:
    """The states of versions, as ``aggregate`` reads them from the topic ``versions``."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def retired(self) -> set[tuple[str, str]]:
        found = self._all()
        return {key for key, one in found.items() if one.state == VersionState.RETIRED}

    def life(self, model: str, version: str) -> int:
        found = self._all().get((model, version))
        return 0 if found is None else found.life

    def reset_ms(self, key: SourceKey) -> int | None:
        found = self._all().items()
        times = (one.reset_ms for of, one in found if of[: len(key)] == key)
        return max((at_ms for at_ms in times if at_ms is not None), default=None)

    def _all(self) -> dict[tuple[str, str], Any]:
        read = map(decode_version, self._log.all("versions"))
        return {(one.model, one.version): one for one in read}


class Roles:
    """The three roles on one log. Each turn ends with a restart of some, if there is trouble."""

    def __init__(self, directory: Path, plan_: Plan, trouble: str) -> None:
        detected = {"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 1}
        self.log = Log(predictions=2, labels=2, joins=2, summaries=1, positions=1, **detected)
        self._directory, self._plan, self._trouble = directory, plan_, trouble
        self._turns = 0
        self._workers: dict[str, Worker[Any]] = {}
        for name in ("aggregate", "join", "detect"):
            self._start(name)

    def _start(self, name: str) -> None:
        log, plan_of, directory = self.log, constant(self._plan), self._directory / name
        profiles = Table(profile(), profile(version="2", threshold=0.8))
        role: Any
        if name == "aggregate":
            positions = positions_of(log)
            role = Aggregate(profiles, plan_of, log.partitions, positions, Followed(log))
        elif name == "join":
            role = Join(profiles, plan_of, log.partitions, directory, log.first_offset)
        else:
            made: Any = (profiles, plan_of, log.partitions, log.read, directory)
            role = Detect(*made, log.first_offset)
        topics = {"join": ["joins"], "detect": ["summaries"]}.get(name, ["predictions", "labels"])
        self._workers[name] = Worker(
            role, log, [one for topic in topics for one in log.topic_partitions(topic)]
        )

    def send(self, sent: list[Sent], append_ms: int) -> None:
        for start in range(0, len(sent), AT_ONCE):
            for topic, partition, value in sent[start : start + AT_ONCE]:
                self.log.append(Message(topic, None, value, partition), append_ms)
            self.work()

    def request(self, action: LifeAction, append_ms: int) -> None:
        content = LifeRequestMessage(model="m", version="1", action=action, by="ada", why="again")
        value = msgspec.json.encode(content)
        self.log.append(Message("summaries", None, value, 0, JSON_HEADERS), append_ms)
        self.work()

    def work(self) -> None:
        for worker in self._workers.values():
            worker.work()
        self._turns += 1
        if self._trouble != "none" and self._turns % 3 == 0:
            for name, worker in list(self._workers.items()):
                worker.release()
                if self._trouble == "lost disks" and name != "aggregate":
                    shutil.rmtree(self._directory / name, ignore_errors=True)
                self._start(name)

    def close(self) -> None:
        for worker in self._workers.values():
            worker.release()

    def windows(self, key: tuple[str, str], life: int = 0) -> dict[str, Any]:
        """The newest message of each window of a life, without its revisions."""
        found = {}
        for record in self.log.read(TopicPartition("windows", 0)):
            window = json.loads(record.value or b"")
            if (window["model"], window["version"], window["life"]) == (*key, life):
                found[window["start"]] = _without_revisions(window)
        return found


def _without_revisions(document: Any) -> Any:
    if isinstance(document, dict):
        left = {n: one for n, one in document.items() if n not in ("revision", "life")}
        return {name: _without_revisions(one) for name, one in left.items()}
    return document


def run(directory: Path, plan_: Plan, trouble: str, action: LifeAction | None) -> Roles:
    """All rows of two versions; those of version 1 again after a reset; more of version 2."""
    roles = Roles(directory, plan_, trouble)
    roles.send(rows(range(PANES), "1", "2"), NOW)
    if action is not None:
        if action is LifeAction.RESTORE:
            roles.request(LifeAction.RETIRE, NOW + 4)
        roles.request(action, NOW + 5)
        roles.send(rows(range(PANES), "1"), NOW + 6)
    roles.send(rows(range(PANES, PANES + MORE), "2"), NOW + 7)
    roles.work()
    roles.close()
    return roles


@pytest.mark.parametrize("trouble", ["none", "restarts", "lost disks"])
@pytest.mark.parametrize("horizon_ms", [HORIZON, ENDLESS], ids=["expired ids", "waiting ids"])
@pytest.mark.parametrize("action", [LifeAction.RESET, LifeAction.RESTORE])
def test_same_rows_and_labels_after_a_reset_give_the_same_windows(
    tmp_path, horizon_ms, trouble, action
):
    """So do they after a restoration. Windows of the other version are as without them."""
    plan_ = plan(label_horizon_ms=horizon_ms)
    undisturbed = run(tmp_path / "undisturbed", plan_, "none", None)
    roles = run(tmp_path / "again", plan_, trouble, action)
    before, again = roles.windows(ONE), roles.windows(ONE, life=1)
    assert again == before != {}
    assert all(one["performance"]["coverage"] == 1 for one in list(again.values())[:-2])
    assert roles.windows(TWO) == undisturbed.windows(TWO) != {}
    assert "coverage/labels" not in subjects(roles.log)["1"]
    assert subjects(roles.log) == subjects(undisturbed.log)


def subjects(log: Log) -> dict[str, set[str]]:
    """Of the incidents that have opened, by version."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in log.all("alerts"):
        alert = json.loads(record.value or b"")
        found[alert["data"]["version"]].add(alert["subject"])
    return found
