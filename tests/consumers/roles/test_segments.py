"""Rows of segments through aggregate and join: counted like the same rows, filtered by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from consumers.messages.records import Message, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.roles.detect import Detect
from consumers.roles.join import Join
from consumers.roles.segment_settings import SegmentSettings
from monitor.counts.columns import Predictions
from monitor.counts.counts import Cells, Counts, add_cells
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.segmentation import Segmentation, Segments
from monitor.identity import segment_pairs
from monitor.plan import Plan
from monitor.tasks.binary import BINARY
from producers.contract.profile_blobs import decode_blobs, encode_blobs
from producers.contract.profiles import content_hash
from tests.consumers.in_memory import (
    PANE,
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    positions_of,
    summaries,
)
from tests.consumers.roles.test_tasks import (
    PLAN,
    SOURCES,
    Roles,
    one_worker,
    two_workers_and_a_crash,
)

N = 240
BY = (Segmentation.of("c"), Segmentation.of(["c", "x:-0.5,0.5"]))
Sums = dict[int, Cells]  # by pane
Rows = list[dict[str, object]]


def drawn(n: int, seed: int) -> Rows:
    rng = np.random.default_rng(seed)
    x, score = rng.normal(size=n).round(2), rng.random(n).round(3)
    kind = rng.choice(["a", "b", "rare", "other"], n, p=[0.5, 0.43, 0.02, 0.05])
    label = rng.random(n) < score
    columns = zip(kind.tolist(), x.tolist(), score.tolist(), label.tolist(), strict=True)
    return [{"c": c, "x": x, "score": s, "label": int(known)} for c, x, s, known in columns]


@cache
def profile(segments: Segments) -> Profile:
    rows, n = drawn(3_000, 1), 3_000
    columns = {name: np.array([row[name] for row in rows]) for name in ("score", "label", "x")}
    predictions = Predictions(
        [str(i) for i in range(n)],
        T0 - 20_000 + np.arange(n) * 6,
        columns["score"],
        (columns["score"] >= 0.5).astype(np.int64),
        {"c": [row["c"] for row in rows], "x": columns["x"]},
    )
    known = ReferenceRows(predictions, columns["label"].astype(np.float64))
    settings = {"pane_ms": PANE, "threshold": 0.5, "task": BINARY}
    return build_profile("m", "1", known, **settings, segments=segments)


SEGMENTED, WHOLE = profile(Segments(BY)), profile(Segments())


def sent(
    rows: Rows, numbers: Sequence[int], seed: int | None, step_ms: int = 7
) -> list[tuple[str, bytes]]:
    """Predictions with a label each, some of them late; every third label is amended later.

    One row has no ``c``, one has an unknown one, and one is sent twice. Without a ``seed`` they
    are in the order of their times.
    """
    found: list[tuple[str, bytes]] = []
    for i in numbers:
        own = {"schema": 1, "id": f"r{i}", "time": T0 + step_ms * i, "model": "m"}
        features = {name: rows[i][name] for name in ("c", "x") if rows[i][name] is not None}
        row = {**own, "version": "1", "features": features, "score": rows[i]["score"]}
        found += [("predictions", json.dumps(row).encode())] * (2 if i == 9 else 1)
        for later in (0, 1) if i % 3 == 0 else (0,):
            known = {**own, "time": T0 + step_ms * i + 100 + later, "label": rows[i]["label"]}
            if later == 0 and i % 3 == 0:
                known["label"] = 1 - int(str(rows[i]["label"]))
            found.append(("labels", json.dumps(known).encode()))
    if seed is None:
        return sorted(found, key=lambda one: json.loads(one[1])["time"])
    Random(seed).shuffle(found)
    return found


def live() -> Rows:
    rows = drawn(N, 2)
    rows[5] = {**rows[5], "c": None}
    rows[6] = {**rows[6], "c": "new"}
    return rows


def sums(
    table: Table, messages: list[tuple[str, bytes]], roles: Roles, at: Path
) -> dict[str, Sums]:
    """All that is counted, by segment and pane."""
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)
    for topic, value in messages:
        log.append(Message(topic, None, value, json.loads(value)["time"] % 2))
    roles(log, table, at)
    found: dict[str, dict[int, list[Cells]]] = {}
    for one in summaries(log.all("summaries")):
        found.setdefault(one.segment, {}).setdefault(one.pane_ms, []).append(one.cells)
    return {
        segment: {
            pane_ms: {name: counts for name, counts in add_cells(cells).items() if counts}
            for pane_ms, cells in sorted(panes.items())
        }
        for segment, panes in found.items()
    }


def belongs(segment: str) -> Callable[[dict[str, object]], bool]:
    """Whether a row is in a segment, told without the code that counts."""
    own, listed = segment_pairs(segment), {"a", "b"}
    if own["c"] == "other":
        return lambda row: row["c"] not in listed
    low, _, high = own.get("x", "..").partition("..")
    low, high = low or "-inf", high or "inf"
    return lambda row: row["c"] == own["c"] and float(low) <= float(str(row["x"])) < float(high)


def without_outcomes_by_segment(found: Sums) -> Sums:
    return {
        ms: {name: counts for name, counts in cells.items() if not name.startswith("segment ")}
        for ms, cells in found.items()
    }


@pytest.mark.parametrize("roles", [one_worker, two_workers_and_a_crash])
def test_counts_of_each_segment_are_those_of_its_rows_alone(roles, tmp_path):
    rows = live()
    found = sums(Table(SEGMENTED), sent(rows, range(N), 1), roles, tmp_path / "all")
    assert len(found) == 1 + 3 + 7
    for number, segment in enumerate(SEGMENTED.segments):
        own = [i for i, row in enumerate(rows) if belongs(segment)(row)]
        alone = replace(SEGMENTED.segments[segment])
        alone = replace(alone, schema=replace(alone.schema, segment=""))
        by_hand = sums(Table(alone), sent(rows, own, 2), one_worker, tmp_path / str(number))
        assert found[segment] == by_hand[""]


@pytest.mark.parametrize("roles", [one_worker, two_workers_and_a_crash])
def test_counts_of_the_whole_do_not_depend_on_its_segments(roles, tmp_path):
    messages = sent(live(), range(N), 3)
    found = sums(Table(SEGMENTED), messages, roles, tmp_path / "segmented")
    assert (
        without_outcomes_by_segment(found[""])
        == sums(Table(WHOLE), messages, one_worker, tmp_path / "whole")[""]
    )


def test_outcomes_by_segment_add_up_to_those_of_the_whole(tmp_path):
    found = sums(Table(SEGMENTED), sent(live(), range(N), 4), one_worker, tmp_path)
    for cells in found[""].values():
        for number in range(len(BY)):
            counts = cells.get(f"segment outcomes/{number}", Counts.empty())
            assert Counts.of(counts.index % 4, counts.count) == cells.get("outcomes", counts)


def test_reference_of_the_whole_is_the_same_with_segments():
    def cells(of: Profile) -> list[Cells]:
        panes = without_outcomes_by_segment(dict(enumerate(pane.cells for pane in of.panes)))
        return list(panes.values())

    assert cells(SEGMENTED) == cells(WHOLE)
    assert [s.names for s in SEGMENTED.panes] == [s.names for s in WHOLE.panes]


def test_profile_with_segments_is_read_as_it_was_written():
    read = decode_blobs(encode_blobs(SEGMENTED))
    assert content_hash(read) == content_hash(SEGMENTED) != content_hash(WHOLE)
    assert read.segments.keys() == SEGMENTED.segments.keys() == read.schema.segments.keys()
    assert read.share == 0.5
    assert sum(each.share for each in read.segments.values()) == pytest.approx(0.5)
    for text, each in read.segments.items():
        assert content_hash(each) == content_hash(SEGMENTED.segments[text])


# -- detect ------------------------------------------------------------------------------------

TOPICS = {"detect-state": 1, "windows": 1, "alerts": 1, "retraining": 1, "versions": 2}


def counted(table: Table, messages: list[tuple[str, bytes]], at: Path) -> Log:
    log = Log(predictions=2, labels=2, joins=2, summaries=1, positions=2)
    for topic, value in messages:
        log.append(Message(topic, None, value, int(json.loads(value)["id"][1:]) % 2))
    one_worker(log, table, at)
    return log.only("summaries")


def windows(summaries: Log, table: Table, plan: Plan, at: Path, most: int = 1_000) -> list[Any]:
    """What ``detect`` publishes."""
    log = Log.like(summaries, **TOPICS)
    made = (table, constant(plan), log.partitions, log.read, at)
    worker = Worker(Detect(*made, log.first_offset), log, [TopicPartition("summaries", 0)])
    while not worker.done:
        worker.work(most)
    return [json.loads(record.value or b"") for record in log.all("windows")]


def test_whole_is_judged_like_a_version_without_segments_that_has_half_of_the_budget(tmp_path):
    messages = sent(live(), range(N), None, 100)
    log = counted(Table(SEGMENTED), messages, tmp_path / "segmented")
    found = windows(log, Table(SEGMENTED), PLAN, tmp_path / "one")
    alone = counted(Table(WHOLE), messages, tmp_path / "whole")
    expected = windows(alone, Table(WHOLE), PLAN.with_share(0.5), tmp_path / "two")
    assert [one for one in found if not one["segment"]] == expected != []
    assert {one["segment"] for one in found} == {"", *SEGMENTED.segments}


def test_windows_of_segments_do_not_depend_on_the_batches(tmp_path):
    log = counted(Table(SEGMENTED), sent(live(), range(N), None, 100), tmp_path / "log")
    once = windows(log, Table(SEGMENTED), PLAN, tmp_path / "once")
    one_by_one = windows(log, Table(SEGMENTED), PLAN, tmp_path / "one by one", most=1)

    def newest(found: list[Any]) -> dict[Any, Any]:
        return {(one["segment"], one["start"]): one["data"]["rows"] for one in found}

    assert newest(once) == newest(one_by_one)


def test_segments_get_their_rows_if_the_profile_was_gone_when_labels_were_joined(tmp_path):
    """``join`` writes the rows as they are, and ``detect`` counts them in each segment."""
    messages = sent(live(), range(N), None, 100)
    log = Log(predictions=2, labels=2, joins=2, summaries=1, positions=2)
    for topic, value in messages:
        log.append(Message(topic, None, value, int(json.loads(value)["id"][1:]) % 2))
    made = (Table(SEGMENTED), constant(PLAN), log.partitions)
    aggregate = Aggregate(*made, positions_of(log), VersionStates())
    Worker(aggregate, log, SOURCES).work()
    empty = Join(Table(), constant(PLAN), log.partitions, tmp_path / "join", log.first_offset)
    worker = Worker(empty, log, log.topic_partitions("joins"))
    worker.work()
    worker.release()
    found = windows(log.only("summaries"), Table(SEGMENTED), PLAN, tmp_path / "a")
    known = counted(Table(SEGMENTED), messages, tmp_path / "known too")
    expected = windows(known, Table(SEGMENTED), PLAN, tmp_path / "b")

    def labels(windows: list[Any]) -> dict[Any, Any]:
        return {(one["segment"], one["start"]): one["performance"]["labels"] for one in windows}

    assert labels(found) == labels(expected)
    assert sum(labels(found).values()) > 0


def test_version_without_the_segments_that_are_asked_for_is_a_problem_in_one_sentence():
    asked = SegmentSettings(lambda _: Segments(BY))
    asked.check(SEGMENTED)
    assert asked.problem is None
    asked.check(WHOLE)
    assert asked.problem == (
        "segments are missing: m/1: its profile was taken without the segments by c, c and"
        " x:-0.5,0.5, so only the whole is watched: register a new version from the file of the"
        " reference"
    )
