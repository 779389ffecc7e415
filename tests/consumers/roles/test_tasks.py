"""Metrics of each task through aggregate and join are those of scikit-learn on the raw rows.

Whatever the order, the portions and the workers: shuffled, late, amended, after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import (
    accuracy_score,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    median_absolute_error,
    r2_score,
    roc_auc_score,
)

from consumers.messages.records import Message, TopicPartition
from consumers.roles.aggregate import Aggregate
from consumers.roles.join import Join
from monitor.counts.columns import Predictions
from monitor.counts.counts import Cells, add_cells
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.counts.task import Task
from monitor.tasks.binary import BINARY
from monitor.tasks.features import FEATURES
from monitor.tasks.regression import REGRESSION
from producers.contract.arrow_columns import ARROW_HEADER
from tests.consumers.in_memory import (
    PANE,
    T0,
    Log,
    Table,
    VersionStates,
    Worker,
    constant,
    plan,
    positions_of,
    summaries,
)

N = 300
PLAN = plan()
SOURCES = [TopicPartition(topic, n) for topic in ("predictions", "labels") for n in range(2)]


def drawn(task: Task, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What a model puts out, and labels."""
    rng = np.random.default_rng(seed)
    score = rng.random(n).round(3)
    if task.contract.label.whole:
        return score, (rng.random(n) < score).astype(np.float64)
    return 50 + 20 * score, (50 + 20 * score + rng.normal(size=n)).round(3)


def profile(task: Task) -> Profile:
    score, label = drawn(task, 400, 1)
    time_ms = T0 - 20_000 + np.arange(400) * 50
    features = {"x": np.random.default_rng(2).normal(size=400)}
    rows = Predictions(
        [str(i) for i in range(400)], time_ms, *task.columns(score, score, 0.5), features
    )
    known = label if task.metrics else None
    return build_profile(
        "m", "1", ReferenceRows(rows, known), pane_ms=PANE, threshold=0.5, task=task
    )


def sent(task: Task, seed: int) -> list[tuple[str, bytes]]:
    """Predictions with a label each, some late by a second; every third label is amended later."""
    score, label = drawn(task, N, 3)
    found: list[tuple[str, bytes]] = []
    for i in range(N):
        at_ms = T0 + 7 * i
        row = {"schema": 1, "id": f"r{i}", "time": at_ms, "model": "m"}
        output = "prediction" if task.contract.score is None else "score"
        features = {"x": float(i % 7)}
        prediction = {**row, "version": "1", "features": features, output: float(score[i])}
        labels = [float(label[i])] if i % 3 else [float(label[i - 1]), float(label[i])]
        whole = task.contract.label.whole
        found.append(("predictions", json.dumps(prediction).encode()))
        for later, value in enumerate(labels):
            known = {**row, "time": at_ms + 100 + later, "label": int(value) if whole else value}
            found.append(("labels", json.dumps(known).encode()))
    Random(seed).shuffle(found)
    return found


Roles = Callable[[Log, Table, Path], None]


def one_worker(log: Log, table: Table, directory: Path) -> None:
    aggregate = Aggregate(table, constant(PLAN), log.partitions, positions_of(log), VersionStates())
    Worker(aggregate, log, SOURCES).work()
    join = Join(table, constant(PLAN), log.partitions, directory, log.first_offset)
    worker = Worker(join, log, log.topic_partitions("joins"))
    worker.work()
    worker.release()


def two_workers_and_a_crash(log: Log, table: Table, directory: Path) -> None:
    for number in (0, 1):
        role = Aggregate(table, constant(PLAN), log.partitions, positions_of(log), VersionStates())
        mine = [source for source in SOURCES if source.partition == number]
        worker = Worker(role, log, mine)
        while not worker.done:
            worker.work(37)
    for number in (0, 1):
        for crash in (Worker[Join].commit_and_die, Worker[Join].abort, Worker[Join].work):
            role = Join(table, constant(PLAN), log.partitions, directory, log.first_offset)
            worker = Worker(role, log, [TopicPartition("joins", number)], chunk=5)
            crash(worker, 1_000 if crash is Worker[Join].work else 3)
            worker.release()


def cells_of(task: Task, roles: Roles, seed: int, directory: Path) -> dict[int, Cells]:
    """All labelled rows and all data, by pane."""
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)
    for topic, value in sent(task, seed):
        log.append(Message(topic, None, value, json.loads(value)["time"] % 2))
    roles(log, Table(profile(task)), directory)
    by_pane: dict[int, list[Cells]] = {}
    for summary in summaries(log.all("summaries")):
        data = summary.part in (Part.ON_TIME, Part.LATE)
        assert data == ("rows" in summary.cells)
        by_pane.setdefault(summary.pane_ms, []).append(summary.cells)
    added = {pane_ms: add_cells(cells) for pane_ms, cells in sorted(by_pane.items())}
    return {ms: {n: c for n, c in cells.items() if c} for ms, cells in added.items()}


