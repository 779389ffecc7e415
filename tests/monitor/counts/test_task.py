"""The task binary: what a score, a prediction and a label are, and the cells that count them."""

import numpy as np
import pytest

from monitor.counts.task import BINARY, NO_LABEL, TASKS

LABEL = np.array([0, 1, NO_LABEL])


def test_scores_of_the_task_are_probabilities():
    score = np.array([0.0, 1.0, -0.1, 1.1, np.nan, np.inf])
    assert BINARY.is_score(score).tolist() == [True, True, False, False, False, False]


def test_prediction_is_1_from_the_threshold_on():
    assert BINARY.predicted(np.array([0.2, 0.5, 0.7]), 0.5).tolist() == [0, 1, 1]


def test_label_that_is_missing_is_not_known_and_no_class():
    assert BINARY.is_known(LABEL).tolist() == [True, True, False]
    assert BINARY.has_all_classes(LABEL)
    assert not BINARY.has_all_classes(LABEL[1:])


@pytest.mark.parametrize(
    ("score", "label", "why"),
    [
        ([0.5, 2.0], None, "scores must be probabilities between 0 and 1, found 2 "),
        ([np.nan, 0.5], None, "found a missing one"),
        ([0.5, 0.5], [0, 3], "labels must be 0 or 1, found 3"),
        ([0.5, 0.5], [1, NO_LABEL], "the labels hold only one class"),
        ([0.5, 0.5], [NO_LABEL, NO_LABEL], "the labels hold only one class"),
    ],
)
def test_reference_of_another_task_is_refused_with_a_sentence(score, label, why):
    with pytest.raises(ValueError, match=why):
        BINARY.check_reference(np.array(score), None if label is None else np.array(label))
    BINARY.check_reference(np.array([0.5, 0.5]), np.array([0, 1]))


def test_cells_of_labelled_rows_tell_prediction_score_and_label_apart():
    predicted, label = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert BINARY.outcome(predicted, label).tolist() == list(range(BINARY.outcomes))
    assert BINARY.wrong_outcomes == (1, 2)
    cells = BINARY.with_label(np.array([0, 7, 7]), label[:3])
    assert [part.tolist() for part in BINARY.bin_and_label(cells)] == [[0, 7, 7], [0, 1, 0]]


def test_contract_of_records_names_what_the_task_expects():
    assert (BINARY.expected_score, BINARY.expected_class) == ("a number from 0 to 1", "0 or 1")
    assert TASKS == {"binary": BINARY}
