"""Files of a classifier of several classes: names of classes, and the probability of each."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.settings import load_settings
from monitor.counts.classes import class_numbers
from monitor.tasks.multiclass import MULTICLASS
from monitor.tasks.regression import REGRESSION
from producers.contract.records import decode_label, decode_prediction
from producers.registration.columns import Columns
from producers.registration.file_table import InvalidFile
from producers.registration.register import profile_of_file
from producers.registration.rows_file import FileRows, read_file
from producers.registration.summary import summary_lines
from producers.registration.task_choice import inferred_task
from producers.simulation.replay import LABELS, Replay

COLUMNS = Columns(
    time="at", id="id", prediction="guess", label="truth", scores="p(*)", task=MULTICLASS
)
ROWS = pd.DataFrame(
    {
        "at": [f"2025-01-0{i + 1}T00:00:00Z" for i in range(6)],
        "id": list("abcdef"),
        "guess": ["cat", "dog", "cat", "3", "dog", "cat"],
        "truth": ["cat", "cat", "dog", "3.0", None, "bird"],
        "p(cat)": [0.7, 0.2, 0.5, 0.1, 0.3, None],
        "p(dog)": [0.2, 0.7, 0.4, 0.2, 0.6, None],
        "p(3)": [0.1, 0.1, 0.1, 0.7, 0.1, None],
        "x": np.arange(6.0),
    }
)


def read(directory: Path, rows: pd.DataFrame = ROWS, columns: Columns = COLUMNS) -> FileRows:
    path = directory / "rows.csv"
    rows.to_csv(path, index=False)
    return read_file(path, columns)


def test_classes_are_those_of_predictions_labels_and_probabilities(tmp_path):
    file = read(tmp_path)
    task = file.columns.task
    assert task.classes == ("cat", "dog", "3", "bird")
    predictions = file.rows.predictions
    assert [task.classes[i] for i in predictions.predicted] == ROWS["guess"].tolist()
    assert predictions.score[1].tolist() == [0.2, 0.7, 0.1, 0.0]
    assert np.isnan(predictions.score[5]).all()
    expected = class_numbers(["cat", "cat", "dog", 3, None, "bird"])
    assert np.array_equal(file.rows.label, expected, equal_nan=True)
    assert [feature.name for feature in file.features] == ["x"]


def test_column_of_structs_is_read_as_the_same_probabilities(tmp_path):
    columns = {name: ROWS[f"p({name})"] for name in ("cat", "dog", "3")}
    own = [
        None if np.isnan(row[0]) else dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
    table = pa.table(
        {
            **{name: ROWS[name].tolist() for name in ("at", "id", "guess", "x")},
            "truth": [one if isinstance(one, str) else None for one in ROWS["truth"]],
            "scores": own,
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    found = read_file(tmp_path / "rows.parquet", replace(COLUMNS, scores="scores"))
    other = read(tmp_path)
    assert np.array_equal(
        found.rows.predictions.score, other.rows.predictions.score, equal_nan=True
    )


def test_replay_sends_the_classes_and_probabilities_of_the_file(tmp_path):
    file = read(tmp_path)
    replay = Replay("pets", "1", file.rows, file.columns.task)
    contract = MULTICLASS.contract
    events = list(replay.events())
    labels = [decode_label(e.value, contract) for e in events if e.topic == LABELS]
    sent = [decode_prediction(e.value, contract) for e in events if e.topic != LABELS]
    assert [one.label for one in labels] == ["cat", "cat", "dog", "3", "bird"]
    assert [one.prediction for one in sent] == ROWS["guess"].tolist()
    assert sent[0].scores == {"cat": 0.7, "dog": 0.2, "3": 0.1, "bird": 0.0}
    assert sent[5].scores is None


def test_live_rows_are_read_with_the_classes_of_the_reference_and_keep_unseen_names(tmp_path):
    reference = read(tmp_path)
    schema = profile_of_file(load_settings(None), "pets", "1", reference).schema
    live = ROWS.assign(guess=["dog", "fox", "cat", "3", "dog", "cat"])
    live.to_csv(tmp_path / "live.csv", index=False)
    found = read_file(tmp_path / "live.csv", COLUMNS, schema)
    assert found.columns.task == schema.task
    assert found.rows.predictions.predicted[0] == schema.task.classes.index("dog")
    assert found.rows.predictions.predicted[1] >= len(schema.task.classes)
    events = Replay("pets", "1", found.rows, found.columns.task).events()
    sent = [decode_prediction(e.value, MULTICLASS.contract) for e in events if e.topic != LABELS]
    assert sent[1].prediction == "fox"


def test_summary_tells_the_classes(tmp_path):
    file, settings = read(tmp_path), load_settings(None)
    profile = profile_of_file(settings, "pets", "1", file)
    lines = summary_lines(file, profile, settings.plan("pets"))
    assert (
        "classes   guess: 4 are known, 'cat' 50.0%, 'dog' 33.3%, '3' 16.7%; probabilities p(*)"
        in lines
    )
    assert any("5 of 6 rows, 'cat' 40.0%, 'dog' 20.0%" in line for line in lines)


def test_task_of_texts_is_multiclass_and_that_of_numbers_is_not(tmp_path):
    inferred = replace(COLUMNS, task=REGRESSION, scores=None, inferred=True)
    file = read(tmp_path, ROWS.drop(columns=["p(cat)", "p(dog)", "p(3)"]), inferred)
    assert file.columns.task.name == "multiclass"
    assert not file.columns.task.scored
    assert file.notes == [
        "the task is multiclass, because the predictions in 'guess' are texts among the numbers"
    ]
    assert inferred_task(None, "guess", "truth", "p(*)").name == "multiclass"
    numbers = ROWS.assign(guess=[0.5, 1, 2, 3, 4, 5], truth=[1, 2, 3, 4, 5, 6.0])
    assert read(tmp_path, numbers, inferred).columns.task == REGRESSION


@pytest.mark.parametrize(
    ("rows", "columns", "why"),
    [
        (ROWS.assign(guess=None), {}, "a prediction in column 'guess' is missing"),
        (ROWS, {"scores": "q_*"}, "no column has a name like 'q_\\*'"),
        (ROWS, {"scores": "q"}, "there is no column 'q': --scores expects"),
        (ROWS, {"scores": "guess"}, "column 'guess' has values of type string: --scores expects"),
        (ROWS.assign(**{"p(cat)": 1.5}), {}, "a value in column 'p\\(cat\\)' is 1.5"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_a_sentence(rows, columns, why, tmp_path):
    with pytest.raises(InvalidFile, match=why):
        read(tmp_path, rows, replace(COLUMNS, **columns))


def test_scores_of_classes_belong_to_no_other_task():
    with pytest.raises(InvalidFile, match="the task regression does not use --scores"):
        replace(COLUMNS, task=REGRESSION)
