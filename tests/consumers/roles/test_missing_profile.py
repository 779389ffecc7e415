"""The profile of a version is deleted while its rows come, and published again: nothing is lost.

join:     counts    | writes joined rows uncounted     | counts
detect:   judges    | sets the version aside           | counts them, closes what is due
^ deleted                          ^ published
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import consumers.roles.detect
import consumers.roles.learning
from consumers.messages.records import Message, Output, TopicPartition
from consumers.messages.summaries import decode_summary_message
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect
from consumers.roles.join import Join
from monitor.counts.joined_rows import JoinedRows
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from monitor.windows.lives import LifeAction
from tests.consumers.in_memory import (
    NOW,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    positions_of,
    profile,
)
from tests.consumers.roles.test_detect import (
    M2,
    PLAN,
    agreed,
    of_versions,
    request,
    results_of,
    rows,
    table,
)

OTHERS = (("m", "1"), ("n", "1"))
PER_TURN = 60
TURNS = range(len(rows()) // PER_TURN + 1)
AGAIN = profile(version="2", threshold=0.8)

evaluator_of = cache(Evaluator.of)


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect, "SNAPSHOT_EVERY", 3)
        patch.setattr(consumers.roles.detect.Evaluator, "of", evaluator_of)
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


@cache
def aggregated() -> list[list[Message]]:
    """What ``aggregate`` writes to ``joins`` and ``summaries``, turn by turn."""
    log = Log(predictions=1, labels=1, joins=1, summaries=1, positions=1)
    plan_of = constant(PLAN)
    role = Aggregate(table(), plan_of, log.partitions, positions_of(log), VersionStates())
    worker = Worker(role, log, [TopicPartition("predictions", 0), TopicPartition("labels", 0)])
    written = []
    for start in range(0, len(rows()), PER_TURN):
        for topic, value in rows()[start : start + PER_TURN]:
            log.append(Message(topic, None, value, 0))
        output = worker.work()
        assert output is not None
        written.append([m for m in output.messages if m.topic in ("joins", "summaries")])
    return written


class Pipeline:
    """The roles ``join`` and ``detect``, which may lose the profile of m/2."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.profiles = {"join": table(), "detect": table()}
        own = {"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 1}
        self.log = Log(joins=1, summaries=1, **own)
        self.join, self.detect = self._new_join(), self._new_detect()

    def _new_join(self) -> Worker[Join]:
        log, made = self.log, (self.profiles["join"], constant(PLAN), self.log.partitions)
        role = Join(*made, self.directory / "join", log.first_offset)
        return Worker(role, log, log.topic_partitions("joins"), chunk=7)

    def _new_detect(self) -> Worker[Detect]:
        log, made = self.log, (self.profiles["detect"], constant(PLAN), self.log.partitions)
        role = Detect(*made, log.read, self.directory / "detect", log.first_offset)
        return Worker(role, log, log.topic_partitions("summaries"), chunk=7)

    def turn(self, number: int) -> None:
        self.log.commit({}, Output(aggregated()[number]))
        self.join.work()
        self.detect.work()

    def restart(self, role: str, *, lose_disk: bool = False) -> None:
        worker: Worker[Any] = getattr(self, role)
        worker.release()
        if lose_disk:
            shutil.rmtree(self.directory / role, ignore_errors=True)
        setattr(self, role, self._new_join() if role == "join" else self._new_detect())

    def delete(self, role: str) -> None:
        """A restart finds out."""
        self.profiles[role].delete(*M2)
        self.restart(role)

    def publish(self, role: str) -> None:
        self.profiles[role].publish(AGAIN)

    def finish(self) -> None:
        """The profile is there, and one more message of the others comes."""
        for role in ("join", "detect"):
            self.publish(role)
        self.log.append(self._newest_progress())
        self.detect.work()
        self.join.release()

    def _newest_progress(self) -> Message:
        """The newest event times again, which change nothing."""
        found = [r for r in self.log.all("summaries") if b'"sources"' in (r.value or b"")]
        return Message("summaries", None, found[-1].value, 0, found[-1].headers)


@cache
def undisturbed() -> Log:
    with TemporaryDirectory() as directory:
        pipeline = Pipeline(Path(directory))
        turns(pipeline, 0, TURNS.stop)
        pipeline.finish()
        return pipeline.log


def uncounted(log: Log) -> list[JoinedRows]:
    contents = map(decode_summary_message, log.all("summaries"))
    return [content for content in contents if isinstance(content, JoinedRows)]


def turns(pipeline: Pipeline, start: int, stop: int) -> None:
    for number in range(start, stop):
        pipeline.turn(number)


def test_windows_of_a_version_whose_profile_was_gone_are_those_of_an_undisturbed_run(tmp_path):
    pipeline = Pipeline(tmp_path)
    turns(pipeline, 0, 4)
    pipeline.delete("join")
    pipeline.delete("detect")
    turns(pipeline, 4, 13)
    assert (pipeline.detect.role.problem() or "").startswith(
        "1 model version is set aside: m/2: the profile of m/2 is gone"
    )
    pipeline.publish("join")
    pipeline.publish("detect")
    turns(pipeline, 13, TURNS.stop)
    pipeline.finish()
    assert pipeline.detect.role.problem() is None
    assert {(rows.model, rows.version) for rows in uncounted(pipeline.log)} == {M2}
    assert results_of(pipeline.log, M2) == results_of(undisturbed(), M2)
    assert of_versions(pipeline.log, *OTHERS) == of_versions(undisturbed(), *OTHERS)


def test_detect_that_still_has_the_profile_counts_what_join_could_not(tmp_path):
    pipeline = Pipeline(tmp_path)
    turns(pipeline, 0, 4)
    pipeline.delete("join")
    turns(pipeline, 4, TURNS.stop)
    pipeline.finish()
    assert len(uncounted(pipeline.log)) > 5
    every = (M2, *OTHERS)
    assert of_versions(pipeline.log, *every) == of_versions(undisturbed(), *every)


def test_joined_rows_that_were_judged_do_not_change_windows_again_after_a_restart(tmp_path):
    """They are counted into the rebuilt panes without being news."""
    pipeline = Pipeline(tmp_path)
    turns(pipeline, 0, 4)
    pipeline.delete("join")
    turns(pipeline, 4, 13)
    pipeline.restart("detect", lose_disk=True)
    turns(pipeline, 13, TURNS.stop)
    pipeline.finish()
    every = (M2, *OTHERS)
    assert of_versions(pipeline.log, *every) == of_versions(undisturbed(), *every)


def test_joined_rows_from_before_a_restoration_are_dropped(tmp_path):
    """A version is retired and restored, in one run while it is set aside."""
    runs = [Pipeline(tmp_path / name) for name in ("with profile", "without")]
    for pipeline in runs:
        turns(pipeline, 0, 4)
    runs[1].delete("join")
    runs[1].delete("detect")
    for pipeline in runs:
        turns(pipeline, 4, 10)
        pipeline.log.append(request(LifeAction.RETIRE, version="2"), NOW - 1)
        pipeline.log.append(request(LifeAction.RESTORE, version="2"), NOW - 1)
        turns(pipeline, 10, 13)
    runs[1].publish("join")
    runs[1].publish("detect")
    for pipeline in runs:
        turns(pipeline, 13, TURNS.stop)
        pipeline.finish()
    restored = [after_restoration(pipeline.log) for pipeline in runs]
    assert len(restored[0]) > 2
    assert restored[0] == restored[1]


def after_restoration(log: Log) -> Any:
    """The windows of m/2 that hold rows after the restoration."""
    windows, _, _ = results_of(log, M2)
    return {name: window for name, window in windows.items() if name >= "m/2/2013-04-01T00:00:12Z"}


happenings = st.lists(
    st.tuples(
        st.sampled_from(TURNS),
        st.sampled_from(["join", "detect"]),
        st.sampled_from(["delete", "publish", "restart", "restart, lose the disk"]),
    ),
    max_size=12,
)


@given(happenings=happenings)
@settings(max_examples=6, deadline=None)
def test_windows_are_the_same_whenever_each_role_loses_the_profile_and_restarts(happenings):
    with TemporaryDirectory() as directory:
        pipeline = Pipeline(Path(directory))
        for number in TURNS:
            for turn, role, what in happenings:
                if turn == number:
                    happen(pipeline, role, what)
            pipeline.turn(number)
        pipeline.finish()
    assert of_versions(pipeline.log, *OTHERS) == of_versions(undisturbed(), *OTHERS)
    assert results_of(pipeline.log, M2) == results_of(undisturbed(), M2)


def happen(pipeline: Pipeline, role: str, what: str) -> None:
    if what == "delete":
        pipeline.delete(role)
    elif what == "publish":
        pipeline.publish(role)
    else:
        pipeline.restart(role, lose_disk="lose" in what)


def test_the_stream_of_these_tests_has_windows_of_the_version():
    windows = [name for name in agreed(undisturbed()) if name.startswith("m/2/")]
    assert len(windows) > 5
    assert Table().get(*M2) is None
