"""The task of a file of rows: named, or inferred from the columns, and what it then reads."""

import numpy as np
import pandas as pd
import pytest

from driftline.errors import BadInput
from monitor.counts.task import Task
from monitor.tasks.registry import TASKS
from producers.registration.columns import Columns
from producers.registration.rows_file import read_rows
from producers.registration.task_choice import inferred_task, task_named

ROWS = {
    "when": ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00:00Z"],
    "minutes": [-3.5, 0.0, 1e6],
    "late": [-4, None, 12.25],
    "x": [1, 2, 3],
}


@pytest.fixture
def path(tmp_path):
    pd.DataFrame(ROWS).to_csv(tmp_path / "rows.csv", index=False)
    return tmp_path / "rows.csv"


def columns(task: str, **named) -> Columns:
    return Columns(time="when", task=task_named(task), **named)


@pytest.mark.parametrize(
    ("score", "prediction", "label", "task"),
    [
        ("s", None, None, "binary"),
        ("s", "p", "y", "binary"),
        (None, "p", "y", "regression"),
        (None, "p", None, "regression"),
        (None, None, None, "features"),
    ],
)
def test_task_is_inferred_from_the_columns_that_are_named(score, prediction, label, task):
    assert inferred_task(score, prediction, label).name == task


def test_labels_alone_do_not_tell_the_task():
    with pytest.raises(BadInput, match="'y' holds the labels of what"):
        inferred_task(None, None, "y")


def test_task_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(BadInput, match="no task 'ranking': expected one of binary, multiclass"):
        task_named("ranking")
    assert {name: task_named(name).name for name in TASKS} == {name: name for name in TASKS}


def test_numbers_of_a_regression_are_its_predictions_and_labels(path):
    rows = read_rows(path, columns("regression", prediction="minutes", label="late"))
    assert rows.predictions.score.tolist() == ROWS["minutes"]
    assert rows.label.tolist() == pytest.approx([-4, np.nan, 12.25], nan_ok=True)
    assert rows.labelled.tolist() == [0, 2]
    assert list(rows.predictions.features) == ["x"]


def test_score_of_features_may_be_any_number_or_missing(path):
    rows = read_rows(path, columns("features", score="late", ignore=("minutes",)))
    assert rows.predictions.score.tolist() == pytest.approx([-4, np.nan, 12.25], nan_ok=True)
    bare = read_rows(path, columns("features"))
    assert np.isnan(bare.predictions.score).all()
    assert list(bare.predictions.features) == ["minutes", "late", "x"]


@pytest.mark.parametrize(
    ("task", "named", "why"),
    [
        ("binary", {}, "--score is missing: the task binary needs"),
        ("regression", {}, "--prediction is missing: the task regression needs"),
        ("regression", {"prediction": "minutes", "score": "x"}, "does not use --score"),
        ("features", {"prediction": "minutes"}, "does not use --prediction"),
        ("features", {"label": "late"}, "does not use --label"),
        ("regression", {"prediction": "late"}, "'late' is missing: the task regression expects"),
        ("regression", {"prediction": "when"}, "'when' is not numeric"),
        ("binary", {"score": "minutes"}, "'minutes' is -3.5: the task binary expects"),
    ],
)
def test_columns_that_are_not_those_of_the_task_are_refused_with_a_sentence(path, task, named, why):
    with pytest.raises(BadInput, match=why):
        read_rows(path, columns(task, **named))


def test_predictions_of_two_values_are_a_regression_only_if_that_is_said(path):
    two = pd.DataFrame({**ROWS, "minutes": [0, 1, 1]})
    two.to_csv(path, index=False)
    with pytest.raises(BadInput, match="no more than two values"):
        read_rows(path, columns("regression", prediction="minutes", inferred=True))
    said = read_rows(path, columns("regression", prediction="minutes"))
    assert said.predictions.score.tolist() == [0, 1, 1]


@pytest.mark.parametrize("task", [task_named(name) for name in TASKS], ids=lambda task: task.name)
def test_fields_that_are_sent_are_read_as_they_were(task: Task):
    task, score = task.knowing([0, 1], scored=False), np.array([0.25, 0.5, 1.0])
    columns = task.columns(score, np.array([0.0, 1.0, 1.0]), 0.5)
    again = task.columns(*task.sent(*columns), 0.5)
    assert [one.tolist() for one in again] == [one.tolist() for one in columns]
    assert task.decoded(task.parameters()).parameters() == task.parameters()
