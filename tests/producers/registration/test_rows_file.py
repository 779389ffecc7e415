"""Anybody's file of scored rows: every column in its role, every flaw named."""

import datetime

import numpy as np
import pandas as pd
import pytest

from driftline.errors import BadInput
from monitor.counts.task import NO_LABEL
from producers.registration.columns import Columns
from producers.registration.rows_file import read_rows

COLUMNS = {"time": "when", "score": "p"}
ROWS = {
    "when": ["2024-01-01T02:00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T03:00:00Z"],
    "p": [0.2, 0.7, 0.5],
    "y": [0, 1, None],
    "age": [30, None, 50],
    "zip": ["02134", "90210", None],
    "member": [True, False, True],
}


@pytest.fixture(params=[".csv", ".parquet"])
def saved(request, tmp_path):
    def save(**changed: object):
        path = tmp_path / f"rows{request.param}"
        frame = pd.DataFrame({**ROWS, **changed})
        if request.param == ".csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path)
        return path

    return save


def read(path, **columns: object):
    return read_rows(path, Columns(**{**COLUMNS, **columns}))


def test_rows_are_sorted_by_time(saved):
    rows = read(saved(), label="y").predictions
    assert rows.time_ms.tolist() == [1704070800000, 1704074400000, 1704078000000]
    assert rows.score.tolist() == [0.7, 0.2, 0.5]


def test_missing_label_is_no_label(saved):
    assert read(saved(), label="y").label.tolist() == pytest.approx([1, 0, NO_LABEL], nan_ok=True)


def test_rows_without_a_label_column_have_no_labels(saved):
    assert read(saved()).label is None


def test_columns_that_no_option_names_are_features(saved):
    rows = read(saved(), label="y", categorical=("zip",)).predictions
    age, zip_code, member = (rows.features[name] for name in ("age", "zip", "member"))
    assert list(rows.features) == ["age", "zip", "member"]
    assert age.tolist() == pytest.approx([np.nan, 30, 50], nan_ok=True)
    assert zip_code.tolist() == ["90210", "02134", None]
    assert member.tolist() == [False, True, True]
    assert {type(value) for value in member} == {bool}


def test_numeric_column_can_be_categorical(saved):
    rows = read(saved(), label="y", categorical=("age",)).predictions
    assert [text and text.removesuffix(".0") for text in rows.features["age"]] == [None, "30", "50"]


def test_ignored_columns_are_not_features(saved):
    assert list(read(saved(), label="y", ignore=("zip", "age")).predictions.features) == ["member"]


def test_predicted_class_is_from_the_threshold_or_the_column(saved):
    assert read(saved()).predictions.predicted.tolist() == [1, 0, 1]
    assert read(saved(), threshold=0.6).predictions.predicted.tolist() == [1, 0, 0]
    assert read(saved(hit=[1, 0, 0]), prediction="hit").predictions.predicted.tolist() == [0, 1, 0]


def test_ids_are_from_the_column(saved):
    assert read(saved(key=[7, 8, 9]), id="key").predictions.ids == ["8", "7", "9"]


def test_label_times_are_from_the_column_or_the_delay_or_unknown(saved):
    paid = ["2024-01-01T05:00:00Z", "2024-01-01T04:00:00Z", None]
    known = read(saved(paid=paid), label="y", label_time="paid")
    assert (known.label_time_ms - known.predictions.time_ms).tolist() == [10_800_000] * 2 + [0]
    delayed = read(saved(), label="y", label_delay_ms=60_000)
    assert (delayed.label_time_ms - delayed.predictions.time_ms).tolist() == [60_000] * 3
    assert read(saved(), label="y").label_time_ms is None


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        (["no", "yes", "no"], "yes", [1, 0, 0]),
        ([1, 2, 2], "1", [0, 1, 0]),
        ([False, True, False], None, [1, 0, 0]),
        ([False, True, False], "False", [0, 1, 1]),
        ([0.0, 1.0, None], None, [1, 0, NO_LABEL]),
        ([0, 1, 0], "0", [0, 1, 1]),
    ],
)
def test_two_label_values_are_two_classes(saved, values, positive, expected):
    label = read(saved(y=values), label="y", positive=positive).label
    assert label.tolist() == pytest.approx(expected, nan_ok=True)


