"""Logs of inference servers: a request and its response become rows."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.sources.mapping.inference_logs import with_rows
from consumers.sources.mapping.mapping import MappedPrediction
from producers.contract.records import Undecodable
from tests.consumers.sources.mapping.test_mapping import mapped


def tensor(name: str, shape: list[int], data: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


INPUTS = [tensor("x", [2, 1], [1.5, 2.5]), tensor("image", [2, 2], [[1, 2], [3, 4]])]
OUTPUTS = [tensor("p", [2], [0.25, 0.75])]
X_ROWS = [{"x": 1.5, "c": "a"}, {"x": 2.5, "c": "b"}]


@pytest.mark.parametrize(
    "document",
    [
        {"id": "7", "inputs": INPUTS, "outputs": OUTPUTS},
        {"id": "7", "request": {"inputs": INPUTS}, "response": {"outputs": OUTPUTS}},
    ],
)
def test_tensors_of_kserve_become_rows(document):
    source = {"topic": "t", "envelope": "kserve-v2", "model": {"value": "m"}}
    source |= {"features": "@.inputs", "score": "@.outputs.p"}
    found = [row for row in mapped(source, document) or () if isinstance(row, MappedPrediction)]
    assert [(row.features, row.score) for row in found] == [
        ({"x": 1.5, "image.0": 1, "image.1": 2}, 0.25),
        ({"x": 2.5, "image.0": 3, "image.1": 4}, 0.75),
    ]
    assert len({row.id for row in found}) == 2


@pytest.mark.parametrize(
    "inputs",
    [
        {"inputs": X_ROWS},
        {"dataframe_records": X_ROWS},
        {"dataframe_split": {"columns": ["x", "c"], "data": [[1.5, "a"], [2.5, "b"]]}},
        {"inputs": {"x": [1.5, 2.5], "c": ["a", "b"]}},
        {"request": {"inputs": {"index": [0, 1], "columns": ["x", "c"]} | {
            "data": [[1.5, "a"], [2.5, "b"]]}}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("outputs", [{"outputs": [0, 1]}, {"response": {"predictions": [0, 1]}}])
def test_rows_of_mlflow_in_every_orientation(inputs, outputs):
    rows = with_rows({**inputs, **outputs}, "mlflow")["rows"]
    assert rows == [{"inputs": X_ROWS[0], "outputs": 0}, {"inputs": X_ROWS[1], "outputs": 1}]


@pytest.mark.parametrize(
    ("envelope", "document", "said"),
    [
        ("mlflow", [], "expected an object"),
        ("mlflow", {"inputs": X_ROWS}, "expected outputs in the record or its response"),
        ("mlflow", {"inputs": X_ROWS, "outputs": [1]}, "2 rows of inputs, and 1 of outputs"),
        ("mlflow", {"inputs": 5, "outputs": [1]}, "expected rows"),
        ("mlflow", {"inputs": {"a": [1], "b": [1, 2]}, "outputs": [1]}, "different numbers"),
        ("mlflow", {"inputs": {"columns": ["a"], "data": [[1, 2]]}, "outputs": [1]}, "each column"),
        ("kserve-v2", {"inputs": [], "outputs": OUTPUTS}, "expected tensors"),
        ("kserve-v2", {"inputs": [{"name": "x"}], "outputs": OUTPUTS}, "expected tensors"),
        ("kserve-v2", {"inputs": [tensor("x", [3], [1])], "outputs": OUTPUTS}, "has 1 values"),
        ("kserve-v2", {"inputs": [tensor("x", [], [1])], "outputs": OUTPUTS}, "expected tensors"),
        ("kserve-v2", {"inputs": [tensor("x", [-1], [])], "outputs": OUTPUTS}, "its shape is"),
    ],
)
def test_other_records_are_refused_with_a_sentence(envelope, document, said):
    with pytest.raises(Undecodable, match=said):
        with_rows(document, envelope)
