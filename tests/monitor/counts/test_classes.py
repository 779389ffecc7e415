"""Names of classes as numbers: one number for all spellings, and positions in a list."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.counts.category_text import category_of, spelled_plainly
from monitor.counts.classes import LARGEST, class_index, class_number, class_numbers

values = st.one_of(st.text(max_size=8), st.integers(), st.floats(allow_nan=False), st.booleans())


@given(values, values)
def test_classes_have_the_same_number_if_they_spell_the_same_category(one, other):
    texts = [None if (t := category_of(v)) is None else spelled_plainly(t) for v in (one, other)]
    if None not in texts:
        assert (class_number(one) == class_number(other)) == (texts[0] == texts[1])


@given(values)
def test_number_of_a_class_is_finite_unless_the_value_names_none(value):
    assert np.isfinite(class_number(value)) == (category_of(value) is not None)


def test_class_that_is_a_number_has_that_number_and_any_other_one_beyond_all_numbers():
    found = class_numbers([3, "3", "3.0", 2.5, "late", True, None, 2**53 + 1, "007"])
    assert found[:4].tolist() == [3.0, 3.0, 3.0, 2.5]
    assert ((found[[4, 5, 7, 8]] >= LARGEST) & (found[[4, 5, 7, 8]] < 2 * LARGEST)).all()
    assert np.isnan(found[6])


def test_numbers_of_names_stay_the_same_in_every_release():
    """They are in labels that wait, and in joined rows."""
    assert class_numbers(["late", "on time"]).tolist() == [
        float.fromhex(text) for text in ("0x1.92b928cbc18dbp+1000", "0x1.9549cc51dfc2ep+1000")
    ]


def test_positions_are_those_in_the_list_and_unseen_classes_keep_theirs_apart():
    index = class_index(("early", "late", "3"))
    found = index.positions(class_numbers(["late", 3, "x", "y", "x", "early"]))
    assert found[[0, 1, 5]].tolist() == [1, 2, 0]
    assert (found[2:5] >= 3).all()
    assert found[2] == found[4] != found[3]
    assert (found < 2**53).all()  # they stay whole as doubles
    assert (class_index(()).positions(class_numbers(["late"])) >= 0).all()


@pytest.mark.parametrize(
    ("classes", "value", "position"),
    [(("true", "false"), 1, 0), (("0", "1"), True, 1), (("0", "1", "2"), True, None)],
)
def test_booleans_mean_1_and_0_if_there_are_no_other_classes(classes, value, position):
    (found,) = class_index(classes).positions(class_numbers([value])).tolist()
    assert (found if found < len(classes) else None) == position
