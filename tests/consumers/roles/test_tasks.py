"""Metrics of each task through aggregate and join are those of scikit-learn on the raw rows.

Whatever the order, the portions and the workers: shuffled, late, amended, after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
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
from monitor.counts.classes import class_numbers
from monitor.counts.columns import Predictions
from monitor.counts.counts import Cells, add_cells
from monitor.counts.profile import Profile, ReferenceRows, build_profile
from monitor.counts.summary import Part
from monitor.counts.task import Task
from monitor.counts.values import Coded
from monitor.tasks.binary import BINARY
from monitor.tasks.features import FEATURES
from monitor.tasks.multiclass import Multiclass
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


NAMES = ("on time", "late", "3")
SCORED, PLAIN = Multiclass(NAMES, scored=True), Multiclass(NAMES)


def drawn(task: Task, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """What a model puts out, and labels: of a class its position, or probabilities."""
    rng = np.random.default_rng(seed)
    if task.contract.label.names:
        probability = rng.dirichlet([2.0, 1.0, 0.5], n).round(6)
        label = (probability.cumsum(axis=1) > rng.random((n, 1)) * 0.999).argmax(axis=1)
        return probability, label.astype(np.float64)
    score = rng.random(n).round(3)
    if task.contract.label.whole:
        return score, (rng.random(n) < score).astype(np.float64)
    return 50 + 20 * score, (50 + 20 * score + rng.normal(size=n)).round(3)


def profile(task: Task) -> Profile:
    score, label = drawn(task, 400, 1)
    classes = None
    if task.contract.label.names:
        classes = Coded(NAMES, score.argmax(axis=1))
        label = class_numbers(NAMES)[label.astype(int)]
    time_ms = T0 - 20_000 + np.arange(400) * 50
    features = {"x": np.random.default_rng(2).normal(size=400)}
    outputs = task.columns(score, score, 0.5) if classes is None else (score, classes.code)
    if task == PLAIN:
        outputs = (np.full(400, np.nan), outputs[1])
    rows = Predictions([str(i) for i in range(400)], time_ms, *outputs, features, classes)
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
        prediction = {**row, "version": "1", "features": {"x": float(i % 7)}}
        prediction |= outputs_of(task, score[i])
        labels = [value_of(task, label[j]) for j in ([i] if i % 3 else [i - 1, i])]
        found.append(("predictions", json.dumps(prediction).encode()))
        for later, value in enumerate(labels):
            known = {**row, "time": at_ms + 100 + later, "label": value}
            found.append(("labels", json.dumps(known).encode()))
    Random(seed).shuffle(found)
    return found


def outputs_of(task: Task, score: Any) -> dict[str, Any]:
    """The fields of a prediction. The class 3 is sent as a number, and scores in any order."""
    if not task.contract.label.names:
        return {"prediction" if task.contract.score is None else "score": float(score)}
    own = {"prediction": value_of(task, int(score.argmax()))}
    scores = dict(zip(reversed(NAMES), score.tolist()[::-1], strict=True))
    return {**own, "scores": scores} if task == SCORED else own


def value_of(task: Task, label: float) -> Any:
    if task.contract.label.names:
        return {"3": 3}.get(NAMES[int(label)], NAMES[int(label)])
    return int(label) if task.contract.label.whole else float(label)


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
    if task.contract.label.names:
        predicted = score.argmax(axis=1)
        of_classes = {
            "accuracy": accuracy_score(label, predicted),
            "balanced_accuracy": balanced_accuracy_score(label, predicted),
            "macro_f1": f1_score(label, predicted, average="macro"),
            "f1/late": f1_score(label, predicted, labels=[1], average=None)[0],
        }
        if task == PLAIN:
            return of_classes
        return {
            **of_classes,
            "log_loss": log_loss(label, score),
            "roc_auc": roc_auc_score(label, score, multi_class="ovr"),
        }
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


def named(task: Task) -> str:
    return f"{task.name} with scores" if task == SCORED else task.name


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum")
@pytest.mark.parametrize("task", [BINARY, REGRESSION, SCORED, PLAIN], ids=named)
@pytest.mark.parametrize("roles", [one_worker, two_workers_and_a_crash])
def test_metrics_through_the_roles_are_those_of_scikit_learn_on_the_raw_rows(task, roles, tmp_path):
    schema = profile(task).schema
    cells = cells_of(task, roles, 5, tmp_path)
    found = schema.measure(list(cells.values()))
    for name, value in expected(task).items():
        near = 1e-12 + (found[name].resolution or 1e-6)
        assert found[name].value == pytest.approx(value, abs=near), name


@pytest.mark.parametrize("task", [BINARY, REGRESSION, FEATURES, SCORED, PLAIN], ids=named)
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


def test_labels_of_the_task_of_another_version_count_nothing(tmp_path):
    """A binary version 1 and a version 2 of several classes, with the same ids."""
    of_classes, two = profile(SCORED), profile(BINARY)
    task = replace(of_classes.schema, version="2")
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)
    row = {"schema": 1, "id": "r", "time": T0, "model": "m"}
    predictions = [
        {**row, "version": "1", "features": {}, "score": 0.5},
        {**row, "version": "2", "features": {}, "prediction": "late"},
    ]
    for document in predictions:
        log.append(Message("predictions", None, json.dumps(document).encode(), 0))
    label = {**row, "time": T0 + 1, "label": "late"}
    log.append(Message("labels", None, json.dumps(label).encode(), 0))
    one_worker(log, Table(two, replace(of_classes, schema=task)), tmp_path)
    found = {s.version: s.cells for s in summaries(log.all("summaries")) if "rows" not in s.cells}
    assert found.keys() == {"2"}
    assert found["2"]["outcomes"].size == 1


def test_records_of_a_multiclass_follow_its_contract(tmp_path):
    """No class, one that is null or a list, a probability beyond 1 or of no number."""
    plain: dict[str, Any] = {"version": "1", "features": {}}
    wrong: list[tuple[str, dict[str, Any]]] = [
        ("predictions", {**plain, "score": 0.5}),
        ("predictions", {**plain, "prediction": None}),
        ("predictions", {**plain, "prediction": "late", "scores": {"late": 1.1}}),
        ("predictions", {**plain, "prediction": "late", "scores": [0.5, 0.5]}),
        ("labels", {"label": ["late"]}),
    ]
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2, **{"dead-letters": 1})
    for i, (topic, fields) in enumerate(wrong):
        row = {"schema": 1, "id": f"r{i}", "time": T0, "model": "m", **fields}
        log.append(Message(topic, None, json.dumps(row).encode(), 0))
    one_worker(log, Table(profile(SCORED)), tmp_path)
    letters = [dict(r.headers)["driftline.error"].decode() for r in log.all("dead-letters")]
    a_class = "a class: a text, a number or a boolean"
    of_classes = "an object of classes and numbers from 0 to 1"
    assert letters[0] == f"'prediction' is missing: expected {a_class}"
    assert letters[1] == f"'prediction' is wrong (null): expected {a_class}"
    assert letters[2].startswith("a value of 'scores' is wrong")
    assert letters[2].endswith(f"expected {of_classes}")
    assert letters[3].endswith(f"(an array): expected {of_classes}")
    assert letters[4].endswith(f"(an array): expected {a_class}")


def test_rows_of_a_multiclass_as_arrow_are_those_of_json(tmp_path):
    """Classes as text, and probabilities as a struct, one of them null."""
    score, _ = drawn(SCORED, 20, 7)
    rows = [
        {"schema": 1, "id": f"r{i}", "time": T0, "model": "m", "version": "1", "x": 0.1}
        | outputs_of(SCORED, score[i])
        for i in range(20)
    ]
    rows[3]["scores"] = None
    for row in rows:
        row["prediction"] = str(row["prediction"])
    found = []
    for i, messages in enumerate((list(map(as_json, rows)), arrow(rows, "prediction", "scores"))):
        log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)
        for message in messages:
            log.append(message)
        one_worker(log, Table(profile(SCORED)), tmp_path / str(i))
        found.append(add_cells([s.cells for s in summaries(log.all("summaries"))]))
    assert found[0] == found[1]
    assert (found[0]["class"].size, found[0]["score"].size) == (20, 19)


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
        "'prediction' is wrong (a string): expected a number",
        "'label' is wrong (a string): expected a number",
        "'label' is wrong (null): expected a number",
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
    fields = ("score", "prediction")
    for message in arrow(rows, *fields) if as_arrow else map(as_json, rows):
        log.append(message)
    one_worker(log, Table(later=[profile(REGRESSION)]), tmp_path)
    errors = [dict(r.headers)["driftline.error"].decode() for r in log.all("dead-letters")]
    assert errors == ["'prediction' is missing: expected a number"] or (
        as_arrow and "'prediction' is wrong" in errors[0] and len(errors) == 1
    )
    counted = [s.cells for s in summaries(log.all("summaries"))]
    assert sum(cells["rows"].size for cells in counted) == 2
    assert sum(cells["value"].size for cells in counted) == 2


@pytest.mark.parametrize("as_arrow", [False, True], ids=["JSON", "Arrow"])
def test_classes_that_came_before_their_profile_was_read_are_counted(as_arrow, tmp_path):
    scores = {"late": 0.5, "on time": 0.5}
    rows: list[dict[str, Any]] = [
        {"schema": 1, "id": f"r{i}", "time": T0, "model": "m", "version": "1", "x": 0.1, **outputs}
        for i, outputs in enumerate([{"prediction": "late", "scores": scores}, {"prediction": "3"}])
    ]
    log = Log(predictions=2, labels=2, joins=2, summaries=2, positions=2)
    for message in arrow(rows, "prediction", "scores") if as_arrow else map(as_json, rows):
        log.append(message)
    one_worker(log, Table(later=[profile(SCORED)]), tmp_path)
    (cells,) = [s.cells for s in summaries(log.all("summaries"))]
    assert cells["class"].dense(4).tolist() == [0, 1, 1, 0]
    assert cells["score"].size == 1


def as_json(row: dict[str, Any]) -> Message:
    own = {name: value for name, value in row.items() if name != "x"}
    return Message(
        "predictions", None, json.dumps({**own, "features": {"x": row["x"]}}).encode(), 0
    )


def arrow(rows: list[dict[str, Any]], *fields: str) -> list[Message]:
    columns = {name: [row.get(name) for row in rows] for name in ("id", "model", "version", "x")}
    outputs = {name: [row.get(name) for row in rows] for name in fields}
    table = pa.table({**columns, **outputs, "time": pa.array([row["time"] for row in rows])})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return [Message("predictions", None, sink.getvalue().to_pybytes(), 0, (ARROW_HEADER,))]
