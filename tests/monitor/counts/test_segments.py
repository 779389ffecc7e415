"""Which segments a reference has, and in which of them rows are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts.bins import Sample
from monitor.counts.columns import Categorical, Numeric
from monitor.counts.segmentation import Dimension, Segmentation, Segments
from monitor.counts.segments import SegmentIndex, combined, learned_segments, separated
from monitor.plan import InvalidPlan

AGE = np.repeat([10.0, 18.0, 29.5, 70.0], [100, 150, 120, 130])
PORT = ["EWR"] * 260 + ["JFK"] * 110 + ["A/B"] * 99 + [None] * 31
REFERENCES = {
    "age": Numeric(Sample.of(AGE), 10.0, 70.0),
    "port": Categorical(("EWR", "JFK", "A/B"), np.array([260, 110, 99, 0])),
}


def learned(by: str | list[str], most: int = 50) -> SegmentIndex:
    features = {"age": AGE, "port": PORT}
    return learned_segments(Segmentation.of(by), REFERENCES, features, 500, most)


def test_categories_with_enough_rows_are_segments_and_the_rest_is_other():
    assert learned("port").texts == ("port=EWR", "port=JFK", "port=other")


def test_other_is_none_if_it_has_too_few_rows():
    assert learned("age:18,50").texts == ("age=18..50", "age=50..", "age=..18")


def test_at_most_so_many_segments_are_listed_besides_other():
    assert learned("port", most=1).texts == ("port=EWR", "port=other")


def test_combinations_are_segments_named_by_both_features():
    found = learned(["port", "age:18"])
    listed = ("age=18..&port=EWR", "age=18..&port=JFK", "age=..18&port=EWR")
    assert found.texts == (*listed, "age=other&port=other")


def test_a_value_that_is_called_other_belongs_to_the_rest():
    references = {"port": Categorical(("other", "JFK"), np.array([200, 200, 0]))}
    columns = {"port": ["other"] * 200 + ["JFK"] * 200}
    found = learned_segments(Segmentation.of("port"), references, columns, 400, 50)
    assert found.texts == ("port=JFK", "port=other")
    assert found.codes(columns, 400).tolist() == [2] * 200 + [1] * 200


def test_rows_are_in_the_segment_of_their_values():
    found = learned(["port", "age:18"])
    rows = {"port": ["EWR", "JFK", "EWR", None, "new"], "age": [18.0, 99.0, 17.9, 20.0, 20.0]}
    assert found.codes(rows, 5).tolist() == [1, 2, 3, 4, 4]


def test_rows_without_a_number_are_in_no_range():
    rows = {"age": [None, float("nan"), "18", 18, float("inf")]}
    assert learned("age:18,50").codes(rows, 5).tolist() == [0, 0, 0, 1, 2]


def test_rows_without_the_feature_are_in_no_segment_that_is_listed():
    assert learned("port").codes({}, 2).tolist() == [3, 3]
    assert learned("age:18,50").codes({}, 2).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("size", "has no feature 'size', only age, port"),
        ("age", "'age' is a number: give the cuts"),
        ("port:3", "'port' is a category, it has no ranges"),
        (["age:5", "port"], None),
    ],
)
def test_segmentation_that_does_not_fit_the_features_is_refused(by, sentence):
    if sentence is None:
        assert learned(by).texts
        return
    with pytest.raises(ValueError, match=sentence):
        learned(by)


def test_segmentation_without_a_frequent_value_is_refused():
    references = {"id": Categorical(tuple(map(str, range(300))), np.ones(301, np.int64))}
    columns = {"id": [str(i) for i in range(300)]}
    with pytest.raises(ValueError, match="no value of id has 100 rows"):
        learned_segments(Segmentation.of("id"), references, columns, 300, 50)


@given(codes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2))))
def test_one_number_holds_the_codes_of_all_segmentations(codes):
    indices = [learned("port"), learned("age:18,50"), learned("port", most=1)]
    columns = [np.array(column, dtype=np.int64) for column in zip(*codes, strict=True)]
    columns = columns or [np.empty(0, np.int64)] * 3
    number = combined(columns, indices, len(codes))
    for before, after in zip(columns, separated(number, indices), strict=True):
        assert before.tolist() == after.tolist()


def test_a_number_of_other_segmentations_is_of_no_segment():
    assert separated(np.array([4, -1, 3]), [learned("port")])[0].tolist() == [0, 0, 3]


def test_cuts_follow_the_last_colon():
    assert Dimension.of("a:b:18,30.5") == Dimension("a:b", (18.0, 30.5))
    assert Dimension.of("a:b") == Dimension("a:b")
    assert Dimension.of("x:-1,2").ranges == ("..-1", "-1..2", "2..")


@pytest.mark.parametrize(
    ("by", "most", "sentence"),
    [
        (["age:30,18"], 50, "cuts that are finite and ascend"),
        (["age:18,inf"], 50, "cuts that are finite and ascend"),
        ([["a", "a:1"]], 50, "1 to 3 different features"),
        ([[]], 50, "1 to 3 different features"),
        ([["a", "b"], ["b", "a"]], 50, "divides by 'a' and 'b' twice"),
        ([str(i) for i in range(9)], 50, "has 9 segmentations, at most 8"),
        (["a"], 0, "max_segments must lie between 1 and 200"),
    ],
)
def test_settings_that_make_no_sense_are_refused_in_a_sentence(by, most, sentence):
    with pytest.raises(InvalidPlan, match=sentence):
        Segments(tuple(map(Segmentation.of, by)), most)