def expected(task: Task) -> dict[str, float]:
    score, label = drawn(task, N, 3)
    if task.contract.label.whole:
        return {
            "accuracy": accuracy_score(label, score >= 0.5),
            "roc_auc": roc_auc_score(label, score),
        }
    return {
        "mae": mean_absolute_error(label, score),
        "rmse": mean_squared_error(label, score) ** 0.5,
        "bias": float(np.mean(score - label)),
        "r2": r2_score(label, score),
        "median_absolute_error": median_absolute_error(label, score),
        "mape": mean_absolute_percentage_error(label, score),
    }


@pytest.mark.parametrize("task", [BINARY, REGRESSION], ids=lambda task: task.name)
@pytest.mark.parametrize("roles", [one_worker, two_workers_and_a_crash])
def test_metrics_through_the_roles_are_those_of_scikit_learn_on_the_raw_rows(task, roles, tmp_path):
    schema = profile(task).schema
    cells = cells_of(task, roles, 5, tmp_path)
    found = schema.measure(list(cells.values()))
    for name, value in expected(task).items():
        near = 1e-12 + (found[name].resolution or 1e-6)
        assert found[name].value == pytest.approx(value, abs=near), name


@pytest.mark.parametrize("task", [BINARY, REGRESSION, FEATURES], ids=lambda task: task.name)
def test_sums_of_each_task_are_the_same_to_the_bit_in_any_order_with_any_workers(task, tmp_path):
    first = cells_of(task, one_worker, 1, tmp_path / "one")
    for seed in (2, 3):
        assert cells_of(task, one_worker, seed, tmp_path / f"one {seed}") == first
        other = cells_of(task, two_workers_and_a_crash, seed, tmp_path / f"two {seed}")
        assert other == first


def test_labels_of_a_model_with_features_alone_are_joined_and_count_nothing(tmp_path):
    cells = cells_of(FEATURES, one_worker, 1, tmp_path)
    assert sum(pane["rows"].size for pane in cells.values()) == N
    names = {name for pane in cells.values() for name in pane}
    assert names == {"rows", "bins/x", "quality/x", "score"}


def test_records_of_a_regression_follow_its_contract(tmp_path):
    """A score instead of a prediction, a text, and a label that is none."""
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("predictions", {"version": "1", "features": {}, "score": 0.5}),
        ("predictions", {"version": "1", "features": {}, "prediction": "high"}),
        ("labels", {"label": "late"}),
        ("labels", {"label": None}),
    ]
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2, **{"dead-letters": 1})
    for i, (topic, fields) in enumerate(wrong):
        row = {"schema": 1, "id": f"r{i}", "time": T0, "model": "m", **fields}
        log.append(Message(topic, None, json.dumps(row).encode(), 0))
    one_worker(log, Table(profile(REGRESSION)), tmp_path)
    letters = [dict(r.headers)["driftline.error"].decode() for r in log.all("dead-letters")]
    assert letters == [
        "'prediction' is missing: expected a number",
        "'prediction' is wrong (Expected `float`, got `str`): expected a number",
        "'label' is wrong (Expected `float`, got `str`): expected a number",
        "'label' is wrong (Expected `float`, got `null`): expected a number",
    ]


@pytest.mark.parametrize("as_arrow", [False, True], ids=["JSON", "Arrow"])
def test_rows_that_came_before_their_profile_was_read_follow_the_contract_of_its_task(
    as_arrow, tmp_path
):
    """Before the profile is read, any numbers are taken; then a prediction is required."""
    rows: list[dict[str, Any]] = [
        {"schema": 1, "id": f"r{i}", "time": T0, "model": "m", "version": "1", "x": 0.1, **outputs}
        for i, outputs in enumerate([{"prediction": 60.0}, {"score": 0.5}, {"prediction": 55.5}])
    ]
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2, **{"dead-letters": 1})
    for message in arrow(rows) if as_arrow else map(as_json, rows):
        log.append(message)
    one_worker(log, Table(later=[profile(REGRESSION)]), tmp_path)
    errors = [dict(r.headers)["driftline.error"].decode() for r in log.all("dead-letters")]
    assert errors == ["'prediction' is missing: expected a number"] or (
        as_arrow and "'prediction' is wrong" in errors[0] and len(errors) == 1
    )
    counted = [s.cells for s in summaries(log.all("summaries"))]
    assert sum(cells["rows"].size for cells in counted) == 2
    assert sum(cells["value"].size for cells in counted) == 2


def as_json(row: dict[str, Any]) -> Message:
    own = {name: value for name, value in row.items() if name != "x"}
    return Message(
        "predictions", None, json.dumps({**own, "features": {"x": row["x"]}}).encode(), 0
    )


def arrow(rows: list[dict[str, Any]]) -> list[Message]:
    columns = {name: [row.get(name) for row in rows] for name in ("id", "model", "version", "x")}
    outputs = {name: [row.get(name) for row in rows] for name in ("score", "prediction")}
    table = pa.table({**columns, **outputs, "time": pa.array([row["time"] for row in rows])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return [Message("predictions", None, sink.getvalue().to_pybytes(), 0, (ARROW_HEADER,))]
