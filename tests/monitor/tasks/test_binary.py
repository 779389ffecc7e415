"""The task binary: what a score, a prediction and a label are, and the cells that count them."""

import numpy as np
import pytest

from monitor.counts.counts import Counts
from monitor.counts.task import NO_LABEL, Labelled
from monitor.tasks.binary import BINARY

NOT_SENT = np.full(3, np.nan)


def test_scores_of_binary_are_probabilities():
    score = np.array([0.0, 1.0, -0.1, 1.1, np.nan, np.inf])
    assert BINARY.contract.score.holds(score).tolist() == [True, True, False, False, False, False]


def test_default_prediction_of_binary_is_1_from_the_threshold_on():
    score = np.array([0.2, 0.5, 0.7])
    assert BINARY.columns(score, NOT_SENT, 0.5)[1].tolist() == [0, 1, 1]
    assert BINARY.columns(score, np.array([1.0, np.nan, 0.0]), 0.5)[1].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("score", "label", "why"),
    [
        ([0.5, 2.0], None, "scores must be probabilities between 0 and 1, found 2:"),
        ([np.nan, 0.5], None, "found a missing one"),
        ([0.5, 0.5], [0, 3], "labels must be 0 or 1, found 3"),
        ([0.5, 0.5], [0, -1], "labels must be 0 or 1, found -1"),
        ([0.5, 0.5], [1, NO_LABEL], "the labels hold only one class"),
        ([0.5, 0.5], [NO_LABEL, NO_LABEL], "the labels hold only one class"),
    ],
)
def test_reference_that_is_not_binary_is_refused_with_a_sentence(score, label, why):
    with pytest.raises(ValueError, match=why):
        BINARY.check_reference(np.array(score), None if label is None else np.array(label))
    BINARY.check_reference(np.array([0.5, 0.5]), np.array([0, 1]))


def test_binary_cells_of_labelled_rows_tell_prediction_score_and_label_apart():
    predicted, label = np.array([0, 0, 1, 1]), np.array([0.0, 1.0, 0.0, 1.0])
    rows = Labelled(np.array([0.0, 0.0, 0.5, 1.0]), predicted, label)
    cells = BINARY.label_cells(rows)
    assert cells["outcomes"].tolist() == [0, 1, 2, 3]
    assert cells["scores_labels"].tolist() == [0, 1, 10_000, 19_999]
    assert BINARY.pane_errors({"outcomes": Counts.of([0, 1, 2, 3], [9, 1, 2, 9])}) == 3


def test_binary_contract_says_what_it_expects():
    fields = (BINARY.contract.score, BINARY.contract.prediction, BINARY.contract.label)
    said = [field.expected for field in fields]
    assert said == ["a number from 0 to 1", "0, 1 or null", "0 or 1"]
