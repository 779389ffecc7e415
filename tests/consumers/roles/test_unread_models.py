"""Messages of a model that this release of detect cannot read: the model waits, the others go on.

release:  this one       this one: n waits         a newer one: n is read from U on
log:      ...............U (of the model n).................................
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import consumers.roles.detect
import consumers.roles.learning
import consumers.roles.summary_log
from consumers.messages.arrow import ARROW, JSON, JSON_HEADERS, content_type
from consumers.messages.records import Message, Record
from consumers.messages.summaries import SummaryContent, decode_summary_message
from consumers.roles.detect import Detect
from monitor.windows.evaluator import Evaluator
from monitor.windows.learned import Learned
from monitor.windows.lives import LifeAction
from tests.consumers.in_memory import NOW, PANE, Log, Table, Worker, constant, profile
from tests.consumers.roles.test_detect import (
    PLAN,
    S0,
    S1,
    detect,
    documents,
    handled,
    new_log,
    of_versions,
    passed,
    request,
    results_of,
    retained,
    row,
    rows_by_window,
    states,
    summarised,
    table,
    tick,
    undisturbed,
    update_of,
)
from tests.consumers.roles.test_detect_idle_versions import PLAN as IDLE_PLAN
from tests.consumers.roles.test_detect_idle_versions import START
from tests.consumers.roles.test_detect_idle_versions import progress as live_progress
from tests.consumers.roles.test_detect_idle_versions import rows as live_rows

M, N = (("m", "1"), ("m", "2")), (("n", "1"),)
MOST = 4  # records of a batch
SIZE = len(summarised().read(S0))
UNREAD_AT = SIZE // 3

evaluator_of = cache(Evaluator.of)


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.detect, "SNAPSHOT_EVERY", 3)
        patch.setattr(consumers.roles.detect, "AGAIN", 7)
        patch.setattr(consumers.roles.detect.Evaluator, "of", evaluator_of)
        patch.setattr(consumers.roles.learning.Learned, "of", cache(Learned.of))
        yield


# -- a newer release ---------------------------------------------------------------------------


def of_newer_release(record: Record) -> Record:
    """The same content in a form that only a newer release knows."""
    document = {
        "schema": 1,
        "type": "zzz",
        "kind": (content_type(record.headers) or b"").decode(),
        "content": base64.b64encode(record.value or b"").decode(),
    }
    if record.key is None:  # progress
        named = json.loads(record.value or b"")
        document |= {"schema": 2, "type": named["type"], "versions": named["versions"]}
    return replace(record, value=json.dumps(document).encode(), headers=JSON_HEADERS)


def newer_decoder(record: Record) -> SummaryContent:
    if not (record.value or b"").startswith(b"{") or b'"content"' not in (record.value or b""):
        return decode_summary_message(record)
    document = json.loads(record.value or b"")
    headers = (("content-type", document["kind"].encode()),)
    value = base64.b64decode(document["content"])
    return decode_summary_message(replace(record, value=value, headers=headers))


@contextmanager
def newer_release() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(consumers.roles.summary_log, "decode_summary_message", newer_decoder)
        yield


def log_with(*unreadable: int) -> Log:
    """The log of ``test_detect``, with records at some positions as a newer release writes them."""
    log = new_log()
    records = log._records[S0]
    for position in unreadable:
        records[position] = of_newer_release(records[position])
    return log


def position_of(key: bytes | None, start: int = UNREAD_AT) -> int:
    """The first record with a key from a position on."""
    records = summarised().read(S0)
    return next(at for at in range(start, SIZE) if records[at].key == key)


def finish(worker: Worker[Detect], log: Log) -> None:
    """Work to the end of the log, with messages that change nothing as long as a model waits."""
    for _ in range(SIZE):
        if worker.done and not unread(log):
            return
        if worker.done:
            log.append(Message("summaries", *update_of(log), 0, JSON_HEADERS))
        worker.work(MOST)
    raise AssertionError(f"not read again: {unread(log)}")


def unread(log: Log) -> dict[str, int]:
    """The models that are not read, and from which offset on, as published."""
    newest = {r.key or b"": r.value for r in log.all("detect-state")}
    return {
        key.decode().removeprefix("unread/"): json.loads(value)["next"]
        for key, value in newest.items()
        if key.startswith(b"unread/") and value is not None
    }


def problem(worker: Worker[Detect]) -> str:
    return worker.role.problem() or ""


# -- one model waits, the others go on ---------------------------------------------------------


@pytest.mark.parametrize("lose_disk", [False, True])
@pytest.mark.parametrize("restarts", [0, 1, 3])
def test_model_whose_message_cannot_be_read_waits_and_then_goes_on_as_if_nothing_had_happened(
    tmp_path, restarts, lose_disk
):
    at = position_of(b"n")
    log, expected = log_with(at), undisturbed(MOST)[0]
    offset = log._records[S0][at].offset
    worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
    for part in range(restarts + 1):
        while not worker.done and worker.poll(1).records[0].offset < SIZE * (part + 3) // 6:
            worker.work(MOST)
        assert problem(worker).startswith(
            "1 model is set aside with all versions: n: topic summaries, partition 0,"
            f" offset {offset}: this version cannot read the message: Invalid value 'zzz'"
        )
        if part < restarts:
            if lose_disk:
                shutil.rmtree(tmp_path)
            worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
    before = of_versions(log, *N)
    while not worker.done:
        worker.work(MOST)
    assert of_versions(log, *M) == of_versions(expected, *M)
    assert of_versions(log, *N) == before != of_versions(expected, *N)
    assert offset - MOST < unread(log)["n"] <= offset
    with newer_release():
        worker = Worker(detect(log, tmp_path), log, [S0], chunk=7)
        finish(worker, log)
    assert worker.role.problem() is None
    assert of_versions(log, *M) == of_versions(expected, *M)
    assert results_of(log, *N) == results_of(expected, *N)
    found, usual = of_versions(log, *N)["windows"], of_versions(expected, *N)["windows"]
    assert len(found) <= len(usual)  # what was judged before is no news


def test_model_that_has_caught_up_is_in_the_snapshot_and_in_the_state_as_ever(tmp_path):
    log, expected = log_with(position_of(b"n")), undisturbed(MOST)[0]
    worker = Worker(detect(log, tmp_path), log, [S0])
    for _ in range(UNREAD_AT // MOST + 9):
        worker.work(MOST)
    assert unread(log)
    saved = (tmp_path / "0.snapshot").read_bytes()
    with newer_release():
        finish(Worker(detect(log, tmp_path), log, [S0]), log)
    assert (tmp_path / "0.snapshot").read_bytes() != saved
    worker = Worker(detect(log, tmp_path), log, [S0])  # needs the message no more
    log.append(Message("summaries", *update_of(log), 0, JSON_HEADERS))
    worker.work()
    assert worker.role.problem() is None
    assert newest_state(log) == newest_state(expected)


def newest_state(log: Log) -> Any:
    """Times and states of lives; those of decisions hold numbers of revisions."""
    newest = {r.key or b"": r.value for r in (*log.all("detect-state"), *log.all("versions"))}
    return {k: v for k, v in newest.items() if v is not None and not k.startswith(b"model/")}


def test_progress_that_cannot_be_read_sets_the_models_aside_that_it_names(tmp_path):
    at = next(
        at
        for at in range(UNREAD_AT, SIZE)
        if b'"sources"' in (summarised().read(S0)[at].value or b"")
    )
    log, expected = log_with(at), undisturbed(MOST)[0]
    worker = Worker(detect(log, tmp_path), log, [S0])
    while not worker.done:
        worker.work(MOST)
    assert problem(worker).startswith("2 models are set aside with all versions: m: topic summ")
    with newer_release():
        finish(Worker(detect(log, tmp_path), log, [S0], chunk=7), log)
    for key in (*M, *N):
        assert results_of(log, key) == results_of(expected, key)


# -- whatever happens in between ---------------------------------------------------------------

kinds = st.sampled_from(
    ["this release", "newer release", "lose the disk", "abort", "die", "another machine"]
)
happenings = st.lists(st.tuples(st.integers(0, 15), kinds), min_size=1, max_size=8)


@example(unreadable={6}, happenings=[(2, "this release")])
@given(unreadable=st.sets(st.integers(4, SIZE - 1), min_size=1, max_size=4), happenings=happenings)
@settings(max_examples=25, deadline=None)
def test_windows_are_the_same_whatever_cannot_be_read_and_whichever_release_runs(
    unreadable, happenings
):
    log, expected = log_with(*unreadable), undisturbed(MOST)[0]
    with TemporaryDirectory() as directory:
        newer = False
        for batches, what in happenings:
            newer = what == "newer release" or (newer and what != "this release")
            run(log, Path(directory), batches, what, newer=newer)
        with newer_release():
            finish(Worker(detect(log, Path(directory)), log, [S0], chunk=7), log)
    for key in (*M, *N):
        assert results_of(log, key) == results_of(expected, key)
    found, usual = newest_state(log), newest_state(expected)
    # Append times that were not read come with later progress; here they stand still.
    assert {**found, b"clock/0": None} == {**usual, b"clock/0": None}


def run(log: Log, directory: Path, batches: int, what: str, *, newer: bool) -> None:
    """A worker of a release for some batches, after or before something happens."""
    if what == "lose the disk":
        shutil.rmtree(directory, ignore_errors=True)
    with newer_release() if newer else pytest.MonkeyPatch.context():
        place = directory / "other" if what == "another machine" else directory
        worker = Worker(detect(log, place), log, [S0], chunk=7)
        for _ in range(batches):
            worker.work(MOST)
        if what == "abort":
            worker.abort(MOST)
            worker.work(MOST)
        elif what == "die":
            worker.commit_and_die(MOST)


# -- append time -------------------------------------------------------------------------------

LIVE = ("live", "1")


@pytest.mark.parametrize("waits", [False, True, "from the first message on, which is deleted"])
def test_append_time_is_that_of_the_message_when_a_model_is_read_again(tmp_path, waits):
    """By that of today, it would have been idle all the time: windows would close too early."""
    log = Log(
        summaries=1,
        **{"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 1},
    )
    made = (Table(profile("live")), constant(IDLE_PLAN), log.partitions, log.read, tmp_path)
    worker = Worker(Detect(*made, log.first_offset), log, [S0])
    if isinstance(waits, str):
        handled(worker, log, broken(b"live"))
    for at_ms in range(START, START + 24 * PANE, PANE // 2):
        for message in (live_rows(LIVE, at_ms), *live_progress(LIVE, at_ms, at_ms, at_ms)):
            record = log.append(message)
            if waits is True and at_ms == START + 2 * PANE and message.key is not None:
                log._records[S0][-1] = of_newer_release(record)
        worker.work()
    retained(log, 1 if isinstance(waits, str) else 0)
    with newer_release():
        finish(Worker(Detect(*made, log.first_offset), log, [S0]), log)
    first = [d for d in documents(log, "windows") if d["data"]["revision"] == 0]
    assert [d["data"]["rows"] for d in first if d["revision"] == 0] == [160] * 5


# -- changes of lives --------------------------------------------------------------------------


def test_requests_for_a_model_that_waits_take_effect_at_their_place(tmp_path):
    """A version is retired and restored meanwhile; its windows before it are published too."""
    runs = [log_like(undisturbed_log, at) for at in (None, position_of(b"n"))]
    for number, log in enumerate(runs):
        worker = Worker(detect(log, tmp_path / str(number)), log, [S0])
        while not worker.done:
            worker.work(MOST)
    assert states(runs[1])["n/1"] == ("live", "its first row")
    with newer_release():
        finish(Worker(detect(runs[1], tmp_path / "1"), runs[1], [S0]), runs[1])
    assert states(runs[0])["n/1"] == states(runs[1])["n/1"] == ("shadow", "of reasons")
    assert results_of(runs[0], *N) == results_of(runs[1], *N)
    reasons = [event["data"].get("reason") for event in documents(runs[1], "alerts")]
    assert "retired" in reasons


def undisturbed_log() -> list[Record]:
    return summarised().read(S0)


def log_like(records: Any, unreadable: int | None) -> Log:
    """The log, with requests to retire and restore n/1 at its two thirds."""
    log = new_log().only("detect-state")
    for at, record in enumerate(records()):
        if at == SIZE * 3 // 5:
            log.append(request(LifeAction.RETIRE, model="n"))
            log.append(request(LifeAction.RESTORE, model="n"))
        found = of_newer_release(record) if at == unreadable else record
        log.append(Message("summaries", found.key, found.value, 0, found.headers))
    return log


def test_shadow_of_a_model_that_waits_is_not_retired_for_lack_of_rows(tmp_path):
    log = Log(
        summaries=1,
        **{"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 2},
    )
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, *passed(1, ("m", "1")), *passed(1, ("m", "2")))
    handled(worker, log, broken(b"m"))
    handled(worker, log, tick(NOW + (PLAN.time.retire_after_ms or 0)))
    assert states(log)["m/1"][0] == "shadow"


# -- messages of nobody, and what is gone ------------------------------------------------------


def broken(key: bytes | None, **named: Any) -> Message:
    value = json.dumps({"schema": 1, "type": "zzz", **named}).encode()
    return Message("summaries", key, value, 0, JSON_HEADERS)


@pytest.fixture
def log() -> Log:
    return Log(
        summaries=2,
        **{"detect-state": 2, "windows": 1, "alerts": 1, "retraining": 1, "versions": 2},
    )


@pytest.mark.parametrize("key", [None, b"", b"m", b"m/1/x", b"\xff/1", "ü/1".encode()])
def test_message_on_versions_whose_key_names_no_version_is_skipped_counted_and_reported(
    log, tmp_path, key
):
    log.append(Message("versions", key, b'{"schema": 99, "model": "m", "version": "1"}', 0))
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("m", 0), row("m", 1))
    counts: Any = worker.role.status()["summaries/0"]["counts"]
    assert (counts["unreadable"], counts["foreign"], counts["panes"]) == (1, 0, 2)
    assert problem(worker).startswith(
        "messages whose key names no version were skipped, first: topic versions, partition 0,"
        " offset 0: this version cannot read"
    )


@pytest.mark.parametrize("message", [broken(None), broken(b"nobody"), broken(None, model="nobody")])
def test_message_that_names_no_known_model_is_skipped_counted_and_reported(
    log, tmp_path, message, caplog
):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("m", 0), message, message, row("m", 1))
    counts: Any = worker.role.status()["summaries/0"]["counts"]
    assert (counts["unreadable"], counts["foreign"], counts["panes"]) == (2, 0, 2)
    assert problem(worker).startswith(
        "messages that name no known model of their partition were skipped, first: topic summaries,"
        " partition 0, offset 1: this version cannot read"
    )
    assert caplog.text.count("skipped a message that this version cannot read") == 1
    assert unread(log) == {}


@pytest.mark.parametrize("is_known_by", ["its rows", "its profile"])
def test_message_without_a_key_concerns_the_models_of_its_partition_alone(
    log, tmp_path, is_known_by
):
    """The models of partition 0 go on, whatever a message of partition 1 names."""
    there = "live"  # belongs to partition 1
    worker = Worker(detect(log, tmp_path, table(profile(there))), log, [S0, S1])
    if is_known_by == "its rows":
        handled(worker, log, row("m", 0), *passed(1, ("m", "1")))
    named = [{"model": "m", "version": "1"}, {"model": there, "version": "1"}]
    message = replace(broken(None, versions=named), partition=1)
    handled(worker, log, message, replace(broken(None, model="m"), partition=1), row("m", 1))
    assert problem(worker).startswith(
        "1 model is set aside with all versions: live: topic summaries, partition 1, offset 0:"
    )
    assert "of their partition were skipped, first: topic summaries, partition 1, offset 1" in (
        problem(worker)
    )
    assert unread(log) == {there: 0}


def test_model_is_known_by_its_profile_before_its_first_row(log, tmp_path):
    worker = Worker(detect(log, tmp_path, Table(profile())), log, [S0])
    handled(worker, log, broken(b"m"))
    assert unread(log) == {"m": 0}


def test_model_is_known_by_its_rows_after_its_profile_is_gone(log, tmp_path):
    worker = Worker(detect(log, tmp_path, Table()), log, [S0])
    handled(worker, log, row("m", 0))
    handled(worker, log, broken(b"m"))
    assert unread(log) == {"m": 1}


def test_model_waits_from_its_first_message_on(log, tmp_path):
    """Nothing else needs the log to be read again."""
    newer = of_newer_release(log.append(row("m", 0)))
    log._records[S0][0] = newer
    for _ in range(3):
        handled(Worker(detect(log, tmp_path), log, [S0]), log, row("m", 1))
        assert unread(log) == {"m": 0}
    with newer_release():
        worker = Worker(detect(log, tmp_path), log, [S0])
        handled(worker, log, row("m", 2))
    counts: Any = worker.role.status()["summaries/0"]["counts"]
    assert counts["panes"] == 3
    assert unread(log) == {}


def test_panes_before_the_message_are_rebuilt_and_not_counted_again(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("n", 0), row("n", 1))
    at = len(log.read(S0))
    handled(worker, log, row("n", 2))
    log._records[S0][at] = of_newer_release(log._records[S0][at])
    handled(Worker(detect(log, tmp_path), log, [S0]), log, row("m", 0))  # cannot rebuild
    assert unread(log)["n"] > at
    with newer_release():
        successor = detect(log, tmp_path)
        Worker(successor, log, [S0])
    counts: Any = successor.status()["summaries/0"]["counts"]
    assert counts["panes"] == 4


def test_first_message_that_cannot_be_read_is_the_reason_and_is_logged_once(log, tmp_path, caplog):
    worker = Worker(detect(log, tmp_path), log, [S0])
    for _ in range(3):
        handled(worker, log, broken(b"m"))
    assert "offset 0" in problem(worker)
    assert caplog.text.count("m is set aside with all its versions") == 1


def test_model_whose_state_cannot_be_read_waits_for_a_release_that_can(tmp_path):
    log, expected = new_log(), undisturbed(MOST)[0]
    worker = Worker(detect(log, tmp_path), log, [S0])
    for _ in range(8):
        worker.work(MOST)
    state = [r for r in log.all("detect-state") if r.key == b"model/n/1"][-1]
    log.append(Message("detect-state", b"model/n/1", b'{"schema": 2}', 0))
    worker = Worker(detect(log, tmp_path), log, [S0])
    while not worker.done:
        worker.work(MOST)
    assert "n: topic detect-state, partition 0" in problem(worker)
    assert of_versions(log, *M) == of_versions(expected, *M)
    log.append(Message("detect-state", b"model/n/1", state.value, 0))
    finish(Worker(detect(log, tmp_path), log, [S0]), log)
    assert results_of(log, *N) == results_of(expected, *N)


def test_versions_of_a_model_are_lost_if_retention_deletes_what_was_not_read(tmp_path):
    """A restart does not forget it. The other model goes on, and so does a new version."""
    log = log_with(position_of(b"n"))
    worker = Worker(detect(log, tmp_path), log, [S0])
    while not worker.done:
        worker.work(MOST)
    before, oldest = of_versions(log, *N), first_needed(log, b"model/m/1", b"model/m/2")
    assert oldest > unread(log)["n"]
    retained(log, oldest)
    profiles, new = table(profile("n", version="2")), ("n", "2")
    for pane in range(40, 45):
        log.append(row("n", pane, version="2"))
    for message in (row("n", 45), *passed(60_000, *M, *N, new)):
        log.append(message)
    with newer_release():
        for disk in ("", "", "of another machine"):
            worker = Worker(detect(log, tmp_path / disk, profiles), log, [S0])
            log.append(Message("summaries", *update_of(log), 0, JSON_HEADERS))
            finish(worker, log)
            lost = "1 model version is set aside: n/1: summaries that the windows of n/1 still need"
            assert problem(worker).startswith(lost)
    assert of_versions(log, *N) == before
    assert of_versions(log, new)["windows"]


def test_version_that_needed_nothing_before_is_lost_as_well(log, tmp_path):
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("n", 0), *passed(1_000, *N))
    handled(worker, log, *passed(60_000, *N))
    assert newest_decisions(log, b"model/n/1")["first_needed"] is None
    handled(worker, log, broken(b"n"), row("n", 70))
    retained(log, log.position(S0).next_offset)
    handled(Worker(detect(log, tmp_path), log, [S0]), log, row("m", 70))
    assert unread(log) == {}
    worker = Worker(detect(log, tmp_path), log, [S0])
    handled(worker, log, row("n", 71), *passed(90_000, *N))
    assert "n/1: summaries that the windows of n/1 still need" in problem(worker)


@pytest.mark.parametrize("restarts", [False, True])
def test_reset_that_waited_with_its_model_takes_up_a_version_that_is_lost(log, tmp_path, restarts):
    worker = Worker(detect(log, tmp_path / "a"), log, [S0])
    handled(worker, log, row("n", 0), *passed(1_000, *N))
    handled(worker, log, broken(b"n"), row("n", 1))
    later = [row("n", pane) for pane in range(40, 48)]
    retained(log, log.position(S0).next_offset)
    handled(worker, log, row("n", 2), request(LifeAction.RESET, model="n"), *later)
    handled(worker, log, *passed(60 * PANE, *N, at_ms=NOW + 1))
    assert states(log)["n/1"][1] == "its first row"
    worker = Worker(detect(log, tmp_path / "b"), log, [S0])
    for _ in range(3):
        handled(worker, log, tick(NOW + 2))
        if restarts:
            worker = Worker(detect(log, tmp_path / "b"), log, [S0])
    assert worker.role.problem() is None
    assert (states(log)["n/1"][1], unread(log)) == ("of reasons", {})
    assert {d["life"] for d in documents(log, "windows")} == {1}
    assert rows_by_window(log) == {"n/1": 2 * [4]}


# -- versions that are new while their model waits ---------------------------------------------

NEW = ("n", "2")
PER_PART = 8  # panes


def part(number: int) -> list[Message]:
    """Two windows of m/1 and of the new version, which pass."""
    panes = range(number * PER_PART, (number + 1) * PER_PART)
    rows = [r for p in panes for r in (row("m", p), row("n", p, version="2"))]
    return [*rows, *passed((panes.stop + 1) * PANE, ("m", "1"), NEW)]


def new_version(directory: Path, *, waits: bool) -> Log:
    """A log of four parts, after one worker. The first row of the new version may be unreadable."""
    log = Log(
        summaries=1,
        **{"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 1},
    )
    worker = Worker(detect(log, directory, with_new()), log, [S0])
    for number in range(4):
        for message in part(number):
            record = log.append(message)
            if waits and record.offset == 1:
                log._records[S0][-1] = of_newer_release(record)
        worker.work()
    assert unread(log) == ({"n": 0} if waits else {})
    return log


def with_new() -> Table:
    return table(profile("n", version="2"))


@pytest.mark.parametrize("batches", [1, 99])
@pytest.mark.parametrize("lose_disk", [False, True])
def test_version_that_is_new_while_its_model_waits_is_judged_from_its_first_row_on(
    tmp_path, batches, lose_disk
):
    """Also if the windows of the others need nothing so old any more."""
    expected = new_version(tmp_path / "expected", waits=False)
    log = new_version(tmp_path / "found", waits=True)
    assert of_versions(log, NEW)["windows"] == []
    assert first_needed(log, b"model/m/1") > unread(log)["n"]
    if lose_disk:
        shutil.rmtree(tmp_path / "found", ignore_errors=True)
    taken_again(log, tmp_path / "found", batches)
    assert results_of(log, NEW) == results_of(expected, NEW) != ({}, [], [])
    assert results_of(log, ("m", "1")) == results_of(expected, ("m", "1"))


def taken_again(log: Log, directory: Path, batches: int) -> None:
    """By workers of a newer release, of which each takes so many batches."""
    with newer_release():
        for _ in range(SIZE):
            worker = Worker(detect(log, directory, with_new()), log, [S0], chunk=5)
            for _ in range(batches):
                log.append(tick(NOW))
                worker.work()
            if not unread(log):
                assert worker.role.problem() is None
                return
    raise AssertionError(f"not read again: {unread(log)}")


@pytest.mark.parametrize("batches", [1, 99])
@pytest.mark.parametrize("new", [False, True], ids=["this release", "newer release"])
def test_version_that_is_new_is_judged_from_the_oldest_message_that_retention_left(
    tmp_path, new, batches
):
    """No rows of it come any more: those that are left are enough."""
    log = new_version(tmp_path, waits=True)
    second = len(part(0)) + 2 * PER_PART // 2  # in the middle of the rows of the second part
    retained(log, log.read(S0)[second].offset)
    for message in (*passed(90 * PANE, ("m", "1"), NEW), *(9 * [tick(NOW)])):
        log.append(message)
    with newer_release() if new else pytest.MonkeyPatch.context():
        taken_again(log, tmp_path, batches)
    left = [r for r in log.read(S0) if r.key == b"n"]
    assert len(left) == 2 * PER_PART + PER_PART // 2
    assert rows_by_window(log)["n/2"] == 5 * [4]
    assert states(log)["n/2"] == ("live", "its first row")
    assert newest_decisions(log, b"model/n/2")["first_needed"] is None


def first_needed(log: Log, *keys: bytes) -> int:
    """The first offset that the windows of some versions need, by their newest state."""
    return min(newest_decisions(log, key)["first_needed"] for key in keys)


def newest_decisions(log: Log, key: bytes) -> Any:
    found = [record.value or b"" for record in log.all("detect-state") if record.key == key]
    return json.loads(found[-1])["decisions"]


def test_kinds_of_the_records_of_these_tests():
    found = {content_type(record.headers) for record in summarised().read(S0)}
    assert found == {ARROW, JSON}
    assert SIZE > 60