def test_predictions_may_be_0_and_1_although_labels_are_names(saved):
    path = saved(y=["bad", "good", "bad"], hit=[1, 0, 0])
    rows = read(path, label="y", prediction="hit", positive="bad")
    assert rows.label.tolist() == [0, 1, 1]
    assert rows.predictions.predicted.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("changed", "columns", "why"),
    [
        ({}, {"score": "q"}, "no column 'q' in .*: its columns are when, p, y, age, zip, member"),
        ({}, {"categorical": ("q",)}, "no column 'q'"),
        ({}, {"ignore": ("q",)}, "no column 'q'"),
        ({}, {"label_time": "when"}, "--label-time needs --label"),
        ({"p": [0.1, 1.2, 0.3]}, {}, "'p' is 1.2: the task binary expects a number from 0 to 1"),
        ({"p": [0.1, -0.2, 0.3]}, {}, "'p' is -0.2"),
        ({"p": [0.1, None, 0.3]}, {}, "'p' is missing"),
        ({"p": ["a", "b", "c"]}, {}, "'p' is not numeric"),
        ({"p": [True, False, True]}, {}, "'p' is not numeric"),
        ({"y": [0, 1, 2]}, {"label": "y"}, r"3 different values \('0', '1', '2'\): those of the"),
        (
            {"y": ["a", "b", "a"]},
            {"label": "y"},
            "has the values 'a', 'b': give the positive one with --positive",
        ),
        (
            {"y": ["a", "a", "a"]},
            {"label": "y"},
            "has the values 'a': give the positive one with --positive",
        ),
        ({"y": ["a", "b", "a"]}, {"label": "y", "positive": "c"}, "not the positive one 'c'"),
        ({"hit": [1, None, 0]}, {"prediction": "hit"}, "prediction in column 'hit' is missing"),
        ({"key": ["a", None, "b"]}, {"id": "key"}, "id in column 'key' is missing"),
        ({"key": ["a", "x" * 201, "b"]}, {"id": "key"}, "longer than 200"),
        (
            {"paid": ["2024-01-01T05:00:00Z", "2024-01-01T00:59:00Z", None]},
            {"label": "y", "label_time": "paid"},
            "'paid' is before the time of its prediction",
        ),
        (
            {"paid": ["2024-01-01T05:00:00Z", None, None]},
            {"label": "y", "label_time": "paid"},
            "'paid' has no time in row",
        ),
        ({"when": ["2024-01-01", "2024-01-02", "2024-01-03"]}, {}, "--timezone"),
    ],
)
def test_error_for_a_wrong_column_is_one_sentence(saved, changed, columns, why):
    with pytest.raises(BadInput, match=why):
        read(saved(**changed), **columns)


def test_feature_that_is_neither_number_nor_string_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    for column in ([[1], [2], [3]], [datetime.date(2024, 1, 1)] * 3):
        pd.DataFrame({**ROWS, "odd": column}).to_parquet(path)
        with pytest.raises(
            BadInput, match=r"'odd' has values of type .*--ignore leaves a column out"
        ):
            read(path)


def test_named_index_of_a_parquet_file_is_a_column(tmp_path):
    path = tmp_path / "rows.parquet"
    pd.DataFrame(ROWS, index=pd.Index(["a", "b", "c"], name="key")).to_parquet(path)
    assert read(path, id="key").predictions.ids == ["b", "a", "c"]


def test_duplicate_id_is_refused(saved):
    with pytest.raises(
        BadInput, match=r"the id 'a' in column 'key' belongs to 2 rows.*without --id"
    ):
        read(saved(key=["a", "b", "a"]), id="key")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("rows.csv", b"", "is empty: expected a line of column names and at least one row"),
        ("rows.csv", b"when,p\n", "no rows"),
        ("rows.csv", b"\xff\xfe\x00", "cannot be read"),
        ("rows.parquet", b"PAR1", "cannot be read"),
        ("rows.xlsx", b"", "ends in .csv, .parquet, .arrow, .feather"),
    ],
)
def test_file_without_rows_is_refused(tmp_path, name, content, why):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=why):
        read(tmp_path / name)


def test_missing_rows_file_is_refused(tmp_path):
    with pytest.raises(BadInput, match="the file does not exist"):
        read(tmp_path / "gone.csv")
