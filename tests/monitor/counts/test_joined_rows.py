"""Labelled rows are counted as final if their label was known in time, else they amend.

Panes of 10, a label wait of 5 after the end of a pane.
"""

import numpy as np
import pytest

from monitor.counts.joined_rows import JoinedRows, count_joined
from monitor.counts.schema import Schema
from monitor.counts.summary import Part
from tests.monitor.streams import PANE, evaluator

SCHEMA: Schema = evaluator().profile.schema
WAIT = 5


def counts(*rows: tuple[int, int, int, int, int]) -> dict[tuple[int, str], dict[int, int]]:
    """The cells of ``outcomes`` by pane and part: 0 is a correct 0, 3 a correct 1.

    A row: time, label (equal to the prediction), the time at which it was known, final, whole.
    """
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    time_ms, label, known_ms, final, whole = columns
    joined = JoinedRows(
        "m", "1", time_ms, label * 0.9, label, label, known_ms, final, whole, 0 * label
    )
    return {
        (s.pane_ms, s.part.value): dict(
            zip(s.cells["outcomes"].index, s.cells["outcomes"].count, strict=True)
        )
        for s in count_joined(SCHEMA, joined, WAIT)
    }


@pytest.mark.parametrize(("known_ms", "part"), [(14, Part.FINAL), (15, Part.AMENDED)])
def test_row_is_final_if_its_label_was_known_before_the_wait_was_over(known_ms, part):
    assert PANE == 10
    assert counts((9, 1, known_ms, 1, 1)) == {(0, part.value): {3: 1}}


def test_late_prediction_amends():
    assert counts((9, 1, 11, 0, 1)) == {(0, "amended"): {3: 1}}


def test_row_that_is_final_only_is_taken_from_the_amended():
    assert counts((9, 1, 11, 1, 0)) == {(0, "final"): {3: 1}, (0, "amended"): {3: -1}}


def test_removed_row_cancels_the_added_one():
    assert counts((9, 1, 11, 1, 1), (9, 1, 11, -1, -1), (12, 0, 14, 1, 1)) == {
        (10, "final"): {0: 1}
    }


def test_no_rows_are_no_summary():
    none = np.array([], dtype=np.int64)
    rows = JoinedRows("m", "1", none, none.astype(float), none, none, none, none, none, none)
    assert count_joined(SCHEMA, rows, WAIT) == []
